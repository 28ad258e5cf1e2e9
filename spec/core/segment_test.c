/* The functions of a handle without failures: lock, change, commit, read, wait. */
#include "fixture.h"
#include "peer.h"

static ipm_segment *manager, *editor, *reader;

static void fresh(void) {
    manager = opened(IPM_MANAGER, "");
    editor = opened(IPM_EDITOR, "");
    reader = opened(IPM_READER, "");
}

static void finished(void) {
    CHECK_INT(ipm_segment_close(editor, NULL), IPM_OK);
    CHECK_INT(ipm_segment_close(reader, NULL), IPM_OK);
    CHECK_INT(ipm_segment_destroy(manager, NULL), IPM_OK);
    CHECK_INT(ipm_segment_close(manager, NULL), IPM_OK);
    CHECK(!exists(data_path("")) && !exists(lock_path("")));
}

static void commits_what_was_changed(void) {
    fresh();
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    set_both(editor, 5);
    CHECK_INT(read_a(editor), 5);
    CHECK_INT(read_a(reader), 0);
    CHECK_INT(version_of(reader), 0);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    CHECK_INT(read_a(reader), 5);
    CHECK_INT(version_of(reader), 1);
    finished();
}

static void rolls_back(void) {
    fresh();
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    set_both(editor, 6);
    CHECK_INT(ipm_segment_rollback(editor, &error), IPM_OK);
    CHECK(!info_of(editor).pending);
    CHECK_INT(read_a(editor), 5);
    CHECK_INT(version_of(editor), 1);
    CHECK_INT(commit(editor, 7), IPM_OK);
    CHECK_INT(version_of(editor), 2);
    CHECK_INT(info_of(editor).recoveries, 0); /* the handle has rolled it back itself */
    finished();
}

/* The last block is not full, and the first one has the header before its first field. */
static void prepares_whole_blocks(void) {
    unsigned char before[DEMO_SIZE], after[DEMO_SIZE];
    fresh();
    CHECK_INT(ipm_segment_snapshot(editor, before, NULL, &error), IPM_OK);
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    for (uint64_t first = 0; first < DEMO_SIZE; first += IPM_BLOCK_SIZE) {
        uint64_t left = DEMO_SIZE - first;
        unsigned char *at = ipm_segment_change(editor, first + left / 9, 1);
        if (CHECK(at != NULL))
            memset(at - left / 9, 0x55, left < IPM_BLOCK_SIZE ? left : IPM_BLOCK_SIZE);
    }
    CHECK_INT(ipm_segment_rollback(editor, &error), IPM_OK);
    CHECK_INT(ipm_segment_snapshot(editor, after, NULL, &error), IPM_OK);
    CHECK(memcmp(before, after, DEMO_SIZE) == 0);
    finished();
}

static void counts_no_commit_without_a_change(void) {
    fresh();
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    CHECK_INT(version_of(editor), 0);
    finished();
}

static void rolls_back_at_closing(void) {
    fresh();
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    set_both(editor, 6);
    CHECK_INT(ipm_segment_close(editor, &error), IPM_OK);
    CHECK_INT(read_a(reader), 0);
    editor = opened(IPM_EDITOR, "");
    CHECK_INT(commit(editor, 7), IPM_OK);
    finished();
}

static void shows_snapshots_beside_a_writer(void) {
    unsigned char copy[DEMO_SIZE];
    uint64_t version;
    int64_t a;
    fresh();
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    set_both(editor, 6);
    ipm_segment *const all[] = {reader, editor, manager}; /* also through the writer's own handle */
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(ipm_segment_snapshot(all[i], copy, &version, &error), IPM_OK);
        memcpy(&a, copy + B_OFFSET, sizeof a);
        CHECK_INT(a, 5);
        CHECK_INT(version, 1);
        CHECK_INT(ipm_segment_snapshot(all[i], copy, NULL, &error), IPM_OK);
    }
    CHECK_INT(read_a(editor), 6);
    CHECK_INT(read_a(manager), 5);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    finished();
}

static void lets_no_reader_write(void) {
    fresh();
    CHECK_INT(ipm_segment_lock(reader, 0, &error), IPM_OK);
    CHECK(ipm_segment_data(reader) != NULL);
    CHECK(ipm_segment_change(reader, A_OFFSET, 8) == NULL);
    CHECK_INT(ipm_segment_unlock(reader, &error), IPM_OK);
    CHECK_ERROR(ipm_segment_touch(reader, &error), IPM_EINVALID, "a reader cannot write");
    CHECK_ERROR(ipm_segment_clear(reader, &error), IPM_EINVALID, "a reader cannot write");
    CHECK_ERROR(ipm_segment_flush(reader, &error), IPM_EINVALID, "a reader cannot write");
    CHECK_ERROR(ipm_segment_destroy(reader, &error), IPM_EINVALID, "only a manager");
    CHECK_ERROR(ipm_segment_destroy(editor, &error), IPM_EINVALID, "only a manager");
    finished();
}

