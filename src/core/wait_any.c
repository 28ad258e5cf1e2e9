/*
 * Waiting for a commit to any of several segments.
 *
 * During the call the caller is a listener of each of them, as an event loop is (listen.c), but one
 * inotify instance serves them all: it watches the files, then the listening flags are set, then
 * the versions are read, and only then the caller sleeps. So it is the listener of
 * proof/listen.pml, once for each segment. After the call the flags stay set; as for a listener
 * that has died, that costs each segment's next commit one touch of its file.
 */
#include "wait.h"

#include "clock.h"
#include "error.h"
#include "listeners.h"
#include "segment.h"

#include <errno.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

/* The longest sleep at a time: an editor may die between its commit and the notification. */
#define ANY_SLICE_NS (100 * IPM_MS)

/* The same if a segment cannot be watched, or this reader may not write to its lock file. */
#define ANY_POLL_NS (10 * IPM_MS)

typedef struct crowd {
    ipm_segment *const *segments;
    const uint64_t *versions; /* the last ones that the program knows */
    size_t count;
    size_t first;     /* where each look begins */
    size_t which;     /* the segment that has a commit, or fails */
    int events;       /* of inotify; -1: none */
    bool is_watched;  /* inotify and the flags notify of every commit */
    uint64_t watched; /* the openings of all segments when they were watched */
} crowd;

/* returns  IPM_OK: `which` has a commit; IPM_ETIMEOUT: none has (and no text); or why `which` fails
 */
static int look_at_all(crowd *c, uint64_t *version, ipm_error *error) {
    for (size_t i = 0; i < c->count; i++) {
        c->which = (c->first + i) % c->count;
        int code = ipm_segment_look(c->segments[c->which], c->versions[c->which], version, error);
        if (code != IPM_ETIMEOUT)
            return code;
    }
    return IPM_ETIMEOUT;
}

/* How many files the handles have opened: another number if one of them has followed. */
static uint64_t count_openings(const crowd *c) {
    uint64_t openings = 0;
    for (size_t i = 0; i < c->count; i++)
        openings += c->segments[i]->openings;
    return openings;
}

/* The names are checked after the watches began: from then on inotify reports that one is lost. */
static int check_names(crowd *c, ipm_error *error) {
    for (size_t i = 0; i < c->count; i++) {
        c->which = i;
        int code = ipm_segment_check_name(c->segments[i], error);
        if (code != IPM_OK)
            return code;
    }
    return IPM_OK;
}

static int watch_all(crowd *c, ipm_error *error) {
    c->is_watched = c->events >= 0;
    c->watched = count_openings(c);
    for (size_t i = 0; i < c->count; i++) {
        const char *path = c->segments[i]->names.path;
        if (c->events < 0 || c->segments[i]->lockfile.head == NULL ||
            (inotify_add_watch(c->events, path, IN_ATTRIB | IN_DONT_FOLLOW) < 0 && errno != ENOENT))
            c->is_watched = false;
    }
    return check_names(c, error);
}

static void ask_all(const crowd *c) {
    for (size_t i = 0; i < c->count; i++)
        if (c->segments[i]->lockfile.head != NULL)
            ipm_listeners_ask(&c->segments[i]->lockfile.head->listening);
}

/* Fail if a handle holds its lock, or its wait was interrupted. */
static int check_sleep(crowd *c, ipm_error *error) {
    for (size_t i = 0; i < c->count; i++) {
        c->which = i;
        if (c->segments[i]->view != NULL)
            return ipm_fail(error, IPM_EINVALID, 0,
                            "%s: no commit can come while this handle holds its lock",
                            c->segments[i]->name);
        if (ipm_segment_take_interrupt(c->segments[i]))
            return ipm_fail(error, IPM_EINTERRUPTED, 0, "%s: the wait for a commit was interrupted",
                            c->segments[i]->name);
    }
    return IPM_OK;
}

/* Sleep for a slice, or until there may be a commit. */
static int sleep_for_any(const crowd *c, int64_t left_ns, ipm_error *error) {
    int64_t longest_ns = c->is_watched ? ANY_SLICE_NS : ANY_POLL_NS;
    struct timespec time = ipm_clock_timespec(left_ns < longest_ns ? left_ns : longest_ns);
    struct pollfd readable = {.fd = c->events, .events = POLLIN};
    char events[4096]; /* usually room for all; otherwise the next sleep is short */
    if (ppoll(&readable, c->events >= 0, &time, NULL) < 0 && errno == EINTR)
        return ipm_fail(error, IPM_EINTERRUPTED, 0, "the wait for any commit was interrupted");
    if (c->events >= 0)
        (void)!read(c->events, events, sizeof events); /* there may be none */
    return IPM_OK;
}

/* No segment has a commit yet. returns  IPM_ETIMEOUT: none had one in time; or as look_at_all */
static int wait_for_all(crowd *c, int64_t deadline, uint64_t *version, ipm_error *error) {
    int64_t look_at = 0; /* when to check the names */
    for (;;) {
        int64_t now = ipm_clock_now();
        int code = IPM_OK;
        if (look_at == 0 || c->watched != count_openings(c))
            code = watch_all(c, error);
        else if (now >= look_at)
            code = check_names(c, error);
        if (code != IPM_OK)
            return code;
        if (now >= look_at)
            look_at = now + IPM_SECOND;
        ask_all(c);
        code = look_at_all(c, version, error);
        if (code == IPM_ETIMEOUT && c->watched != count_openings(c))
            continue;
        if (code != IPM_ETIMEOUT)
            return code;
        if (now >= deadline)
            return IPM_ETIMEOUT;
        code = check_sleep(c, error);
        if (code == IPM_OK)
            code = sleep_for_any(c, deadline - now, error);
        if (code != IPM_OK)
            return code;
    }
}

int ipm_wait_any(ipm_segment *const *segments, const uint64_t *versions, size_t count, size_t first,
                 int64_t timeout_ns, size_t *which, uint64_t *version, ipm_error *error) {
    int64_t deadline = ipm_clock_deadline(timeout_ns);
    crowd c = {segments, versions, count, first, 0, -1, false, 0};
    if (count == 0 || first >= count)
        return ipm_fail(error, IPM_EINVALID, 0, "there is no segment to wait for");
    int code = look_at_all(&c, version, error);
    if (code == IPM_ETIMEOUT && timeout_ns > 0) {
        c.events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        code = wait_for_all(&c, deadline, version, error);
        if (c.events >= 0)
            close(c.events);
    }
    *which = c.which;
    return code != IPM_ETIMEOUT
               ? code
               : ipm_fail(error, IPM_ETIMEOUT, 0, "no commit to any of %zu %s in time", count,
                          count == 1 ? "segment" : "segments");
}
