/* Handles that go on with the segment that replaces theirs. */
#include "../../src/core/clock.h"
#include "../../src/core/follow.h"
#include "fixture.h"
#include "peer.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#define GROWN_TEXT                                                                                 \
    IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure {\n"                                          \
                    "  a: int64\n"                                                                 \
                    "  text: char[600]\n"                                                          \
                    "  b: int64\n"                                                                 \
                    "  more: int64[100]\n"                                                         \
                    "}\n"
#define MORE_OFFSET 632
#define MANY_LOOKS_NS (100 * INT64_C(1000000)) /* what a call takes at least that looks often */

static ipm_layout *grown, *other;
static ipm_segment *manager, *editor, *reader;

/* ---- Segments that are replaced ---------------------------------------------------------- */

static ipm_segment *follower(ipm_role role) {
    ipm_segment *segment;
    ipm_options options = {.mmap_dir = dir, .match = IPM_SAME_OFFSETS, .follow = true};
    if (!CHECK_INT(ipm_segment_open(role, demo, &options, &segment, &error), IPM_OK))
        printf("# %s\n", error.text);
    return segment;
}

static ipm_segment *forced(const ipm_layout *layout) {
    ipm_segment *segment;
    ipm_options options = {.mmap_dir = dir, .create = true, .force = true};
    if (!CHECK_INT(ipm_segment_open(IPM_MANAGER, layout, &options, &segment, &error), IPM_OK))
        printf("# %s\n", error.text);
    return segment;
}

static void begin(void) {
    manager = forced(demo);
    editor = follower(IPM_EDITOR);
    reader = follower(IPM_READER);
}

/* By a segment of another layout, in its place. */
static void replace_by(const ipm_layout *layout) {
    ipm_segment *old = manager;
    manager = forced(layout);
    ipm_segment_close(old, NULL);
}

static void end(void) {
    ipm_segment_close(editor, NULL);
    ipm_segment_close(reader, NULL);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
}

/* ---- Calls ------------------------------------------------------------------------------- */

static void goes_on_with_the_one_that_has_its_name(void) {
    unsigned char copy[MORE_OFFSET + 800];
    begin();
    CHECK_INT(commit(editor, 5), IPM_OK);
    replace_by(grown);
    CHECK_INT(read_a(reader), 0);
    CHECK_INT(commit(editor, 6), IPM_OK);
    CHECK_INT(read_a(reader), 6);
    CHECK_INT(read_a(manager), 6);
    CHECK_INT(ipm_segment_openings(reader), 2);
    CHECK_INT(info_of(reader).size, sizeof copy);
    CHECK(!info_of(reader).replaced);
    CHECK_INT(ipm_segment_snapshot(reader, copy, NULL, &error), IPM_OK);
    replace_by(demo);
    CHECK_INT(ipm_segment_write(editor, A_OFFSET, 8, &(int64_t){7}, &error), IPM_OK);
    CHECK_INT(ipm_segment_lock(reader, 0, &error), IPM_OK);
    CHECK_INT(read_a(reader), 7);
    CHECK_INT(ipm_segment_unlock(reader, &error), IPM_OK);
    CHECK_INT(ipm_segment_openings(reader), 3);
    end();
}

static void remembers_where_its_files_are(void) {
    ipm_segment *segment;
    char tag[] = "of", data[sizeof dir], locks[sizeof dir + 6];
    snprintf(data, sizeof data, "%s", dir);
    snprintf(locks, sizeof locks, "%s/locks", dir);
    ipm_options options = {.tag = tag,
                           .mmap_dir = data,
                           .lock_dir = locks,
                           .create = true,
                           .force = true,
                           .follow = true};
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &manager, &error), IPM_OK);
    options.create = options.force = false;
    CHECK_INT(ipm_segment_open(IPM_EDITOR, demo, &options, &segment, &error), IPM_OK);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
    options.create = true;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &manager, &error), IPM_OK);
    memset(tag, 'x', sizeof tag - 1);
    memset(data, 'x', sizeof data - 1);
    memset(locks, 'x', sizeof locks - 1);
    CHECK_INT(commit(segment, 5), IPM_OK);
    CHECK_INT(read_a(manager), 5);
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_OK);
    CHECK_INT(ipm_segment_lock(segment, 0, &error), IPM_EDEADLOCK);
    CHECK_INT(ipm_segment_unlock(manager, &error), IPM_OK);
    ipm_segment_close(segment, NULL);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
}

