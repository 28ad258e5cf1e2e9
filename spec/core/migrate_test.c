/* Segments of another layout that become segments of this one, with their values. */
#include "clock_jump.h"
#include "fixture.h"
#include "peer.h"

#include <sys/mman.h>
#include <sys/resource.h>

#define WIDER_TEXT                                                                                 \
    IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure {\n"                                          \
                    "  fresh: int32\n"                                                             \
                    "  b: int64\n"                                                                 \
                    "  a: int64\n"                                                                 \
                    "}\n"
#define NARROW_TEXT IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int8; b: int32 }"
#define WIDER_A 32
#define WIDER_B 24

enum { PAGE = 4096, RETIRED_AT = PAGE + 160, DIED_MIGRATING = 2 };

static ipm_layout *wider, *narrow;
static ipm_segment *segment;

static int migrate_to(const ipm_layout *layout, ipm_migrate how) {
    const ipm_options options = {
        .own_size = sizeof options, .mmap_dir = dir, .create = true, .migrate = how};
    memset(&error, 0, sizeof error);
    return ipm_segment_open(IPM_MANAGER, layout, &options, &segment, &error);
}

static void migrates_to(const ipm_layout *layout, ipm_migrate how) {
    if (!CHECK_INT(migrate_to(layout, how), IPM_OK))
        printf("# %s\n", error.text);
}

static int64_t read_at(ipm_segment *from, uint64_t offset) {
    int64_t value = -1;
    CHECK_INT(ipm_segment_read(from, offset, sizeof value, &value, &error), IPM_OK);
    return value;
}

static double stamp_of(ipm_segment *from) {
    double stamp = -1;
    ipm_segment_read(from, 8, sizeof stamp, &stamp, NULL);
    return stamp;
}

static void destroy(ipm_segment *manager) {
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    CHECK_INT(ipm_segment_close(manager, NULL), IPM_OK);
    CHECK_INT(entries(dir), 0);
}

static void close_old(ipm_segment *old) {
    CHECK_INT(commit(old, 99), IPM_EREPLACED);
    ipm_segment_close(old, NULL);
}

/* A segment in which both fields have the value, at version 1. */
static ipm_segment *made_with(int64_t value) {
    ipm_segment *manager = opened(IPM_MANAGER, "");
    CHECK_INT(commit(manager, value), IPM_OK);
    return manager;
}

/* It holds the value, and works for this handle and for a new one. */
static void still_holds(ipm_segment *old, int64_t value) {
    CHECK_INT(read_a(old), value);
    CHECK_INT(commit(old, value), IPM_OK);
    ipm_segment *other = opened(IPM_EDITOR, "");
    CHECK_INT(read_a(other), value);
    ipm_segment_close(other, NULL);
    CHECK_INT(entries(dir), 2);
}

static void is_listed(ipm_paths list, size_t count, const char *first) {
    if (CHECK_INT(list.count, count) && count > 0)
        CHECK_STR(list.paths[0], first);
}

static void keeps_values_version_and_time_stamp(void) {
    ipm_segment *old = made_with(5);
    CHECK_INT(commit(old, 6), IPM_OK);
    double stamp = stamp_of(old);
    migrates_to(wider, IPM_MIGRATE_YES);
    CHECK_INT(read_at(segment, WIDER_A), 6);
    CHECK_INT(read_at(segment, WIDER_B), 6);
    CHECK_INT(read_at(segment, 16), 0);
    CHECK_INT(version_of(segment), 2);
    CHECK(stamp_of(segment) == stamp);
    const ipm_migration *report = ipm_segment_migration(segment);
    if (CHECK(report != NULL)) {
        is_listed(report->kept, 2, "b");
        is_listed(report->added, 1, "fresh");
        is_listed(report->dropped, 1, "text");
    }
    close_old(old);
    CHECK_INT(ipm_segment_lock(segment, 0, &error), IPM_OK);
    set_at(segment, WIDER_A, 7);
    CHECK_INT(ipm_segment_unlock(segment, &error), IPM_OK);
    CHECK_INT(version_of(segment), 3);
    ipm_segment_close(segment, NULL);
    migrates_to(wider, IPM_MIGRATE_YES);
    CHECK_INT(read_at(segment, WIDER_A), 7);
    destroy(segment);
}

/* The new struct needs a larger ring than the old one, and any copy of an older version is out of
 * date as a whole. */
