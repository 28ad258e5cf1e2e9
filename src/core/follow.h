/*
 * Following: a handle whose segment was replaced opens the one that has its name now. The handle
 * stays the same, and the parts in it that belong to the files are exchanged.
 */
#ifndef IPM_CORE_FOLLOW_H
#define IPM_CORE_FOLLOW_H

#include "handle.h"

/* Whether calls follow by themselves: then a call whose segment is replaced is done again. */
static inline bool ipm_segment_follows(const ipm_segment *segment) {
    return segment->options.follow && segment->expected.match != IPM_BY_PATH;
}

/* Follow if that can be done now: for calls that also tell of a segment that was replaced. */
void ipm_segment_try_to_follow(ipm_segment *segment);

/* How often the handle was opened: 1, and one more each time that it followed. */
uint64_t ipm_segment_openings(const ipm_segment *segment);

#endif