static void each_call_follows(void) {
    unsigned char copy[MORE_OFFSET + 800];
    uint64_t version;
    int64_t a;
    ipm_user users[4];
    size_t count;
    int fd;
    begin();
    for (int call = 0; call < 11; call++) {
        replace_by(call % 2 == 0 ? grown : demo);
        int code = call == 0   ? ipm_segment_lock(editor, 0, &error)
                   : call == 1 ? ipm_segment_read(editor, A_OFFSET, 8, &a, &error)
                   : call == 2 ? ipm_segment_write(editor, A_OFFSET, 8, &a, &error)
                   : call == 3 ? ipm_segment_snapshot(editor, copy, &version, &error)
                   : call == 4 ? ipm_segment_version(editor, &version, &error)
                   : call == 5 ? ipm_segment_touch(editor, &error)
                   : call == 6 ? ipm_segment_clear(editor, &error)
                   : call == 7 ? ipm_segment_flush(editor, &error)
                   : call == 8 ? ipm_segment_wait(editor, 99, 0, &version, &error)
                   : call == 9 ? ipm_segment_users(editor, users, 4, &count, &error)
                               : ipm_segment_fd(editor, &fd, &error);
        CHECK_INT(code, IPM_OK);
        if (!CHECK_INT(ipm_segment_openings(editor), call + 2))
            printf("# by call %d: %s\n", call, error.text);
        if (call == 0)
            CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    }
    end();
}

static void stays_replaced_without_the_option(void) {
    begin();
    ipm_segment *plain = opened(IPM_READER, "");
    replace_by(grown);
    CHECK_INT(version_of(plain), -1);
    CHECK_INT(ipm_segment_follow(plain, &error), IPM_EREPLACED);
    ipm_segment_close(plain, NULL);
    end();
}

static void stays_replaced_until_there_is_another(void) {
    begin();
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_ERROR(commit(editor, 5), IPM_EREPLACED, "no other one to follow yet");
        CHECK_INT(read_a(reader), -1);
        CHECK(info_of(reader).replaced);
    }
    manager = opened(IPM_MANAGER, "");
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK_INT(read_a(reader), 5);
    end();
}

/* As a manager leaves it that is killed between the two steps of a replacement. */
static void stays_replaced_while_a_replacement_is_unfinished(void) {
    begin();
    ipm_datafile_retire(&manager->data, IPM_RETIRED);
    CHECK_INT(read_a(reader), -1);
    int64_t start = ipm_clock_now();
    for (int i = 0; i < 10; i++)
        CHECK_INT(read_a(reader), -1);
    CHECK(ipm_clock_now() - start < 10 * MANY_LOOKS_NS); /* later calls look once */
    ipm_segment_close(manager, NULL);
    manager = opened(IPM_MANAGER, "");
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK_INT(read_a(reader), 5);
    end();
}

static void has_the_values_after_a_migration(void) {
    ipm_options options = {.mmap_dir = dir, .create = true, .migrate = IPM_MIGRATE_YES};
    uint64_t version = 0;
    begin();
    CHECK_INT(commit(editor, 5), IPM_OK);
    ipm_segment_close(manager, NULL);
    CHECK_INT(ipm_segment_open(IPM_MANAGER, grown, &options, &manager, &error), IPM_OK);
    CHECK_INT(ipm_segment_wait(reader, 1, 0, &version, &error), IPM_OK);
    CHECK_INT(version, 1);
    CHECK_INT(read_a(reader), 5);
    CHECK_INT(commit(editor, 6), IPM_OK);
    CHECK_INT(ipm_segment_wait(reader, 1, 0, &version, &error), IPM_OK);
    CHECK_INT(version, 2);
    CHECK_INT(info_of(editor).size, MORE_OFFSET + 800);
    end();
}