static void keeps_a_ring_and_what_has_changed(void) {
    ipm_layout *large = layout_of(
        IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int64; more: int64[1000] }");
    const ipm_options ringed = {
        .own_size = sizeof ringed, .mmap_dir = dir, .create = true, .feed = PAGE};
    uint64_t version, missed;
    ipm_feed *feed;
    ipm_segment *old;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &ringed, &old, &error), IPM_OK);
    CHECK_INT(commit(old, 5), IPM_OK);
    CHECK_INT(commit(old, 6), IPM_OK);
    migrates_to(large, IPM_MIGRATE_LOSSY);
    close_old(old);
    ipm_info info = {.own_size = sizeof info};
    CHECK_INT(ipm_segment_info(segment, &info, &error), IPM_OK);
    CHECK(info.feed > 8 * 1000);
    CHECK_INT(info.version, 2);
    ipm_range range = {0, 0};
    CHECK_INT(ipm_segment_changed(segment, 1, &range, &error), IPM_OK);
    CHECK_INT(range.offset, 0);
    CHECK_INT(range.size, info.size);
    range = (ipm_range){0, 0};
    CHECK_INT(ipm_segment_changed(segment, 2, &range, &error), IPM_OK);
    CHECK_INT(range.size, 0);
    CHECK_INT(ipm_feed_open(segment, IPM_LATEST, &feed, &error), IPM_OK);
    CHECK_INT(ipm_segment_touch(segment, &error), IPM_OK);
    CHECK_INT(ipm_feed_next(feed, 0, &version, &missed, &error), IPM_OK);
    CHECK_INT(version, 3);
    CHECK_INT(missed, 0);
    range = (ipm_range){0, 0};
    CHECK_INT(ipm_segment_changed(segment, 2, &range, &error), IPM_OK);
    CHECK_INT(range.size, 256);
    ipm_feed_close(feed);
    destroy(segment);
    ipm_layout_free(large);
}

static void opens_the_same_layout_as_it_is(void) {
    ipm_segment *old = made_with(5);
    migrates_to(demo, IPM_MIGRATE_YES);
    CHECK(ipm_segment_migration(segment) == NULL);
    CHECK_INT(commit(segment, 6), IPM_OK);
    CHECK_INT(read_a(old), 6);
    ipm_segment_close(old, NULL);
    destroy(segment);
    migrates_to(demo, IPM_MIGRATE_YES); /* there is none */
    CHECK(ipm_segment_migration(segment) == NULL);
    CHECK_INT(version_of(segment), 0);
    destroy(segment);
}

static void keeps_what_the_file_allows(void) {
    struct stat status;
    ipm_options options = {.mmap_dir = dir, .create = true, .mode = 0640, .max_readers = 3};
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &segment, &error), IPM_OK);
    ipm_segment_close(segment, NULL);
    bool is_root = geteuid() == 0;
    if (is_root)
        CHECK_INT(chown(data_path(""), 1, 2), 0);
    migrates_to(wider, IPM_MIGRATE_YES);
    CHECK_INT(lstat(data_path(""), &status), 0);
    CHECK_INT(status.st_mode & 07777, 0640);
    CHECK_INT(status.st_uid, is_root ? 1 : geteuid());
    CHECK_INT(status.st_gid, is_root ? 2 : getegid());
    ipm_segment_close(segment, NULL);
    remove(lock_path(""));
    migrates_to(wider, IPM_MIGRATE_YES);
    CHECK_INT(info_of(segment).max_readers, 3);
    destroy(segment);
}

/* Somebody else's file, which everybody may write to. */
static void migrates_as_a_stranger(peer *test) {
    (void)test;
    if (setgid(1) != 0 || setuid(1) != 0)
        _exit(2);
    CHECK_ERROR(migrate_to(wider, IPM_MIGRATE_YES), IPM_EPERMISSION,
                "cannot keep the owner and the group");
    _exit(tap.bad);
}

static void refuses_to_change_the_owner(void) {
    if (geteuid() != 0)
        SKIP("needs root");
    ipm_options options = {.mmap_dir = dir, .create = true, .mode = 0666};
    ipm_segment *old;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &old, &error), IPM_OK);
    CHECK_INT(commit(old, 5), IPM_OK);
    CHECK_INT(chown(dir, 1, 1), 0);
    CHECK_INT(run_peer(migrates_as_a_stranger), 0);
    CHECK_INT(chown(dir, 0, 0), 0);
    still_holds(old, 5);
    destroy(old);
}

