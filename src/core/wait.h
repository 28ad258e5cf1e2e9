/*
 * Ending waits for the lock.
 */
#ifndef IPM_CORE_WAIT_H
#define IPM_CORE_WAIT_H

#include "../ipmmap.h"
#include "rwlock.h"

/*
 * Have waits for the handle's lock call a function between two slices, every 100 ms at the longest.
 * If it returns true, the wait fails with IPM_EINTERRUPTED. Otherwise the wait goes on, and keeps
 * its place in the queue.
 *
 * asks  must not use the handle; NULL: nothing is called any more
 * with  its argument
 */
void ipm_segment_ask(ipm_segment *segment, bool (*asks)(void *), void *with);

/* As `go_on` of a handle's lock: a wait ends with an interruption, or when the name is lost. */
int ipm_segment_go_on(ipm_rwlock *lock, bool has_waited);

#endif
