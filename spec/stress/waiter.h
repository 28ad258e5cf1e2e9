/*
 * A process that waits for a lock or for a commit while another process dies. It reports what it
 * found when its wait ended.
 */
#ifndef WAITER_H
#define WAITER_H

#include "phases.h"
#include "stress.h"

typedef struct waiter_report {
    int code; /* IPM_OK, or why the wait failed */
    bool intact;
    bool committed; /* the waiter added a commit of its own */
    uint64_t version;
    int64_t at_ns;     /* when the wait ended */
    int64_t queued_ns; /* how long it had no processor, since waiter_go */
} waiter_report;

typedef struct waiter {
    pid_t pid;
    int to, from;
    bool reads; /* false: it writes */
} waiter;

/* Fork a waiter. It opens the segment now, or later if the phase has newcomers. */
void waiter_start(waiter *w, const phase_kind *phase, bool reads);

/* Let it begin to wait, and return when it is blocked or its wait has ended. */
void waiter_go(waiter *w);

/* Get the report and end the process. returns  false: the process was stuck */
bool waiter_finish(waiter *w, waiter_report *report);

#endif