static void waits_for_a_commit(peer *test) {
    uint64_t now;
    ipm_segment *own = opened(IPM_READER, "");
    tell(test, 'o');
    int code = ipm_segment_wait(own, 1, IPM_FOREVER, &now, &error);
    tell(test, code == IPM_EREPLACED ? 'r' : 'x');
}

static void tells_those_who_wait(void) {
    ipm_segment *old = made_with(5);
    peer p = start(waits_for_a_commit);
    CHECK_INT(hear(&p), 'o');
    await_futex(&p);
    migrates_to(wider, IPM_MIGRATE_YES);
    CHECK_INT(hear(&p), 'r');
    CHECK_INT(finish(&p), 0);
    close_old(old);
    destroy(segment);
}

static void commits_when_somebody_waits(peer *test) {
    ipm_user users[IPM_MAX_USERS];
    size_t count = 0;
    ipm_segment *own = opened(IPM_EDITOR, "");
    CHECK_INT(ipm_segment_lock(own, 0, &error), IPM_OK);
    set_both(own, 8);
    tell(test, 'l');
    while (count < 2 && !tap.bad)
        CHECK_INT(ipm_segment_users(own, users, IPM_MAX_USERS, &count, &error), IPM_OK);
    CHECK_INT(ipm_segment_unlock(own, &error), IPM_OK);
    _exit(tap.bad);
}

static void waits_for_the_commit_that_is_under_way(void) {
    ipm_segment *old = made_with(5);
    peer p = start(commits_when_somebody_waits);
    CHECK_INT(hear(&p), 'l');
    migrates_to(wider, IPM_MIGRATE_YES);
    CHECK_INT(read_at(segment, WIDER_A), 8);
    CHECK_INT(version_of(segment), 2);
    CHECK_INT(finish(&p), 0);
    close_old(old);
    destroy(segment);
}

static void dies_writing(peer *test) {
    (void)test;
    ipm_segment *own = opened(IPM_EDITOR, "");
    CHECK_INT(ipm_segment_lock(own, 0, &error), IPM_OK);
    set_both(own, 8);
    _exit(tap.bad);
}

static void rolls_back_a_dead_writer(void) {
    ipm_segment *old = made_with(5);
    CHECK_INT(run_peer(dies_writing), 0);
    migrates_to(wider, IPM_MIGRATE_YES);
    CHECK_INT(read_at(segment, WIDER_A), 5);
    CHECK_INT(version_of(segment), 1);
    CHECK_INT(info_of(segment).recoveries, 1);
    close_old(old);
    destroy(segment);
}

static _Atomic int64_t *counted; /* shared with the peers */

/* Counts until the segment is replaced. */
static void counts(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    tell(test, 'o');
    while (ipm_segment_lock(own, 10 * SECOND, &error) == IPM_OK) {
        set_at(own, A_OFFSET, read_a(own) + 1);
        CHECK_INT(ipm_segment_unlock(own, &error), IPM_OK);
        ++*counted;
    }
    _exit(error.code == IPM_EREPLACED ? tap.bad : 100);
}

static void loses_no_commit(void) {
    enum { PEERS = 3, ROUNDS = 30 };
    counted =
        mmap(NULL, sizeof *counted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < ROUNDS; round++) {
        peer peers[PEERS];
        *counted = 0;
        ipm_segment_close(opened(IPM_MANAGER, ""), NULL);
        for (int i = 0; i < PEERS; i++)
            peers[i] = start(counts);
        for (int i = 0; i < PEERS; i++)
            CHECK_INT(hear(&peers[i]), 'o');
        migrates_to(wider, IPM_MIGRATE_YES);
        for (int i = 0; i < PEERS; i++)
            CHECK_INT(finish(&peers[i]), 0);
        CHECK_INT(read_at(segment, WIDER_A), *counted);
        CHECK_INT(version_of(segment), *counted);
        destroy(segment);
    }
    munmap((void *)counted, sizeof *counted);
}

static void opens_migrating(peer *test) {
    hear(test);
    migrates_to(wider, IPM_MIGRATE_YES);
    CHECK_INT(ipm_segment_lock(segment, 10 * SECOND, &error), IPM_OK);
    set_at(segment, WIDER_A, read_at(segment, WIDER_A) + 1);
    CHECK_INT(ipm_segment_unlock(segment, &error), IPM_OK);
    _exit(tap.bad ? 100 : ipm_segment_migration(segment) != NULL);
}