static void changes_nothing_outside_a_lock_or_the_struct(void) {
    uint64_t value = 7;
    fresh();
    CHECK(ipm_segment_data(editor) == NULL);
    CHECK(ipm_segment_change(editor, A_OFFSET, 8) == NULL);
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    CHECK(ipm_segment_change(editor, DEMO_SIZE - 8, 8) != NULL);
    CHECK(ipm_segment_change(editor, DEMO_SIZE - 8, 9) == NULL);
    CHECK(ipm_segment_change(editor, DEMO_SIZE, 1) == NULL);
    CHECK(ipm_segment_change(editor, UINT64_MAX, 1) == NULL);
    CHECK(ipm_segment_change(editor, 1, UINT64_MAX) == NULL);
    CHECK(ipm_segment_change(editor, 0, 0) == NULL);
    CHECK_INT(ipm_segment_rollback(editor, &error), IPM_OK);
    CHECK(ipm_segment_data(editor) == NULL);
    CHECK_ERROR(ipm_segment_read(reader, DEMO_SIZE - 7, 8, &value, &error), IPM_EINVALID,
                "Demo: 8 bytes at 625 are outside its 632");
    CHECK_INT(ipm_segment_read(reader, UINT64_MAX - 3, 8, &value, &error), IPM_EINVALID);
    CHECK_INT(ipm_segment_read(reader, 8, UINT64_MAX - 3, &value, &error), IPM_EINVALID);
    CHECK_INT(value, 7);
    finished();
}

static void is_locked_once(void) {
    fresh();
    CHECK(!ipm_segment_is_locked(editor));
    CHECK_ERROR(ipm_segment_unlock(editor, &error), IPM_EINVALID, "the lock is not held");
    CHECK_ERROR(ipm_segment_rollback(editor, &error), IPM_EINVALID, "the lock is not held");
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    CHECK(ipm_segment_is_locked(editor));
    CHECK_ERROR(ipm_segment_lock(editor, 0, &error), IPM_EINVALID, "holds its lock already");
    CHECK(ipm_segment_is_locked(editor));
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_EINVALID);
    finished();
}

static void excludes_other_handles_of_the_thread(void) {
    fresh();
    ipm_segment *second = opened(IPM_EDITOR, "");
    ipm_segment *const all[] = {editor, reader, manager, second};
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(ipm_segment_lock(all[i], 0, &error), IPM_OK);
        for (size_t j = 0; j < 4; j++)
            if (i != j)
                CHECK_ERROR(ipm_segment_lock(all[j], IPM_FOREVER, &error), IPM_EDEADLOCK,
                            "through another handle");
        CHECK_INT(ipm_segment_unlock(all[i], &error), IPM_OK);
    }
    CHECK_INT(ipm_segment_lock(reader, 0, &error), IPM_OK);
    CHECK_ERROR(ipm_segment_touch(editor, &error), IPM_EDEADLOCK, "through another handle");
    CHECK_INT(ipm_segment_unlock(reader, &error), IPM_OK);
    ipm_segment_close(second, NULL);
    finished();
}

static void holds_locks_on_several_segments(void) {
    fresh();
    ipm_segment *other = opened(IPM_MANAGER, "other");
    CHECK_INT(ipm_segment_lock(other, 0, &error), IPM_OK);
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    CHECK_INT(ipm_segment_unlock(other, &error), IPM_OK);
    CHECK_INT(ipm_segment_destroy(other, &error), IPM_OK);
    ipm_segment_close(other, NULL);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    finished();
}

static void stamps_and_clears(void) {
    double stamp, now = ipm_time();
    uint16_t code = 0;
    fresh();
    ipm_segment_read(reader, 8, sizeof stamp, &stamp, NULL);
    CHECK(stamp > now - 60 && stamp <= ipm_time());
    CHECK_INT(commit(editor, 5), IPM_OK);
    now = ipm_time();
    CHECK_INT(ipm_segment_touch(editor, &error), IPM_OK);
    ipm_segment_read(reader, 8, sizeof stamp, &stamp, NULL);
    CHECK(stamp >= now && stamp <= ipm_time());
    CHECK_INT(read_a(reader), 5);
    CHECK_INT(version_of(reader), 2);
    CHECK_INT(ipm_segment_clear(manager, &error), IPM_OK);
    ipm_segment_read(reader, 8, sizeof stamp, &stamp, NULL);
    CHECK(stamp == 0);
    ipm_segment_read(reader, 0, sizeof code, &code, NULL);
    CHECK_INT(code, IPM_HEADER_CODE);
    CHECK_INT(read_a(reader), 0);
    finished();
}

