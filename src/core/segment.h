/*
 * Changes to a segment for the core's own use.
 */
#ifndef IPM_CORE_SEGMENT_H
#define IPM_CORE_SEGMENT_H

#include "handle.h"

/* Zero all but the header's code; in the handle's lock. */
void ipm_segment_zero(ipm_segment *segment);

/* Set the header's time stamp; in the handle's lock. */
void ipm_segment_stamp(ipm_segment *segment, double time);

/* Take turns of a snapshot of the segment until one succeeds. */
void ipm_segment_take(ipm_segment *segment, ipm_snapshot *snapshot);

#endif
