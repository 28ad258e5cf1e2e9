/*
 * A thread that ends while it holds a segment's lock: the lock is released in that thread, and what
 * the thread changed is rolled back. The handle remembers it.
 */
#ifndef IPM_CORE_ABANDON_H
#define IPM_CORE_ABANDON_H

#include "cold.h"

#include "../ipmmap.h"

struct ipm_rwlock;

/*
 * Name the place where the handle's user, such as the Lua binding, keeps the address of the struct
 * while the handle is locked. The place becomes NULL when the lock is released because its thread
 * ends, in that thread.
 *
 * shown  lives as long as the handle
 */
void ipm_segment_show(ipm_segment *segment, unsigned char **shown);

/* Whether the handle's last lock was released because its thread ended. */
bool ipm_segment_was_abandoned(const ipm_segment *segment);

/* As `abandoned` of a handle's lock. */
void ipm_segment_abandon(struct ipm_rwlock *lock);

/*
 * Say why a call that needs the lock cannot be done.
 * returns  IPM_EINVALID or IPM_EFORKED
 */
IPM_COLD int ipm_segment_not_locked(const ipm_segment *segment, ipm_error *error);

#endif
