/*
 * Listening to a segment from an event loop.
 */
#include "segment.h"

#include "error.h"
#include "follow.h"
#include "listeners.h"

/* The watch begins before the flag is set: a commit that finds the flag set is not missed. */
static int start_listening(ipm_segment *segment, ipm_error *error) {
    const ipm_datafile *data = &segment->data;
    bool may_ask = segment->lockfile.head != NULL;
    ipm_descriptor made;
    int code =
        ipm_descriptor_open(segment->names.path, data->device, data->inode, may_ask, &made, error);
    if (code != IPM_OK)
        return code;
    segment->descriptor = made;
    if (may_ask)
        ipm_listeners_ask(&segment->lockfile.head->listening);
    return IPM_OK;
}

static int listen_to(ipm_segment *segment, int *fd, ipm_error *error) {
    int code;
    do {
        code = ipm_segment_check(segment, error);
        if (code == IPM_OK && segment->descriptor.fd < 0)
            code = start_listening(segment, error);
    } while (code == IPM_EREPLACED && segment->descriptor.fd < 0 && ipm_segment_follows(segment) &&
             (code = ipm_segment_check_name(segment, error)) == IPM_OK);
    if (code == IPM_OK)
        *fd = segment->descriptor.fd;
    return code;
}

int ipm_segment_fd(ipm_segment *segment, int *fd, ipm_error *error) {
    ipm_error detail;
    return ipm_report(listen_to(segment, fd, &detail), &detail, error);
}

/* The events are drained before the flag is set, and the version is read after both: a commit in
 * between makes the descriptor readable again. */
static int drain_once(ipm_segment *segment, uint64_t *version, ipm_error *error) {
    const ipm_descriptor *descriptor = &segment->descriptor;
    if (descriptor->fd >= 0)
        ipm_descriptor_drain(descriptor);
    if (descriptor->events >= 0 && segment->lockfile.head != NULL)
        ipm_listeners_ask(&segment->lockfile.head->listening);
    int code = ipm_segment_check_name(segment, error);
    return code != IPM_OK ? code : ipm_segment_version(segment, version, error);
}

/* If the handle has followed, drain again: following makes the descriptor readable. */
int ipm_segment_drain(ipm_segment *segment, uint64_t *version, ipm_error *error) {
    uint64_t openings;
    int code = ipm_segment_check_fork(segment, error);
    if (code != IPM_OK)
        return code;
    do {
        openings = segment->openings;
        code = drain_once(segment, version, error);
    } while (code == IPM_OK && openings != segment->openings);
    return code;
}
