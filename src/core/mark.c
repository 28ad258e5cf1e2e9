/*
 * Which bytes were changed after a version: exactly, by the ring, if it still has all commits since
 * then; otherwise in whole blocks.
 */
#include "segment.h"

#include "error.h"

#include <string.h>

static void mark_range(unsigned char *marks, const ipm_range *range) {
    memset(marks + range->offset, 1, range->size);
}

/* returns  IPM_OK: all commits were in the ring; IPM_ETIMEOUT: not all, and the marks are of no use
 */
static int mark_commits(ipm_segment *segment, uint64_t version, unsigned char *marks,
                        ipm_error *error) {
    ipm_feed *feed;
    uint64_t missed;
    int code = ipm_feed_open(segment, version, &feed, error);
    if (code != IPM_OK)
        return code;
    while ((code = ipm_feed_next(feed, 0, NULL, &missed, error)) == IPM_OK && missed == 0)
        for (ipm_range range = {0, 0}; ipm_feed_changes(feed, &range);)
            mark_range(marks, &range);
    ipm_feed_close(feed);
    return code == IPM_ETIMEOUT ? IPM_OK : code == IPM_OK ? IPM_ETIMEOUT : code;
}

static int mark_blocks(ipm_segment *segment, uint64_t version, unsigned char *marks,
                       ipm_error *error) {
    ipm_range range = {0, 0};
    int code;
    while ((code = ipm_segment_changed(segment, version, &range, error)) == IPM_OK &&
           range.size > 0)
        mark_range(marks, &range);
    return code;
}

int ipm_segment_mark_changed(ipm_segment *segment, uint64_t version, unsigned char *marks,
                             ipm_error *error) {
    ipm_range range = {0, 0};
    int code = ipm_segment_changed(segment, version, &range, error); /* checks the version */
    uint64_t size = segment->data.memory.size;
    memset(marks, 0, size);
    if (code != IPM_OK)
        return code;
    code = segment->data.geometry.ring_size > 0 && segment->view == NULL
               ? mark_commits(segment, version, marks, error)
               : IPM_ETIMEOUT;
    if (code != IPM_ETIMEOUT)
        return code;
    memset(marks, 0, size);
    return mark_blocks(segment, version, marks, error);
}
