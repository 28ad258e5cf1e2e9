/* Processes that are killed while they hold a segment's lock, and the processes after them. */
#include "fixture.h"
#include "peer.h"

#include <pthread.h>
#include <sys/syscall.h>

enum { FUTEX_WAIT = 0 }; /* as in linux/futex.h, which musl-gcc does not find */

static ipm_segment *manager, *editor, *reader;

static void fresh(void) {
    manager = opened(IPM_MANAGER, "");
    editor = opened(IPM_EDITOR, "");
    reader = opened(IPM_READER, "");
    CHECK_INT(commit(editor, 5), IPM_OK);
}

static void finished(void) {
    ipm_segment_close(editor, NULL);
    ipm_segment_close(reader, NULL);
    CHECK_INT(ipm_segment_destroy(manager, NULL), IPM_OK);
    ipm_segment_close(manager, NULL);
}

static void changes_half(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    if (ipm_segment_lock(own, 20 * SECOND, &error) != IPM_OK)
        _exit(1);
    set_at(own, A_OFFSET, 6);
    tell(test, 'h');
    hear(test);
}

static void reads_locked(peer *test) {
    ipm_segment *own = opened(IPM_READER, "");
    if (ipm_segment_lock(own, 20 * SECOND, &error) != IPM_OK)
        _exit(1);
    tell(test, 'h');
    hear(test);
}

static void die(void (*body)(peer *)) {
    peer p = start(body);
    CHECK_INT(hear(&p), 'h');
    kill_peer(&p);
}

static int64_t seen_locked(ipm_segment *segment, uint64_t offset) {
    int64_t value = -1;
    CHECK_INT(ipm_segment_read(segment, offset, sizeof value, &value, &error), IPM_OK);
    CHECK(memcmp((const char *)ipm_segment_data(segment) + offset, &value, sizeof value) == 0);
    return value;
}

static void rolls_a_dead_writer_back(void) {
    fresh();
    for (uint64_t i = 1; i <= 3; i++) {
        die(changes_half);
        CHECK_INT(ipm_segment_lock(editor, 20 * SECOND, &error), IPM_OK);
        CHECK_INT(seen_locked(editor, A_OFFSET), 5);
        CHECK_INT(seen_locked(editor, B_OFFSET), 5);
        CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
        CHECK_INT(info_of(reader).recoveries, i);
        CHECK_INT(version_of(reader), 1);
    }
    CHECK_INT(commit(editor, 7), IPM_OK);
    CHECK_INT(read_a(reader), 7);
    CHECK_INT(version_of(reader), 2);
    finished();
}

/* Its parent has not asked yet how it ended, so the kernel still has its number. */
static void tells_of_a_dead_writer_that_is_not_reaped(void) {
    siginfo_t end;
    fresh();
    peer p = start(changes_half);
    CHECK_INT(hear(&p), 'h');
    CHECK(!info_of(reader).pending);
    CHECK_INT(info_of(reader).writer_pid, p.pid);
    kill(p.pid, SIGKILL);
    CHECK_INT(waitid(P_PID, (id_t)p.pid, &end, WEXITED | WNOWAIT), 0);
    CHECK(info_of(reader).pending);
    CHECK_INT(info_of(reader).writer_pid, 0);
    kill_peer(&p);
    CHECK(info_of(reader).pending);
    finished();
}

static _Atomic uint32_t first; /* the kernel clears and wakes it at the end of the first thread */

static void *changes_half_in_a_thread(void *test) {
    while (first != 0)
        syscall(SYS_futex, &first, FUTEX_WAIT, 1, NULL);
    changes_half(test);
    _exit(0);
}

/* Of such a process the kernel says that it is a zombie. With musl pthread_exit leaves a lock held
 * if it ends the first thread of a fork's child. */
static void leaves_a_thread(peer *test) {
    pthread_t thread;
    first = 1;
    syscall(SYS_set_tid_address, &first);
    if (pthread_create(&thread, NULL, changes_half_in_a_thread, test) != 0)
        _exit(1);
    syscall(SYS_exit, 0);
}