/* The file has the flag that a manager leaves when it is killed in the middle of a migration. */
static void stays_replaced_while_a_migration_is_unfinished(void) {
    uint64_t version;
    begin();
    CHECK_INT(commit(editor, 5), IPM_OK);
    ipm_datafile_retire(&manager->data, IPM_MIGRATING);
    CHECK_INT(read_a(reader), -1);
    CHECK_INT(commit(editor, 6), IPM_EREPLACED);
    CHECK_INT(ipm_segment_wait(reader, 0, 0, &version, &error), IPM_EREPLACED);
    ipm_segment_close(manager, NULL);
    manager = opened(IPM_MANAGER, "");
    CHECK_INT(read_a(reader), 5);
    CHECK_INT(commit(editor, 6), IPM_OK);
    CHECK_INT(read_a(reader), 6);
    end();
}

static void names_what_the_new_one_lacks(void) {
    begin();
    replace_by(other);
    CHECK_ERROR(commit(editor, 5), IPM_ELAYOUT,
                "a: int8 at 16 in the file, int64 at 16 in the definition");
    CHECK_INT(read_a(reader), -1);
    replace_by(grown);
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK_INT(read_a(reader), 5);
    end();
}

static void notices_files_that_were_removed_by_hand(void) {
    uint64_t now;
    begin();
    remove(data_path(""));
    remove(lock_path(""));
    ipm_segment_close(manager, NULL);
    manager = opened(IPM_MANAGER, "");
    CHECK_INT(commit(manager, 5), IPM_OK);
    CHECK_INT(ipm_segment_wait(reader, 0, 10 * SECOND, &now, &error), IPM_OK);
    CHECK_INT(now, 1);
    CHECK_INT(read_a(reader), 5);
    end();
}

/* ---- Locks and transactions -------------------------------------------------------------- */

static void keeps_the_old_one_in_a_lock(void) {
    begin();
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    set_both(editor, 5);
    replace_by(grown);
    CHECK_INT(read_a(editor), 5);
    CHECK_INT(ipm_segment_follow(editor, &error), IPM_EREPLACED);
    CHECK_INT(ipm_segment_openings(editor), 1);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_EREPLACED);
    CHECK(!ipm_segment_is_locked(editor));
    CHECK_INT(read_a(editor), 0);
    CHECK_INT(commit(editor, 6), IPM_OK);
    CHECK_INT(read_a(manager), 6);
    end();
}

static void waits_for_the_lock(peer *test) {
    ipm_segment *own = follower(IPM_EDITOR);
    tell(test, 'o');
    tell(test, ipm_segment_lock(own, IPM_FOREVER, &error) == IPM_OK ? 'l' : 'x');
    set_both(own, 7);
    tell(test, ipm_segment_unlock(own, &error) == IPM_OK ? 'u' : 'x');
    ipm_segment_close(own, NULL);
}

static void goes_on_waiting_for_the_lock(void) {
    begin();
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    set_both(editor, 5);
    peer p = start(waits_for_the_lock);
    CHECK_INT(hear(&p), 'o');
    await_futex(&p);
    replace_by(grown);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_EREPLACED);
    CHECK_INT(hear(&p), 'l');
    CHECK_INT(hear(&p), 'u');
    CHECK_INT(finish(&p), 0);
    CHECK_INT(read_a(manager), 7);
    end();
}

static const ipm_layout *replaced_by; /* when the time is asked for next */

int clock_gettime(clockid_t clock, struct timespec *now) {
    const ipm_layout *layout = replaced_by;
    if (clock == CLOCK_REALTIME && layout != NULL) {
        replaced_by = NULL;
        replace_by(layout);
    }
    return (int)syscall(SYS_clock_gettime, clock, now);
}

static void repeats_a_transaction_that_was_lost(void) {
    uint64_t version;
    begin();
    replaced_by = grown; /* within the transaction of touch */
    CHECK_INT(ipm_segment_touch(editor, &error), IPM_OK);
    CHECK(replaced_by == NULL);
    CHECK_INT(ipm_segment_openings(editor), 2);
    CHECK_INT(ipm_segment_version(manager, &version, &error), IPM_OK);
    CHECK_INT(version, 1);
    end();
}