static void migrates_once_however_many_try(void) {
    enum { PEERS = 8 };
    peer peers[PEERS];
    int migrations = 0;
    ipm_segment_close(made_with(5), NULL);
    for (int i = 0; i < PEERS; i++)
        peers[i] = start(opens_migrating);
    for (int i = 0; i < PEERS; i++)
        tell(&peers[i], 'g');
    for (int i = 0; i < PEERS; i++)
        migrations += finish(&peers[i]);
    CHECK_INT(migrations, 1);
    migrates_to(wider, IPM_MIGRATE_YES);
    CHECK_INT(read_at(segment, WIDER_A), 5 + PEERS);
    destroy(segment);
}

static void holds(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    tell(test, ipm_segment_lock(own, 0, NULL) == IPM_OK ? 'h' : 'x');
    hear(test);
    ipm_segment_unlock(own, NULL);
}

static void waits_for_the_lock_ten_seconds(void) {
    ipm_segment *old = made_with(5);
    peer p = start(holds);
    CHECK_INT(hear(&p), 'h');
    looks_left = 40; /* it has begun to wait, and wakes for a look every 100 ms at the least */
    CHECK_ERROR(migrate_to(wider, IPM_MIGRATE_YES), IPM_ETIMEOUT, "not free in time");
    CHECK_INT(looks_left, 0);
    CHECK_INT(finish(&p), 0);
    still_holds(old, 5);
    destroy(old);
}

static void refuses_to_wait_for_its_own_thread(void) {
    ipm_segment *old = made_with(5);
    CHECK_INT(ipm_segment_lock(old, 0, &error), IPM_OK);
    CHECK_INT(migrate_to(wider, IPM_MIGRATE_YES), IPM_EDEADLOCK);
    CHECK_INT(ipm_segment_rollback(old, &error), IPM_OK);
    still_holds(old, 5);
    destroy(old);
}

static void refuses_what_could_lose_a_value(void) {
    ipm_segment *old = made_with(5);
    CHECK_ERROR(migrate_to(narrow, IPM_MIGRATE_YES), IPM_ELAYOUT, "a: int64 to int8 could lose");
    CHECK(strstr(error.text, data_path("")) != NULL);
    still_holds(old, 5);
    CHECK_INT(commit(old, 200), IPM_OK);
    migrates_to(narrow, IPM_MIGRATE_LOSSY);
    CHECK_INT(read_at(segment, 16) & 0xff, 0);
    CHECK_INT(read_at(segment, 16) >> 32, 200);
    is_listed(ipm_segment_migration(segment)->kept, 1, "b");
    is_listed(ipm_segment_migration(segment)->dropped, 2, "a");
    close_old(old);
    destroy(segment);
}

static void refuses_what_is_not_this_struct(void) {
    ipm_layout *other = layout_of(IPM_BASE_SCHEMA "struct Other : BaseMmapStructure { a: int64 }");
    ipm_segment *made;
    const ipm_options options = {.mmap_dir = dir, .create = true};
    CHECK_INT(ipm_segment_open(IPM_MANAGER, other, &options, &made, &error), IPM_OK);
    ipm_segment_close(made, NULL);
    remove(in_dir("Other_.lock"));
    CHECK_INT(rename(in_dir("Other_.mmap"), data_path("")), 0);
    CHECK_ERROR(migrate_to(demo, IPM_MIGRATE_LOSSY), IPM_ELAYOUT, "holds a Other");
    CHECK_INT(entries(dir), 1);
    remove(data_path(""));
    int fd = open(data_path(""), O_CREAT | O_WRONLY, 0600);
    CHECK_INT(write(fd, "rubbish", 7), 7);
    close(fd);
    CHECK_INT(migrate_to(demo, IPM_MIGRATE_LOSSY), IPM_ECORRUPT);
    CHECK_INT(entries(dir), 1);
    remove(data_path(""));
    ipm_layout_free(other);
}

static void refuses_bad_options(void) {
    ipm_options options = {.own_size = sizeof options, .mmap_dir = dir, .migrate = IPM_MIGRATE_YES};
    CHECK_ERROR(ipm_segment_open(IPM_EDITOR, demo, &options, &segment, &error), IPM_EINVALID,
                "a manager's options");
    CHECK_ERROR(ipm_segment_open(IPM_MANAGER, demo, &options, &segment, &error), IPM_EINVALID,
                "migrate goes with create");
    options.create = options.force = true;
    CHECK_ERROR(ipm_segment_open(IPM_MANAGER, demo, &options, &segment, &error), IPM_EINVALID,
                "not with force");
    options.force = false;
    options.migrate = (ipm_migrate)3;
    CHECK_ERROR(ipm_segment_open(IPM_MANAGER, demo, &options, &segment, &error), IPM_EINVALID,
                "migrate 3");
    CHECK_INT(entries(dir), 0);
}