static void tells_of_a_writer_whose_first_thread_has_ended(void) {
    fresh();
    peer p = start(leaves_a_thread);
    CHECK_INT(hear(&p), 'h');
    CHECK(!info_of(reader).pending);
    CHECK_INT(info_of(reader).writer_pid, p.pid);
    kill_peer(&p);
    finished();
}

static void shows_a_reader_what_was_committed(void) {
    unsigned char copy[DEMO_SIZE];
    int64_t a;
    uint64_t version;
    fresh();
    die(changes_half);
    for (int i = 0; i < 3; i++) { /* a slow read first, then a fast one */
        CHECK_INT(ipm_segment_lock(reader, 20 * SECOND, &error), IPM_OK);
        CHECK_INT(seen_locked(reader, A_OFFSET), 5);
        CHECK_INT(seen_locked(reader, B_OFFSET), 5);
        CHECK_INT(ipm_segment_unlock(reader, &error), IPM_OK);
    }
    CHECK_INT(read_a(reader), 5);
    CHECK_INT(ipm_segment_snapshot(reader, copy, &version, &error), IPM_OK);
    memcpy(&a, copy + A_OFFSET, sizeof a);
    CHECK_INT(a, 5);
    CHECK_INT(version, 1);
    CHECK_INT(info_of(reader).recoveries, 0); /* only a writer repairs */
    CHECK_INT(commit(editor, 7), IPM_OK);
    CHECK_INT(info_of(reader).recoveries, 1);
    CHECK_INT(ipm_segment_lock(reader, 20 * SECOND, &error), IPM_OK);
    CHECK_INT(seen_locked(reader, A_OFFSET), 7);
    CHECK_INT(ipm_segment_unlock(reader, &error), IPM_OK);
    finished();
}

/* The next writer has a new lock file. What it must roll back is recorded in the data file. */
static void rolls_back_after_all_have_gone(void) {
    fresh();
    die(changes_half);
    ipm_segment_close(manager, NULL);
    ipm_segment_close(editor, NULL);
    ipm_segment_close(reader, NULL);
    CHECK_INT(remove(lock_path("")), 0);
    reader = opened(IPM_READER, "");
    CHECK_INT(read_a(reader), 5);
    CHECK_INT(ipm_segment_lock(reader, 20 * SECOND, &error), IPM_OK);
    CHECK_INT(seen_locked(reader, A_OFFSET), 5);
    CHECK_INT(ipm_segment_unlock(reader, &error), IPM_OK);
    editor = opened(IPM_EDITOR, "");
    CHECK_INT(ipm_segment_lock(editor, 20 * SECOND, &error), IPM_OK);
    CHECK_INT(seen_locked(editor, A_OFFSET), 5);
    CHECK_INT(info_of(editor).recoveries, 1);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    manager = opened(IPM_MANAGER, "");
    finished();
}

static void frees_what_a_dead_reader_held(void) {
    fresh();
    for (int i = 0; i < 3; i++) {
        die(reads_locked);
        CHECK_INT(info_of(editor).readers, 0);
        CHECK_INT(commit(editor, i), IPM_OK);
    }
    CHECK_INT(info_of(reader).recoveries, 0);
    finished();
}

/* A writer that gets EOWNERDEAD and gives up has consumed the message, but has repaired nothing. */
static void repairs_after_a_writer_that_gave_up(void) {
    fresh();
    peer p = start(changes_half);
    CHECK_INT(hear(&p), 'h');
    kill_peer(&p);
    peer holds = start(reads_locked); /* keeps writers out */
    CHECK_INT(hear(&holds), 'h');
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_ETIMEOUT);
    CHECK_INT(ipm_segment_lock(editor, 5 * MS, &error), IPM_ETIMEOUT);
    CHECK_INT(ipm_segment_lock(reader, 0, &error), IPM_OK);
    CHECK_INT(seen_locked(reader, A_OFFSET), 5);
    CHECK_INT(ipm_segment_unlock(reader, &error), IPM_OK);
    kill_peer(&holds);
    CHECK_INT(ipm_segment_lock(editor, 20 * SECOND, &error), IPM_OK);
    CHECK_INT(seen_locked(editor, A_OFFSET), 5);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    CHECK_INT(info_of(editor).recoveries, 1);
    finished();
}