static void ends_a_feed_whose_struct_was_smaller(void) {
    ipm_feed *feed;
    uint64_t version;
    begin();
    CHECK_INT(ipm_feed_open(reader, IPM_LATEST, &feed, &error), IPM_OK);
    replace_by(grown);
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK_ERROR(ipm_feed_next(feed, 0, NULL, NULL, &error), IPM_EREPLACED, "open a new feed");
    CHECK_ERROR(ipm_feed_next(feed, 0, NULL, NULL, &error), IPM_EREPLACED, "open a new feed");
    ipm_feed_close(feed);
    CHECK_INT(ipm_feed_open(reader, 0, &feed, &error), IPM_OK);
    CHECK_INT(ipm_feed_next(feed, 0, &version, NULL, &error), IPM_OK);
    CHECK_INT(version, 1);
    ipm_feed_close(feed);
    end();
}

static void refuses_a_range_that_the_new_one_lacks(void) {
    begin();
    replace_by(grown);
    CHECK_INT(ipm_segment_write(editor, MORE_OFFSET, 8, "morefive", &error), IPM_OK);
    replace_by(demo);
    CHECK_ERROR(ipm_segment_write(editor, MORE_OFFSET, 8, "morefive", &error), IPM_EINVALID,
                "8 bytes at 632 are outside its 632");
    CHECK(!ipm_segment_is_locked(editor));
    CHECK_INT(version_of(editor), 0);
    end();
}

/* ---- Waiting ----------------------------------------------------------------------------- */

static void waits(peer *test) {
    uint64_t now = 99;
    ipm_segment *own = follower(IPM_READER);
    tell(test, 'o');
    int code = ipm_segment_wait(own, 1, IPM_FOREVER, &now, &error);
    tell(test, code == IPM_OK ? (char)('0' + now) : code == IPM_EREPLACED ? 'r' : 'x');
    if (code == IPM_OK) {
        code = ipm_segment_wait(own, now, IPM_FOREVER, &now, &error);
        tell(test, code == IPM_OK && now == 1 ? 'c' : 'x');
    }
    ipm_segment_close(own, NULL);
}

static void a_wait_goes_on_with_the_new_one(void) {
    begin();
    CHECK_INT(commit(editor, 5), IPM_OK);
    peer p = start(waits);
    CHECK_INT(hear(&p), 'o');
    await_futex(&p);
    replace_by(grown);
    CHECK_INT(hear(&p), '0');
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK_INT(hear(&p), 'c');
    CHECK_INT(finish(&p), 0);
    end();
}

static void a_wait_ends_when_it_is_destroyed(void) {
    begin();
    CHECK_INT(commit(editor, 5), IPM_OK);
    peer p = start(waits);
    CHECK_INT(hear(&p), 'o');
    await_futex(&p);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    CHECK_INT(hear(&p), 'r');
    CHECK_INT(finish(&p), 0);
    ipm_segment_close(manager, NULL);
    manager = opened(IPM_MANAGER, "");
    end();
}

static int wait_now(uint64_t version, uint64_t *now) {
    return ipm_segment_wait(reader, version, 0, now, &error);
}

/* Also where the new one happens to have the version that is known of the old one. */
static void a_wait_tells_the_version_of_the_new_one_once(void) {
    uint64_t now;
    begin();
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK_INT(wait_now(0, &now), IPM_OK);
    CHECK_INT(wait_now(now, &now), IPM_ETIMEOUT);
    replace_by(grown);
    CHECK_INT(commit(editor, 6), IPM_OK);
    CHECK_INT(read_a(reader), 6); /* it has followed, and told no version */
    now = 1;
    CHECK_INT(wait_now(1, &now), IPM_OK);
    CHECK_INT(now, 1);
    CHECK_INT(wait_now(1, &now), IPM_ETIMEOUT);
    replace_by(demo);
    CHECK_INT(version_of(reader), 0);
    CHECK_INT(wait_now(0, &now), IPM_ETIMEOUT);
    end();
}

