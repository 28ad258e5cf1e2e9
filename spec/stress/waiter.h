/*
 * A process that waits for a lock, or for a commit, while another one dies: it says what it found
 * when its turn came.
 */
#ifndef WAITER_H
#define WAITER_H

#include "phases.h"
#include "stress.h"

typedef struct waiter_report {
    int code; /* IPM_OK, or why it could not have what it waited for */
    bool intact;
    bool committed; /* it added a commit of its own */
    uint64_t version;
    int64_t at_ns;     /* when its turn came */
    int64_t queued_ns; /* the time since its go in which it had no processor */
} waiter_report;

typedef struct waiter {
    pid_t pid;
    int to, from;
    bool reads; /* else writes */
} waiter;

/* Fork one, which opens the segment, unless it is a newcomer to the phase, and waits for its go. */
void waiter_start(waiter *w, const phase_kind *phase, bool reads);

/* Let it go, and return when it is blocked, or has had its turn. */
void waiter_go(waiter *w);

/* returns  false: it is stuck. Ends the process either way. */
bool waiter_finish(waiter *w, waiter_report *report);

#endif