static void waits_with_a_lock(peer *test, ipm_role role) {
    ipm_segment *own = opened(role, "");
    tell(test, 'o');
    if (ipm_segment_lock(own, 20 * SECOND, &error) != IPM_OK || seen_locked(own, A_OFFSET) != 5)
        _exit(1);
    ipm_segment_unlock(own, NULL);
    ipm_segment_close(own, NULL);
    _exit(tap.bad);
}

static void waits_to_write(peer *test) {
    waits_with_a_lock(test, IPM_EDITOR);
}

static void waits_to_read(peer *test) {
    waits_with_a_lock(test, IPM_READER);
}

static void lets_those_go_on_who_waited(void) {
    fresh();
    peer dying = start(changes_half);
    CHECK_INT(hear(&dying), 'h');
    peer waiters[6];
    for (int i = 0; i < 6; i++) {
        waiters[i] = start(i % 2 ? waits_to_read : waits_to_write);
        CHECK_INT(hear(&waiters[i]), 'o');
    }
    kill_peer(&dying);
    for (int i = 0; i < 6; i++)
        CHECK_INT(finish(&waiters[i]), 0);
    CHECK_INT(info_of(editor).recoveries, 1);
    finished();
}

static void reads_beside_a_writer_that_is_stopped(void) {
    fresh();
    peer p = start(changes_half);
    CHECK_INT(hear(&p), 'h');
    kill(p.pid, SIGSTOP);
    CHECK_INT(read_a(reader), 5);
    CHECK_INT(ipm_segment_lock(reader, 20 * MS, &error), IPM_ETIMEOUT);
    CHECK_INT(ipm_segment_lock(editor, 20 * MS, &error), IPM_ETIMEOUT);
    CHECK_INT(info_of(reader).writer_pid, p.pid);
    CHECK_INT(read_a(reader), 5);
    kill_peer(&p);
    CHECK_INT(commit(editor, 7), IPM_OK);
    finished();
}

static void dies_creating(peer *test) {
    ipm_options options = {.mmap_dir = dir, .tag = "half", .create = true};
    ipm_segment *own;
    hear(test);
    ipm_segment_open(IPM_MANAGER, demo, &options, &own, NULL);
    tell(test, 'c');
    hear(test);
}

static void creates_after_killed_creators(void) {
    for (int i = 0; i < 60; i++) {
        peer p = start(dies_creating);
        tell(&p, 'g');
        for (volatile int spin = 0; spin < i * 3000; spin = spin + 1)
            ;
        kill_peer(&p);
        ipm_segment *own = opened(IPM_MANAGER, "half");
        CHECK_INT(commit(own, i), IPM_OK);
        CHECK_INT(ipm_segment_destroy(own, &error), IPM_OK);
        ipm_segment_close(own, NULL);
    }
}

int main(void) {
    set_up();
    run("rolls back the transaction of a killed writer, and counts it", rolls_a_dead_writer_back);
    run("tells that a writer died whose parent has not reaped it yet",
        tells_of_a_dead_writer_that_is_not_reaped);
    run("tells that a writer lives whose first thread has ended",
        tells_of_a_writer_whose_first_thread_has_ended);
    run("shows a reader the commit before the writer's death", shows_a_reader_what_was_committed);
    run("rolls back when no other process is left, nor the lock file",
        rolls_back_after_all_have_gone);
    run("frees the slot of a killed reader", frees_what_a_dead_reader_held);
    run("rolls back after a writer that heard of the death gave up",
        repairs_after_a_writer_that_gave_up);
    run("lets waiting processes go on when the holder is killed", lets_those_go_on_who_waited);
    run("reads lock-free while a writer is stopped", reads_beside_a_writer_that_is_stopped);
    run("creates a segment after creators were killed", creates_after_killed_creators);
    return tear_down();
}