static void a_wait_does_not_sleep_for_a_version_of_the_old_one(void) {
    uint64_t now;
    begin();
    for (int i = 0; i < 5; i++)
        CHECK_INT(commit(editor, i), IPM_OK);
    replace_by(grown);
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK_INT(version_of(reader), 1);
    CHECK_INT(wait_now(5, &now), IPM_OK);
    CHECK_INT(now, 1);
    end();
}

/* ---- Listening --------------------------------------------------------------------------- */

static bool is_readable(int fd, int timeout_ms) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, timeout_ms) == 1;
}

static void drain(uint64_t expected) {
    uint64_t version = 99;
    CHECK_INT(ipm_segment_drain(reader, &version, &error), IPM_OK);
    CHECK_INT(version, expected);
}

static void its_descriptor_goes_on(void) {
    int fd, again;
    begin();
    CHECK_INT(ipm_segment_fd(reader, &fd, &error), IPM_OK);
    drain(0);
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK(is_readable(fd, PEER_DEADLINE_MS));
    drain(1);
    for (int i = 0; i < 3; i++) {
        replace_by(i % 2 == 0 ? grown : demo);
        CHECK(is_readable(fd, PEER_DEADLINE_MS));
        drain(0);
        CHECK(!is_readable(fd, 0));
        CHECK_INT(commit(editor, 5), IPM_OK);
        CHECK(is_readable(fd, 0)); /* by the commit itself, and not by the timer */
        drain(1);
    }
    CHECK_INT(ipm_segment_fd(reader, &again, &error), IPM_OK);
    CHECK_INT(again, fd);
    end();
}

static void its_descriptor_tells_what_another_call_found(void) {
    int fd;
    begin();
    CHECK_INT(ipm_segment_fd(reader, &fd, &error), IPM_OK);
    drain(0);
    replace_by(grown);
    CHECK_INT(read_a(reader), 0);
    CHECK(is_readable(fd, PEER_DEADLINE_MS));
    drain(0);
    CHECK(!is_readable(fd, 0));
    CHECK_INT(commit(manager, 5), IPM_OK);
    CHECK(is_readable(fd, 0));
    end();
}

static void its_descriptor_wakes_for_a_new_one(void) {
    uint64_t version;
    int fd;
    begin();
    CHECK_INT(ipm_segment_fd(reader, &fd, &error), IPM_OK);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    CHECK(is_readable(fd, PEER_DEADLINE_MS));
    CHECK_INT(ipm_segment_drain(reader, &version, &error), IPM_EREPLACED);
    ipm_segment_close(manager, NULL);
    manager = opened(IPM_MANAGER, "");
    CHECK(is_readable(fd, PEER_DEADLINE_MS)); /* by the timer */
    drain(0);
    end();
}

/* ---- Other threads and processes --------------------------------------------------------- */

static _Atomic bool interrupts;

static void *interrupts_all_the_time(void *segment) {
    while (interrupts) {
        ipm_segment_interrupt(segment);
        sched_yield(); /* memcheck runs one thread at a time, until its next system call */
    }
    return NULL;
}

static void may_be_interrupted_meanwhile(void) {
    pthread_t thread;
    uint64_t now;
    begin();
    interrupts = true;
    CHECK_INT(pthread_create(&thread, NULL, interrupts_all_the_time, reader), 0);
    for (int i = 0; i < 50; i++) {
        replace_by(i % 2 == 0 ? grown : demo);
        CHECK_INT(ipm_segment_wait(reader, 0, IPM_FOREVER, &now, &error), IPM_OK);
        CHECK_INT(ipm_segment_wait(reader, 0, IPM_FOREVER, &now, &error), IPM_EINTERRUPTED);
    }
    interrupts = false;
    pthread_join(thread, NULL);
    end();
}

static void uses_it_in_the_child(peer *test) {
    (void)test;
    _exit(ipm_segment_follow(reader, &error) == IPM_EFORKED && read_a(reader) == -1 ? 0 : 1);
}