static void migrates_without_room(peer *test) {
    (void)test;
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 9216, .rlim_max = 9216});
    _exit(migrate_to(wider, IPM_MIGRATE_YES) == IPM_ENOSPACE ? 0 : 1);
}

static void leaves_it_alone_without_room(void) {
    ipm_segment *old = made_with(5);
    CHECK_INT(run_peer(migrates_without_room), 0);
    still_holds(old, 5);
    destroy(old);
}

/* ---- A manager that died between retiring the old file and naming the new one -------------- */

static void leave_behind(int64_t value) {
    const uint32_t retired = DIED_MIGRATING;
    ipm_segment_close(made_with(value), NULL);
    int fd = open(data_path(""), O_WRONLY);
    CHECK_INT(pwrite(fd, &retired, sizeof retired, RETIRED_AT), 4);
    close(fd);
}

static void tells_what_was_left_behind(void) {
    leave_behind(5);
    CHECK_INT(open_as(IPM_EDITOR, "", &segment), IPM_ENOTFOUND);
    CHECK(strstr(error.text, "its migration to another layout was not finished") != NULL);
    segment = opened(IPM_MANAGER, "");
    still_holds(segment, 5);
    destroy(segment);
}

static void migrates_what_was_left_behind(void) {
    leave_behind(5);
    migrates_to(wider, IPM_MIGRATE_YES);
    CHECK_INT(read_at(segment, WIDER_A), 5);
    CHECK_INT(version_of(segment), 1);
    destroy(segment);
}

static void gives_up_no_values_that_were_left_behind(void) {
    ipm_options options = {.mmap_dir = dir, .create = true};
    leave_behind(5);
    CHECK_INT(ipm_segment_open(IPM_MANAGER, wider, &options, &segment, &error), IPM_ELAYOUT);
    segment = opened(IPM_EDITOR, "");
    still_holds(segment, 5);
    ipm_segment_close(segment, NULL);
    leave_behind(6);
    CHECK_INT(migrate_to(narrow, IPM_MIGRATE_YES), IPM_ELAYOUT);
    segment = opened(IPM_MANAGER, "");
    still_holds(segment, 6);
    ipm_segment_close(segment, NULL);
    leave_behind(7);
    options.force = true;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, wider, &options, &segment, &error), IPM_OK);
    CHECK_INT(read_at(segment, WIDER_A), 0);
    destroy(segment);
}

int main(void) {
    set_up();
    wider = layout_of(WIDER_TEXT);
    narrow = layout_of(NARROW_TEXT);
    run("keeps values, version and time stamp", keeps_values_version_and_time_stamp);
    run("keeps a ring, and what has changed since", keeps_a_ring_and_what_has_changed);
    run("opens a segment of the same layout as it is", opens_the_same_layout_as_it_is);
    run("keeps the file's owner, group, mode and number of readers", keeps_what_the_file_allows);
    run("refuses where it cannot keep the owner", refuses_to_change_the_owner);
    run("tells those who wait for a commit", tells_those_who_wait);
    run("waits for a commit that is under way", waits_for_the_commit_that_is_under_way);
    run("rolls back a dead writer's transaction", rolls_back_a_dead_writer);
    run("loses no commit of busy writers", loses_no_commit);
    run("migrates once, however many try at once", migrates_once_however_many_try);
    run("waits for the lock ten seconds, and leaves the segment alone",
        waits_for_the_lock_ten_seconds);
    ahead = 0;
    run("refuses to wait for its own thread", refuses_to_wait_for_its_own_thread);
    run("refuses what could lose a value, unless it may", refuses_what_could_lose_a_value);
    run("refuses another struct, and a damaged file", refuses_what_is_not_this_struct);
    run("refuses bad options", refuses_bad_options);
    run("leaves the segment alone where there is no room", leaves_it_alone_without_room);
    run("tells of a migration that was not finished", tells_what_was_left_behind);
    run("migrates after a death", migrates_what_was_left_behind);
    run("gives up no values after a death, except by force",
        gives_up_no_values_that_were_left_behind);
    ipm_layout_free(wider);
    ipm_layout_free(narrow);
    return tear_down();
}
