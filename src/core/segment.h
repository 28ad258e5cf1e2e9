/*
 * Changes to a segment for the core's own use.
 */
#ifndef IPM_CORE_SEGMENT_H
#define IPM_CORE_SEGMENT_H

#include "handle.h"

/*
 * Store the first values, and zero in the header's time stamp; in the handle's lock.
 * init   a struct of the segment's layout; NULL: the defaults
 */
void ipm_segment_reset(ipm_segment *segment, const void *init);

/* Set the header's time stamp; in the handle's lock. */
void ipm_segment_stamp(ipm_segment *segment, double time);

/* Take turns of a snapshot of the segment until one succeeds. */
void ipm_segment_take(ipm_segment *segment, ipm_snapshot *snapshot);

#endif