static void stamps_and_clears_within_a_transaction(void) {
    double stamp;
    fresh();
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    CHECK_INT(ipm_segment_clear(editor, &error), IPM_OK);
    CHECK_INT(ipm_segment_touch(editor, &error), IPM_OK);
    CHECK_INT(read_a(editor), 0);
    CHECK_INT(read_a(reader), 5);
    CHECK_INT(ipm_segment_rollback(editor, &error), IPM_OK);
    CHECK_INT(read_a(reader), 5);
    ipm_segment_read(reader, 8, sizeof stamp, &stamp, NULL);
    CHECK(stamp > 0);
    CHECK_INT(version_of(reader), 1);
    finished();
}

static void flushes(void) {
    fresh();
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK_INT(ipm_segment_flush(editor, &error), IPM_OK);
    CHECK_INT(ipm_segment_flush(manager, &error), IPM_OK);
    finished();
}

static void commits_for(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    tell(test, 'o');
    while (hear(test) == 'c')
        if (commit(own, 9) != IPM_OK)
            _exit(1);
    ipm_segment_close(own, NULL);
}

static void waits_for(peer *test, ipm_role role) {
    uint64_t now;
    ipm_segment *own = opened(role, "");
    tell(test, 'o');
    for (uint64_t version = 0; hear(test) == 'w'; version = now)
        tell(test,
             ipm_segment_wait(own, version, 20 * SECOND, &now, &error) == IPM_OK && now > version
                 ? 'k'
                 : 'x');
    ipm_segment_close(own, NULL);
}

static void waits_as_reader(peer *test) {
    waits_for(test, IPM_READER);
}

static void waits_as_editor(peer *test) {
    waits_for(test, IPM_EDITOR);
}

static void wakes_all_who_wait(void) {
    peer waiters[6];
    fresh();
    for (int i = 0; i < 6; i++) {
        waiters[i] = start(i % 2 ? waits_as_reader : waits_as_editor);
        CHECK_INT(hear(&waiters[i]), 'o');
    }
    for (int64_t round = 1; round <= 20; round++) {
        for (int i = 0; i < 6; i++)
            tell(&waiters[i], 'w');
        CHECK_INT(commit(editor, round), IPM_OK);
        for (int i = 0; i < 6; i++)
            CHECK_INT(hear(&waiters[i]), 'k');
    }
    for (int i = 0; i < 6; i++)
        CHECK_INT(finish(&waiters[i]), 0);
    finished();
}

static void waits_no_longer_than_told(void) {
    uint64_t now = 77;
    fresh();
    CHECK_ERROR(ipm_segment_wait(reader, 0, 0, &now, &error), IPM_ETIMEOUT,
                "no commit after version 0");
    CHECK_INT(now, 0);
    CHECK_ERROR(ipm_segment_wait(reader, 0, -5, &now, &error), IPM_ETIMEOUT, "Demo");
    CHECK_ERROR(ipm_segment_wait(reader, 0, 120 * MS, &now, &error), IPM_ETIMEOUT, "Demo");
    CHECK_INT(commit(editor, 1), IPM_OK);
    CHECK_INT(ipm_segment_wait(reader, 0, IPM_FOREVER, &now, &error), IPM_OK);
    CHECK_INT(now, 1);
    CHECK_INT(ipm_segment_wait(reader, 1, MS, &now, &error), IPM_ETIMEOUT);
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    CHECK_INT(ipm_segment_wait(editor, 0, IPM_FOREVER, &now, &error), IPM_OK);
    CHECK_ERROR(ipm_segment_wait(editor, 1, IPM_FOREVER, &now, &error), IPM_EINVALID,
                "while this handle holds its lock");
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    finished();
}

static void ignore(int signal) {
    (void)signal;
}

static void is_interrupted(peer *test) {
    uint64_t now;
    struct sigaction action = {.sa_handler = ignore};
    ipm_segment *own = opened(IPM_READER, "");
    sigaction(SIGUSR1, &action, NULL);
    tell(test, 'o');
    int code = ipm_segment_wait(own, 0, IPM_FOREVER, &now, &error);
    tell(test, code == IPM_EINTERRUPTED ? 'i' : 'x');
}

