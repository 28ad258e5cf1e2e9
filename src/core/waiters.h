/*
 * The threads that wait for the lock: a table in the lock file's first page, for diagnosis alone.
 * Nothing depends on it, so the entries of dead processes do no harm.
 */
#ifndef IPM_CORE_WAITERS_H
#define IPM_CORE_WAITERS_H

#include "../ipmmap.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ipm_waiter {
    _Atomic int32_t pid; /* 0: free */
    _Atomic int32_t tid; /* the thread's id, as the kernel has it in the mutexes that it holds; it
                            is set last, and 0 while the entry is free or not complete */
    _Atomic uint32_t writes;
    _Atomic uint32_t since; /* Unix seconds, modulo 2^32 */
} ipm_waiter;

/* When it is full, further waiters are not listed. */
typedef struct ipm_waiters {
    ipm_waiter waiter[IPM_MAX_WAITERS];
} ipm_waiters;

/*
 * Add the calling thread, which is going to wait.
 * waiters  NULL: no table
 * returns  the entry, for ipm_waiters_leave; NULL: the table is full
 */
ipm_waiter *ipm_waiters_enter(ipm_waiters *waiters, int32_t pid, bool writes);
void ipm_waiters_leave(ipm_waiter *waiter);

#endif
