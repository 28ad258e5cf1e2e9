/*
 * Noticing a fork without a system call.
 */
#ifndef IPM_CORE_FORK_H
#define IPM_CORE_FORK_H

#include <stdint.h>

/*
 * Counts the forks that lie between the first process and this one. A handle keeps the value
 * of the time of its opening; where the two differ, the handle is the parent's, and its memory
 * is not even mapped here. Changes only in a fork's child, before any other code runs there.
 */
extern uint32_t ipm_fork_generation;

/* Start to count; repeatable. returns 0 or an errno. */
int ipm_fork_watch(void);

#endif
