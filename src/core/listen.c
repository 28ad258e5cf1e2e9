#include "listen.h"

#include "clock.h"
#include "error.h"
#include "file.h"
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TICK_NS (10 * IPM_MS)        /* of a reader that may not set the flag */
#define SLOW_TICK_NS (1000 * IPM_MS) /* of those who may have missed a commit */

#define NO_DESCRIPTORS "this process has no more descriptors (ulimit -n)"

/* The flag is the lowest bit; the others count how often it was set. */
#define ASKED 1U
#define ONE_LISTENER 2U

/*
 * As in notify.c, a listener sets the flag and then looks for news, and a teller stores the news
 * and then looks at the flag.
 *
 * The teller clears the flag after it has told, and only if it could, so that one that dies in
 * between, or that has changed its user since, has made nobody deaf: the next one tells. But
 * meanwhile a listener may have been told, have looked and asked again, and that must not be
 * cleared: each asking changes the count, and only the flag with the count that was found is
 * cleared. Model-checked, see proof/.
 */
static void ask(_Atomic uint32_t *listening) {
    uint32_t seen = atomic_load_explicit(listening, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(listening, &seen, (seen + ONE_LISTENER) | ASKED,
                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
    atomic_thread_fence(memory_order_seq_cst);
}

bool ipm_listen_tell(_Atomic uint32_t *listening, const char *path) {
    uint32_t seen = atomic_load_explicit(listening, memory_order_seq_cst);
    if ((seen & ASKED) == 0)
        return true;
    if (utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT;
    atomic_compare_exchange_strong_explicit(listening, &seen, seen & ~ASKED, memory_order_seq_cst,
                                            memory_order_relaxed);
    return true;
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

/* Begin to watch the file. returns  IPM_EREPLACED when another file is at the path, ... */
static int watch_file(const ipm_segment *segment, ipm_listener *made, ipm_error *error) {
    const char *path = segment->names.path;
    made->events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (made->events < 0)
        return fail_instance(error, errno, path);
    if (inotify_add_watch(made->events, path, IN_ATTRIB | IN_DONT_FOLLOW) < 0 && errno != ENOENT)
        return fail_watch(error, errno, path);
    if (!ipm_file_is_at(path, segment->data.device, segment->data.inode))
        return ipm_fail(error, IPM_EREPLACED, 0, "%s is no longer this segment", path);
    return IPM_OK;
}

static int fail_descriptor(ipm_error *error, int system, const char *path) {
    if (system == EMFILE)
        return fail_limit(error, system, path, NO_DESCRIPTORS);
    if (system == ENOSPC)
        return fail_limit(error, system, path,
                          "this user has no more epoll watches (sysctl fs.epoll.max_user_watches)");
    return ipm_fail_errno(error, system, "cannot listen to %s", path);
}

/* Let the timer tick, the first time when the period has passed: it is quiet until then. */
static void start(const ipm_listener *listener) {
    struct timespec period = {.tv_nsec = TICK_NS};
    if (listener->events >= 0)
        period = (struct timespec){.tv_sec = SLOW_TICK_NS / 1000000000};
    struct itimerspec ticks = {.it_interval = period, .it_value = period};
    timerfd_settime(listener->timer, 0, &ticks, NULL);
}

static int tick(const ipm_segment *segment, ipm_listener *made, ipm_error *error) {
    made->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (made->timer < 0)
        return fail_descriptor(error, errno, segment->names.path);
    start(made);
    return IPM_OK;
}

/* One descriptor for both. */
static int join_listeners(const ipm_segment *segment, ipm_listener *made, ipm_error *error) {
    struct epoll_event readable = {.events = EPOLLIN};
    made->fd = epoll_create1(EPOLL_CLOEXEC);
    if (made->fd < 0 || epoll_ctl(made->fd, EPOLL_CTL_ADD, made->events, &readable) != 0 ||
        epoll_ctl(made->fd, EPOLL_CTL_ADD, made->timer, &readable) != 0)
        return fail_descriptor(error, errno, segment->names.path);
    return IPM_OK;
}

static int make_listener(const ipm_segment *segment, ipm_listener *made, ipm_error *error) {
    bool may_ask = segment->lockfile.head != NULL;
    *made = IPM_NO_LISTENER;
    int code = may_ask ? watch_file(segment, made, error) : IPM_OK;
    if (code == IPM_OK)
        code = tick(segment, made, error);
    if (code == IPM_OK && may_ask)
        code = join_listeners(segment, made, error);
    else if (code == IPM_OK)
        made->fd = made->timer;
    if (code != IPM_OK)
        ipm_listener_close(made);
    return code;
}

void ipm_listener_close(ipm_listener *listener) {
    if (listener->events >= 0)
        close(listener->events);
    if (listener->timer >= 0)
        close(listener->timer);
    if (listener->fd >= 0 && listener->fd != listener->timer)
        close(listener->fd);
    *listener = IPM_NO_LISTENER;
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
    if (code == IPM_OK && segment->listener.fd < 0) {
        ipm_listener made;
        code = make_listener(segment, &made, error);
        if (code == IPM_OK)
            segment->listener = made;
        if (code == IPM_OK && made.events >= 0)
            ask(&segment->lockfile.head->listening);
    }
    if (code == IPM_OK)
        *fd = segment->listener.fd;
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
    const ipm_listener *listener = &segment->listener;
    if (listener->fd >= 0)
        start(listener);
    if (listener->events >= 0) {
        quiet(listener->events);
        ask(&segment->lockfile.head->listening);
    }
    code = ipm_segment_check_name(segment, error);
    return code != IPM_OK ? code : ipm_segment_version(segment, version, error);
}
