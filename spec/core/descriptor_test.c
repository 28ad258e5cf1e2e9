/* The descriptor for an event loop: when it is readable, and what a drained one does. */
#include "../../src/core/segment.h"
#include "fixture.h"
#include "other_libc.h"
#include "peer.h"

#include <sys/timerfd.h>

#define AT_ONCE 0

static ipm_segment *manager;

static int fd_of(ipm_segment *segment) {
    int fd = -1;
    CHECK_INT(ipm_segment_fd(segment, &fd, &error), IPM_OK);
    return fd;
}

static bool is_readable(int fd, int timeout_ms) {
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    return poll(&wanted, 1, timeout_ms) == 1;
}

static int64_t drained(ipm_segment *segment) {
    uint64_t version = UINT64_MAX;
    CHECK_INT(ipm_segment_drain(segment, &version, &error), IPM_OK);
    return (int64_t)version;
}

/* Whether draining ends it. Once is not enough: the timer may fire in between. */
static bool rests_when_drained(ipm_segment *segment, int fd) {
    for (int tries = 0; tries < 100; tries++) {
        drained(segment);
        if (!is_readable(fd, AT_ONCE))
            return true;
    }
    return false;
}

static ipm_segment *without_a_lock_file(void) {
    return lock_free_reader(manager);
}

static void readable_after_a_commit(void) {
    ipm_segment *reader = opened(IPM_READER, "");
    int fd = fd_of(reader);
    int64_t version = drained(reader);
    CHECK(rests_when_drained(reader, fd));
    commit(manager, 1);
    CHECK(is_readable(fd, AT_ONCE));
    CHECK_INT(drained(reader), version + 1);
    CHECK(rests_when_drained(reader, fd));
    ipm_segment_close(reader, NULL);
}

static void the_same_each_time(void) {
    ipm_segment *reader = opened(IPM_READER, "");
    int fd = fd_of(reader);
    int next = next_descriptor();
    CHECK_INT(fd_of(reader), fd);
    CHECK_INT(next_descriptor(), next);
    ipm_segment_close(reader, NULL);
}

static void drains_without_a_descriptor(void) {
    ipm_segment *reader = opened(IPM_READER, "");
    commit(manager, 1);
    CHECK_INT(drained(reader), version_of(manager));
    ipm_segment_close(reader, NULL);
}

static void a_timer_without_a_lock_file(void) {
    ipm_segment *reader = without_a_lock_file();
    int fd = fd_of(reader);
    CHECK(is_readable(fd, PEER_DEADLINE_MS));
    CHECK_INT(drained(reader), version_of(manager));
    CHECK(is_readable(fd, PEER_DEADLINE_MS));
    ipm_segment_close(reader, NULL);
}

/* The period of the timer behind a descriptor, in nanoseconds. */
static int64_t period_of(const ipm_segment *segment) {
    struct itimerspec timer = {0};
    CHECK_INT(timerfd_gettime(segment->descriptor.timer, &timer), 0);
    return timer.it_interval.tv_sec * SECOND + timer.it_interval.tv_nsec;
}

/*
 * In a process whose standard input is closed, a handle's first descriptor is 0: that of the watch,
 * or of the timer if there is no watch.
 */
static void listens_at_zero(ipm_segment *(*open_reader)(void), int64_t period) {
    ipm_segment_close(manager, NULL); /* the parent's, which cannot be used here */
    manager = opened(IPM_MANAGER, "");
    close(0);
    CHECK_INT(next_descriptor(), 0);
    ipm_segment *reader = open_reader();
    int fd = fd_of(reader);
    CHECK_INT(fd_of(reader), fd);
    CHECK_INT(period_of(reader), period);
    for (int commits = 0; commits < 2; commits++) {
        commit(manager, 1);
        CHECK(is_readable(fd, PEER_DEADLINE_MS));
        CHECK(rests_when_drained(reader, fd));
    }
    ipm_segment_close(reader, NULL);
    CHECK_INT(next_descriptor(), 0);
    exit(tap.bad);
}

static ipm_segment *a_reader(void) {
    return opened(IPM_READER, "");
}

static void listens(peer *test) {
    (void)test;
    listens_at_zero(a_reader, SECOND);
}

static void listens_without_a_lock_file(peer *test) {
    (void)test;
    listens_at_zero(without_a_lock_file, 10 * MS);
}

static void descriptor_zero(void) {
    CHECK_INT(run_peer(listens), 0);
    CHECK_INT(run_peer(listens_without_a_lock_file), 0);
}

static ipm_segment *inherited;

static void uses_the_parents_handle(peer *test) {
    (void)test;
    uint64_t version;
    int fd;
    CHECK_ERROR(ipm_segment_drain(inherited, &version, &error), IPM_EFORKED, "fork");
    CHECK_ERROR(ipm_segment_fd(inherited, &fd, &error), IPM_EFORKED, "fork");
    exit(tap.bad);
}

static void refused_after_a_fork(void) {
    inherited = opened(IPM_READER, "");
    fd_of(inherited);
    CHECK_INT(run_peer(uses_the_parents_handle), 0);
    ipm_segment_close(inherited, NULL);
}

static void refused_after_destroying(void) {
    ipm_segment *doomed = opened(IPM_MANAGER, "doomed");
    ipm_segment *reader = opened(IPM_READER, "doomed");
    uint64_t version;
    int fd = fd_of(reader);
    drained(reader);
    CHECK_INT(ipm_segment_destroy(doomed, &error), IPM_OK);
    CHECK(is_readable(fd, AT_ONCE));
    CHECK_ERROR(ipm_segment_drain(reader, &version, &error), IPM_EREPLACED, "destroyed");
    CHECK_ERROR(ipm_segment_fd(reader, &fd, &error), IPM_EREPLACED, "destroyed");
    ipm_segment_close(reader, NULL);
    ipm_segment_close(doomed, NULL);
}

int main(void) {
    set_up();
    manager = opened(IPM_MANAGER, "");
    run("a descriptor is readable from a commit until it is drained", readable_after_a_commit);
    run("a handle has one descriptor, however often it is asked", the_same_each_time);
    run("a handle that never had a descriptor can be drained", drains_without_a_descriptor);
    run("a reader without a lock file has a timer", a_timer_without_a_lock_file);
    run("descriptor 0 serves like any other", descriptor_zero);
    run("a handle from before a fork has no descriptor", refused_after_a_fork);
    run("a destroyed segment makes the descriptor readable, and is refused",
        refused_after_destroying);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
    return tear_down();
}
