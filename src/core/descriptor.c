#include "descriptor.h"

#include "clock.h"
#include "error.h"
#include "file.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TICK_NS (10 * IPM_MS)   /* of a timer alone */
#define SLOW_TICK_NS IPM_SECOND /* of a timer beside a watch, which may miss a commit */

#define NO_DESCRIPTORS "this process has no more descriptors (ulimit -n)"

/* ---- Failures ---------------------------------------------------------------------------- */

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

static int fail_descriptor(ipm_error *error, int system, const char *path) {
    if (system == EMFILE)
        return fail_limit(error, system, path, NO_DESCRIPTORS);
    if (system == ENOSPC)
        return fail_limit(error, system, path,
                          "this user has no more epoll watches (sysctl fs.epoll.max_user_watches)");
    return ipm_fail_errno(error, system, "cannot listen to %s", path);
}

/* ---- Opening ----------------------------------------------------------------------------- */

/* The name is checked after the watch began: from then on inotify reports that it is lost. */
static int add_watch(const char *path, dev_t device, ino_t inode, const ipm_descriptor *descriptor,
                     int *watch, ipm_error *error) {
    *watch = inotify_add_watch(descriptor->events, path, IN_ATTRIB | IN_DONT_FOLLOW);
    if (*watch < 0 && errno != ENOENT)
        return fail_watch(error, errno, path);
    if (!ipm_file_is_at(path, device, inode))
        return ipm_fail(error, IPM_EREPLACED, 0, "%s is no longer this segment", path);
    return IPM_OK;
}

static int watch_file(const char *path, dev_t device, ino_t inode, ipm_descriptor *made,
                      ipm_error *error) {
    made->events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (made->events < 0)
        return fail_instance(error, errno, path);
    return add_watch(path, device, inode, made, &made->watch, error);
}

static void set_timer(const ipm_descriptor *descriptor, int64_t first_ns) {
    struct itimerspec ticks = {.it_interval = ipm_clock_timespec(descriptor->tick_ns),
                               .it_value = ipm_clock_timespec(first_ns)};
    timerfd_settime(descriptor->timer, 0, &ticks, NULL);
}

/* The timer fires first when one period has passed. */
static void start_timer(const ipm_descriptor *descriptor) {
    set_timer(descriptor, descriptor->tick_ns);
}

static int add_timer(const char *path, ipm_descriptor *made, ipm_error *error) {
    made->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (made->timer < 0)
        return fail_descriptor(error, errno, path);
    made->tick_ns = made->events >= 0 ? SLOW_TICK_NS : TICK_NS;
    start_timer(made);
    return IPM_OK;
}

/* Make one descriptor of both. */
static int join_both(const char *path, ipm_descriptor *made, ipm_error *error) {
    struct epoll_event readable = {.events = EPOLLIN};
    made->fd = epoll_create1(EPOLL_CLOEXEC);
    if (made->fd < 0 || epoll_ctl(made->fd, EPOLL_CTL_ADD, made->events, &readable) != 0 ||
        epoll_ctl(made->fd, EPOLL_CTL_ADD, made->timer, &readable) != 0)
        return fail_descriptor(error, errno, path);
    return IPM_OK;
}

int ipm_descriptor_open(const char *path, dev_t device, ino_t inode, bool watches,
                        ipm_descriptor *descriptor, ipm_error *error) {
    *descriptor = IPM_NO_DESCRIPTOR;
    int code = watches ? watch_file(path, device, inode, descriptor, error) : IPM_OK;
    if (code == IPM_OK)
        code = add_timer(path, descriptor, error);
    if (code == IPM_OK && watches)
        code = join_both(path, descriptor, error);
    else if (code == IPM_OK)
        descriptor->fd = descriptor->timer;
    if (code != IPM_OK)
        ipm_descriptor_close(descriptor);
    return code;
}

/* ---- Moving ------------------------------------------------------------------------------ */

static void remove_watch(const ipm_descriptor *descriptor, int watch) {
    if (watch >= 0)
        inotify_rm_watch(descriptor->events, watch);
}

int ipm_descriptor_move(ipm_descriptor *descriptor, const char *path, dev_t device, ino_t inode,
                        bool is_told, ipm_error *error) {
    if (descriptor->events >= 0) {
        int watch;
        int code = add_watch(path, device, inode, descriptor, &watch, error);
        bool is_other = watch != descriptor->watch; /* inotify has one watch for each inode */
        if (code != IPM_OK) {
            remove_watch(descriptor, is_other ? watch : -1);
            return code;
        }
        remove_watch(descriptor, is_other ? descriptor->watch : -1);
        descriptor->watch = watch;
        descriptor->tick_ns = is_told ? SLOW_TICK_NS : TICK_NS;
    }
    set_timer(descriptor, 1);
    return IPM_OK;
}

/* ---- Use --------------------------------------------------------------------------------- */

void ipm_descriptor_drain(const ipm_descriptor *descriptor) {
    char events[4096]; /* usually room for all; otherwise it stays readable */
    start_timer(descriptor);
    if (descriptor->events >= 0)
        (void)!read(descriptor->events, events, sizeof events); /* there may be none */
}

void ipm_descriptor_close(ipm_descriptor *descriptor) {
    if (descriptor->events >= 0)
        close(descriptor->events);
    if (descriptor->timer >= 0)
        close(descriptor->timer);
    if (descriptor->fd >= 0 && descriptor->fd != descriptor->timer)
        close(descriptor->fd);
    *descriptor = IPM_NO_DESCRIPTOR;
}
