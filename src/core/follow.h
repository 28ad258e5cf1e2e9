/*
 * Following: if a handle's segment was replaced, the handle opens the segment that has its name
 * now. The handle stays the same; the parts of it that belong to the files are exchanged.
 */
#ifndef IPM_CORE_FOLLOW_H
#define IPM_CORE_FOLLOW_H

#include "handle.h"

/* Whether calls follow by themselves. If so, a call whose segment is replaced is repeated. */
static inline bool ipm_segment_follows(const ipm_segment *segment) {
    return segment->options.follow && segment->expected.match != IPM_BY_PATH;
}

/* Follow if that is possible now. For calls that also describe a segment that was replaced. */
void ipm_segment_try_to_follow(ipm_segment *segment);

#endif
