#include "listen.h"

#include "clock.h"
#include "error.h"
#include "file.h"
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Of a reader that may not set the flag. */
#define TICK_NS (10 * IPM_MS)

#define NO_DESCRIPTORS "this process has no more descriptors (ulimit -n)"

/* The flag is the lowest bit; the others count how often it was set. */
#define ASKED 1U
#define STEP 2U

/*
 * As in notify.c, a listener sets the flag and then looks for news, and a teller stores the news
 * and then looks at the flag.
 *
 * The teller clears the flag after it has told, so that one that dies in between has made nobody
 * deaf: the next one tells. But meanwhile a listener may have been told, have looked and asked
 * again, and that must not be cleared: each asking changes the count, and only the flag with the
 * count that was found is cleared.
 */
static void ask(_Atomic uint32_t *listening) {
    uint32_t seen = atomic_load_explicit(listening, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(listening, &seen, (seen + STEP) | ASKED,
                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
    atomic_thread_fence(memory_order_seq_cst);
}

bool ipm_listen_tell(_Atomic uint32_t *listening, const char *path) {
    uint32_t seen = atomic_load_explicit(listening, memory_order_seq_cst);
    if ((seen & ASKED) == 0)
        return true;
    bool there = utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
    atomic_compare_exchange_strong_explicit(listening, &seen, seen & ~ASKED, memory_order_seq_cst,
                                            memory_order_relaxed);
    return there;
}

/* The errno's own text would mislead: ENOSPC is not about a disk, EMFILE is two limits. */
static int fail_limit(ipm_error *error, int system, const char *path, const char *limit) {
    int code = ipm_fail(error, IPM_ESYSTEM, 0, "cannot listen to %s: %s", path, limit);
    error->system = system;
    return code;
}

/* Whether this process may have one more. */
static bool has_descriptors(void) {
    int fd = eventfd(0, EFD_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int fail_instance(ipm_error *error, int system, const char *path) {
    if (system != EMFILE)
        return ipm_fail_errno(error, system, "cannot listen to %s", path);
    return fail_limit(error, system, path,
                      has_descriptors() ? "this user has no more inotify instances "
                                          "(sysctl fs.inotify.max_user_instances)"
                                        : NO_DESCRIPTORS);
}

static int fail_watch(ipm_error *error, int system, const char *path) {
    if (system != ENOSPC)
        return ipm_fail_errno(error, system, "cannot listen to %s", path);
    return fail_limit(error, system, path,
                      "this user has no more inotify watches (sysctl fs.inotify.max_user_watches)");
}

/* returns  IPM_EREPLACED when another file is at the path, ... */
static int watch(const ipm_segment *segment, int *fd, ipm_error *error) {
    const char *path = segment->names.path;
    int code = IPM_OK;
    *fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (*fd < 0)
        return fail_instance(error, errno, path);
    if (inotify_add_watch(*fd, path, IN_ATTRIB | IN_DONT_FOLLOW) < 0 && errno != ENOENT)
        code = fail_watch(error, errno, path);
    else if (!ipm_file_is_at(path, segment->data.device, segment->data.inode))
        code = ipm_fail(error, IPM_EREPLACED, 0, "%s is no longer this segment", path);
    if (code != IPM_OK)
        close(*fd);
    return code;
}

static int tick(const ipm_segment *segment, int *fd, ipm_error *error) {
    struct timespec period = {.tv_nsec = TICK_NS};
    struct itimerspec ticks = {.it_interval = period, .it_value = period};
    *fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (*fd < 0)
        return errno == EMFILE
                   ? fail_limit(error, EMFILE, segment->names.path, NO_DESCRIPTORS)
                   : ipm_fail_errno(error, errno, "%s: cannot make a timer", segment->name);
    timerfd_settime(*fd, 0, &ticks, NULL);
    return IPM_OK;
}

static void quiet(int fd) {
    char events[4096];
    ssize_t got;
    do
        got = read(fd, events, sizeof events);
    while (got > 0 || (got < 0 && errno == EINTR));
}

static int listen_to(ipm_segment *segment, int *fd, ipm_error *error) {
    uint64_t version;
    int code = ipm_segment_version(segment, &version, error);
    if (code == IPM_OK && segment->listener == IPM_NO_LISTENER) {
        ipm_lock_head *head = segment->lockfile.head;
        int made;
        code = head != NULL ? watch(segment, &made, error) : tick(segment, &made, error);
        if (code == IPM_OK)
            segment->listener = made;
        if (code == IPM_OK && head != NULL)
            ask(&head->listening);
    }
    if (code == IPM_OK)
        *fd = segment->listener;
    return code;
}

int ipm_segment_fd(ipm_segment *segment, int *fd, ipm_error *error) {
    ipm_error detail;
    return ipm_report(listen_to(segment, fd, &detail), &detail, error);
}

int ipm_segment_drain(ipm_segment *segment, uint64_t *version, ipm_error *error) {
    int code = ipm_segment_check_fork(segment, error);
    if (code != IPM_OK)
        return code;
    if (segment->listener != IPM_NO_LISTENER) {
        quiet(segment->listener);
        if (segment->lockfile.head != NULL)
            ask(&segment->lockfile.head->listening);
    }
    code = ipm_segment_check_name(segment, error);
    return code != IPM_OK ? code : ipm_segment_version(segment, version, error);
}
