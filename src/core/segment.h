/*
 * Changes to a segment for the core's own use.
 */
#ifndef IPM_CORE_SEGMENT_H
#define IPM_CORE_SEGMENT_H

#include "handle.h"
#include "share.h"

/*
 * Store the first values, and zero in the header's time stamp; in the handle's lock.
 * init   a struct of the segment's layout; NULL: the defaults
 */
void ipm_segment_reset(ipm_segment *segment, const void *init);

/* Set the header's time stamp; in the handle's lock. */
void ipm_segment_stamp(ipm_segment *segment, double time);

/* Fail unless this thread holds the lock through the handle. */
int ipm_segment_check_locked(const ipm_segment *segment, ipm_error *error);

/*
 * Take the lock for one change, unless the handle holds it already.
 * own      whether it was taken here, and is to be released by unlock or rollback
 * returns  as ipm_segment_lock; IPM_EINVALID for a reader
 */
int ipm_segment_enter(ipm_segment *segment, bool *own, ipm_error *error);

/* Fail if the handle is a writer's, but may not write now because the segment is shared. */
int ipm_segment_check_home(const ipm_segment *segment, ipm_error *error);

/* Take turns of a snapshot of the segment until one succeeds. */
void ipm_segment_take(ipm_segment *segment, ipm_snapshot *snapshot);

#endif