static void lets_a_signal_interrupt_a_wait(void) {
    fresh();
    peer p = start(is_interrupted);
    CHECK_INT(hear(&p), 'o');
    char word = 0;
    while (word == 0) { /* repeat until the waiter sleeps */
        struct pollfd ready = {.fd = p.from, .events = POLLIN};
        kill(p.pid, SIGUSR1);
        if (poll(&ready, 1, 1) == 1)
            word = hear(&p);
    }
    CHECK_INT(word, 'i');
    CHECK_INT(finish(&p), 0);
    finished();
}

static void tells_about_itself(void) {
    fresh();
    ipm_info info = info_of(editor);
    CHECK_STR(info.path, data_path(""));
    CHECK_STR(info.lock_path, lock_path(""));
    CHECK_STR(info.tag, "");
    CHECK_INT(info.size, DEMO_SIZE);
    CHECK_INT(info.version, 0);
    CHECK_INT(info.recoveries, 0);
    CHECK_INT(info.max_readers, 128);
    CHECK_INT(info.readers, 0);
    CHECK_INT(info.writer_pid, 0);
    CHECK(info.writable && info.lockable);
    CHECK(!info_of(reader).writable);
    CHECK_INT(ipm_segment_lock(reader, 0, &error), IPM_OK);
    CHECK_INT(info_of(editor).readers, 1);
    CHECK_INT(ipm_segment_unlock(reader, &error), IPM_OK);
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    CHECK_INT(info_of(reader).writer_pid, getpid());
    CHECK_INT(info_of(reader).readers, 0);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    finished();
}

static void shares_with_other_processes(void) {
    uint64_t now;
    fresh();
    peer p = start(commits_for);
    CHECK_INT(hear(&p), 'o');
    tell(&p, 'c');
    CHECK_INT(ipm_segment_wait(reader, 0, 20 * SECOND, &now, &error), IPM_OK);
    CHECK_INT(read_a(reader), 9);
    tell(&p, 'e');
    CHECK_INT(finish(&p), 0);
    finished();
}

static void takes_no_detail(void) {
    fresh();
    CHECK_INT(ipm_segment_unlock(editor, NULL), IPM_EINVALID);
    CHECK_INT(ipm_segment_touch(reader, NULL), IPM_EINVALID);
    CHECK_INT(ipm_segment_lock(editor, 0, NULL), IPM_OK);
    CHECK_INT(ipm_segment_lock(reader, 0, NULL), IPM_EDEADLOCK);
    CHECK_INT(ipm_segment_unlock(editor, NULL), IPM_OK);
    CHECK_INT(ipm_segment_close(NULL, NULL), IPM_OK);
    finished();
}

static void names_every_code(void) {
    static const char *const names[] = {
        "ok",      "not_found", "layout",       "corrupt",  "permission", "no_space",    "system",
        "timeout", "deadlock",  "incompatible", "replaced", "forked",     "interrupted", "invalid"};
    for (int code = IPM_OK; code <= IPM_EINVALID; code++)
        CHECK_STR(ipm_code_name((ipm_code)code), names[code]);
    CHECK_STR(ipm_code_name((ipm_code)99), "unknown");
    CHECK_STR(ipm_code_name((ipm_code)-1), "unknown");
}

int main(void) {
    set_up();
    run("commits changes", commits_what_was_changed);
    run("rolls back changes, and does not count that as a commit", rolls_back);
    run("prepares whole blocks for changes", prepares_whole_blocks);
    run("counts no commit without a change", counts_no_commit_without_a_change);
    run("rolls back if it is closed while it holds its lock", rolls_back_at_closing);
    run("takes snapshots while a writer holds the lock, also through its own handle",
        shows_snapshots_beside_a_writer);
    run("lets no reader write, and only a manager destroy", lets_no_reader_write);
    run("refuses changes without the lock or outside the struct",
        changes_nothing_outside_a_lock_or_the_struct);
    run("refuses a second lock through the same handle", is_locked_once);
    run("refuses a lock through another handle of the same thread",
        excludes_other_handles_of_the_thread);
    run("lets a thread lock several segments", holds_locks_on_several_segments);
    run("sets the time stamp, and clears the fields", stamps_and_clears);
    run("sets the time stamp and clears the fields as part of a transaction",
        stamps_and_clears_within_a_transaction);
    run("flushes its data to disk", flushes);
    run("wakes all processes that wait for a commit", wakes_all_who_wait);
    run("waits no longer than its timeout", waits_no_longer_than_told);
    run("lets a signal interrupt a wait", lets_a_signal_interrupt_a_wait);
    run("returns information about itself", tells_about_itself);
    run("shares its commits with other processes", shares_with_other_processes);
    run("accepts a null pointer for the error", takes_no_detail);
    run("names every error code", names_every_code);
    return tear_down();
}
