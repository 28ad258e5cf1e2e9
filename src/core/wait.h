/*
 * Ending waits for the lock.
 */
#ifndef IPM_CORE_WAIT_H
#define IPM_CORE_WAIT_H

#include "rwlock.h"

/* As `go_on` of a handle's lock: a wait ends with an interruption, or when the name is lost. */
int ipm_segment_go_on(ipm_rwlock *lock, bool has_waited);

#endif
