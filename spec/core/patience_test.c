/* A process that holds bytes of a lock file delays an opening, but by ten seconds at most. */
#include "../../src/core/clock.h"
#include "fixture.h"

#include <sys/syscall.h>
#include <time.h>

#define PATIENCE (10 * SECOND)
#define NAP MS /* the longest time between two tries */

/* The library uses this clock and this sleep. So long waits take no time, and an event can be set
 * for a certain time during a wait. */
static int64_t clock_now = 1000 * SECOND;
static void (*meanwhile)(void);

int clock_gettime(clockid_t id, struct timespec *time) {
    if (id != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, id, time);
    *time = (struct timespec){.tv_sec = clock_now / SECOND, .tv_nsec = clock_now % SECOND};
    return 0;
}

int nanosleep(const struct timespec *nap, struct timespec *left) {
    (void)left;
    clock_now += nap->tv_sec * SECOND + nap->tv_nsec;
    if (meanwhile != NULL)
        meanwhile();
    return 0;
}

/* ---- Bytes are locked through another open file, as by another process ---------------------- */

static int holder;

static void take(off_t byte, short type) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    CHECK_INT(fcntl(holder, F_OFD_SETLK, &lock), 0);
}

static void begin(void) {
    ipm_segment_close(opened(IPM_MANAGER, ""), NULL);
    holder = open(lock_path(""), O_RDWR);
    CHECK(holder >= 0);
}

static void end(void) {
    ipm_segment *manager;
    meanwhile = NULL;
    close(holder);
    CHECK_INT(open_as(IPM_MANAGER, "", &manager), IPM_OK);
    CHECK_INT(commit(manager, 5), IPM_OK);
    ipm_segment_close(manager, NULL);
}

static void times_out(ipm_role role, const char *says) {
    ipm_segment *segment;
    int64_t started = clock_now;
    CHECK_ERROR(open_as(role, "", &segment), IPM_ETIMEOUT, says);
    CHECK(strstr(error.text, "Demo_.lock") != NULL);
    CHECK(strstr(error.text, "ipmmap who FILE") != NULL);
    CHECK(clock_now - started >= PATIENCE);
    CHECK(clock_now - started <= PATIENCE + NAP);
}

static void names_the_byte_that_is_held(void) {
    static const struct {
        off_t byte;
        ipm_role role;
        const char *says;
    } cases[] = {
        {0, IPM_EDITOR, "its byte 0, as one does that initialises it"},
        {1, IPM_MANAGER, "its byte 1, as one does that creates or destroys the segment"},
        {2, IPM_EDITOR, "its byte 2, as one does that is opening it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        take(cases[i].byte, F_WRLCK);
        times_out(cases[i].role, cases[i].says);
        end();
    }
}

static void a_reader_then_reads_lock_free(void) {
    begin();
    take(0, F_WRLCK);
    int64_t started = clock_now;
    ipm_segment *reader = opened(IPM_READER, "");
    CHECK(clock_now - started >= PATIENCE);
    CHECK(clock_now - started <= PATIENCE + NAP);
    CHECK_INT(read_a(reader), 5);
    CHECK_ERROR(ipm_segment_lock(reader, 0, &error), IPM_ETIMEOUT, "its byte 0,");
    ipm_segment_close(reader, NULL);
    end();
}

static int64_t started_at;

static void lets_go_of_one_byte_after_the_other(void) {
    int64_t passed = clock_now - started_at;
    if (passed >= 6 * SECOND)
        take(1, F_UNLCK);
    if (passed >= 9 * SECOND)
        take(2, F_UNLCK);
}

/* Each byte is held for less than ten seconds, one after the other. */
static void waits_ten_seconds_for_all_bytes_together(void) {
    begin();
    take(0, F_WRLCK);
    take(1, F_WRLCK);
    take(2, F_WRLCK);
    started_at = clock_now;
    meanwhile = lets_go_of_one_byte_after_the_other;
    times_out(IPM_MANAGER, "its byte 0,");
    end();
}

static void opens_as_soon_as_all_are_free(void) {
    ipm_segment *manager;
    begin();
    take(1, F_WRLCK);
    take(2, F_WRLCK);
    started_at = clock_now;
    meanwhile = lets_go_of_one_byte_after_the_other;
    CHECK_INT(open_as(IPM_MANAGER, "", &manager), IPM_OK);
    CHECK(clock_now - started_at >= 9 * SECOND);
    CHECK(clock_now - started_at <= 9 * SECOND + NAP);
    ipm_segment_close(manager, NULL);
    end();
}

static void destroying_waits_ten_seconds_as_well(void) {
    begin();
    ipm_segment *manager = opened(IPM_MANAGER, "");
    take(1, F_WRLCK);
    int64_t started = clock_now;
    CHECK_ERROR(ipm_segment_destroy(manager, &error), IPM_ETIMEOUT, "its byte 1,");
    CHECK(clock_now - started >= PATIENCE);
    CHECK(clock_now - started <= PATIENCE + NAP);
    ipm_segment_close(manager, NULL);
    end();
}

static void a_wait_of_ages_is_not_without_end(void) {
    CHECK(ipm_clock_deadline(IPM_FOREVER) == IPM_FOREVER);
    CHECK(ipm_clock_deadline(IPM_FOREVER - 1) == IPM_FOREVER - 1);
    CHECK(ipm_clock_deadline(IPM_FOREVER - clock_now) == IPM_FOREVER - 1);
    CHECK(ipm_clock_deadline(SECOND) == clock_now + SECOND);
    CHECK(ipm_clock_deadline(-SECOND) == clock_now);
}

int main(void) {
    set_up();
    run("opening names the byte of the lock file that is held", names_the_byte_that_is_held);
    run("a reader reads lock-free after ten seconds", a_reader_then_reads_lock_free);
    run("opening waits ten seconds in all, for all bytes together",
        waits_ten_seconds_for_all_bytes_together);
    run("opening succeeds as soon as all bytes are free", opens_as_soon_as_all_are_free);
    run("destroying waits for ten seconds too", destroying_waits_ten_seconds_as_well);
    run("a very long timeout has a deadline, and only IPM_FOREVER has none",
        a_wait_of_ages_is_not_without_end);
    return tear_down();
}