static void does_not_follow_in_a_fork_s_child(void) {
    begin();
    replace_by(grown);
    CHECK_INT(run_peer(uses_it_in_the_child), 0);
    CHECK_INT(read_a(reader), 0);
    end();
}

/* ---- By path ----------------------------------------------------------------------------- */

static void follows_by_path_only_when_it_is_told_to(void) {
    ipm_segment *segment;
    ipm_options options = {.mmap_dir = dir, .match = IPM_BY_PATH, .follow = true};
    const ipm_type *type;
    uint64_t b, version;
    begin();
    CHECK_INT(ipm_segment_open(IPM_EDITOR, demo, &options, &segment, &error), IPM_OK);
    CHECK_INT(ipm_segment_follow(segment, &error), IPM_OK);
    CHECK_INT(ipm_segment_openings(segment), 1);
    ipm_layout *moved =
        layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { b: int64; text: char[600]; a: "
                                  "int64 }");
    replace_by(moved);
    CHECK_INT(ipm_segment_version(segment, &version, &error), IPM_EREPLACED);
    CHECK_INT(ipm_segment_lock(segment, 0, &error), IPM_EREPLACED);
    CHECK_INT(ipm_segment_follow(segment, &error), IPM_OK);
    CHECK_INT(ipm_segment_openings(segment), 2);
    CHECK_INT(ipm_type_find(ipm_layout_type(ipm_segment_layout(segment)), "b", 1, &type, &b, NULL),
              IPM_OK);
    CHECK_INT(b, 16);
    CHECK_INT(ipm_segment_write(segment, b, 8, &(int64_t){5}, &error), IPM_OK);
    ipm_segment_close(segment, NULL);
    end();
    ipm_layout_free(moved);
}

int main(void) {
    set_up();
    grown = layout_of(GROWN_TEXT);
    other = layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int8 }");
    run("goes on with the segment that has its name", goes_on_with_the_one_that_has_its_name);
    run("remembers where its files are", remembers_where_its_files_are);
    run("each call follows", each_call_follows);
    run("stays replaced without the option", stays_replaced_without_the_option);
    run("stays replaced until there is another segment", stays_replaced_until_there_is_another);
    run("stays replaced while a replacement is unfinished",
        stays_replaced_while_a_replacement_is_unfinished);
    run("has the values and the version after a migration", has_the_values_after_a_migration);
    run("stays replaced while a migration is unfinished",
        stays_replaced_while_a_migration_is_unfinished);
    run("names what the new segment lacks, and goes on with a later one",
        names_what_the_new_one_lacks);
    run("notices files that were removed by hand", notices_files_that_were_removed_by_hand);
    run("keeps the old segment in a lock", keeps_the_old_one_in_a_lock);
    run("goes on waiting for the lock", goes_on_waiting_for_the_lock);
    run("repeats a transaction that was lost", repeats_a_transaction_that_was_lost);
    run("ends a feed whose struct was smaller", ends_a_feed_whose_struct_was_smaller);
    run("refuses a range that the new segment lacks", refuses_a_range_that_the_new_one_lacks);
    run("a wait goes on with the new segment", a_wait_goes_on_with_the_new_one);
    run("a wait ends when the segment is destroyed", a_wait_ends_when_it_is_destroyed);
    run("a wait tells the version of the new segment once",
        a_wait_tells_the_version_of_the_new_one_once);
    run("a wait does not sleep for a version of the old segment",
        a_wait_does_not_sleep_for_a_version_of_the_old_one);
    run("its descriptor goes on", its_descriptor_goes_on);
    run("its descriptor tells what another call found",
        its_descriptor_tells_what_another_call_found);
    run("its descriptor wakes for a new segment", its_descriptor_wakes_for_a_new_one);
    run("may be interrupted meanwhile", may_be_interrupted_meanwhile);
    run("does not follow in a fork's child", does_not_follow_in_a_fork_s_child);
    run("follows by path only when it is told to", follows_by_path_only_when_it_is_told_to);
    ipm_layout_free(grown);
    ipm_layout_free(other);
    return tear_down();
}
