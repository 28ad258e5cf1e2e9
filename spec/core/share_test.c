/* Segments that several machines share: who may write, and until when. */
#include "../../src/core/segment.h"
#include "fixture.h"
#include "peer.h"

#include <pthread.h>
#include <sched.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080 /* as in linux/sched.h, which musl-gcc does not find */
#endif

#define OTHER_TEXT IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { b: int64; a: int64 }"
#define LOST "this machine is no longer its home: "

static ipm_layout *other;
static ipm_segment *sharer, *editor;

/* Open as a manager with these options, and no others. */
static int manage(const ipm_layout *layout, ipm_options options, ipm_segment **segment) {
    options.own_size = sizeof options;
    options.mmap_dir = dir;
    memset(&error, 0, sizeof error);
    return ipm_segment_open(IPM_MANAGER, layout, &options, segment, &error);
}

static ipm_segment *managed(const ipm_layout *layout, ipm_options options) {
    ipm_segment *segment;
    if (!CHECK_INT(manage(layout, options, &segment), IPM_OK))
        printf("# %s\n", error.text);
    return segment;
}

/* Make a segment that is not shared, and open it as the program that shares it and as an editor. */
static void fresh(void) {
    ipm_segment *manager = opened(IPM_MANAGER, "");
    ipm_segment_close(manager, NULL);
    sharer = managed(demo, (ipm_options){.shares = true});
    editor = opened(IPM_EDITOR, "");
    CHECK_INT(commit(editor, 1), IPM_OK);
}

static void finished(void) {
    ipm_segment_close(editor, NULL);
    CHECK_INT(ipm_segment_destroy(sharer, NULL), IPM_OK);
    ipm_segment_close(sharer, NULL);
}

static int set(ipm_share share) {
    CHECK_INT(ipm_segment_lock(sharer, 10 * SECOND, &error), IPM_OK);
    int code = ipm_segment_set_share(sharer, &share, &error);
    CHECK_INT(ipm_segment_unlock(sharer, NULL), IPM_OK);
    return code;
}

static int make_home(int64_t deadline) {
    return set((ipm_share){IPM_HOME, deadline, 3, 0, 77});
}

static int make_replica(void) {
    return set((ipm_share){.place = IPM_REPLICA, .epoch = 3, .ahead = 5});
}

static int64_t in_an_hour(void) {
    return ipm_boottime() + 3600 * SECOND;
}

static ipm_share share_of(ipm_segment *segment) {
    ipm_share share = {0};
    CHECK_INT(ipm_segment_share(segment, &share, &error), IPM_OK);
    return share;
}

/* Each call that changes a segment, outside a lock. */
static void check_each_writer(int code) {
    int64_t value = 9;
    CHECK_INT(commit(editor, 9), code);
    CHECK_INT(ipm_segment_write(editor, A_OFFSET, 8, &value, NULL), code);
    CHECK_INT(ipm_segment_put(editor, "a", &value, 8, NULL), code);
    CHECK_INT(ipm_segment_touch(editor, NULL), code);
    CHECK_INT(ipm_segment_clear(editor, NULL), code);
}

static void says_what_it_is(void) {
    const int64_t deadline = in_an_hour();
    fresh();
    CHECK_INT(share_of(editor).place, IPM_UNSHARED);
    CHECK_INT(share_of(editor).epoch, 0);
    CHECK_INT(make_home(deadline), IPM_OK);
    const ipm_share home = share_of(editor);
    CHECK_INT(home.place, IPM_HOME);
    CHECK_INT(home.deadline, deadline);
    CHECK_INT(home.epoch, 3);
    CHECK_INT(home.token, 77);
    CHECK_INT(make_replica(), IPM_OK);
    const ipm_share replica = share_of(editor);
    CHECK_INT(replica.place, IPM_REPLICA);
    CHECK_INT(replica.deadline, 0);
    CHECK_INT(replica.ahead, 5);
    CHECK_INT(replica.token, 0);
    CHECK_INT(set((ipm_share){0}), IPM_OK);
    CHECK_INT(share_of(editor).place, IPM_UNSHARED);
    CHECK_INT(share_of(editor).epoch, 0);
    finished();
}

static void lets_editors_write_at_home(void) {
    fresh();
    CHECK_INT(make_home(in_an_hour()), IPM_OK);
    check_each_writer(IPM_OK);
    CHECK_INT(version_of(editor), 6);
    finished();
}

static void lets_nobody_write_on_a_replica(void) {
    fresh();
    CHECK_INT(make_replica(), IPM_OK);
    check_each_writer(IPM_ENOTHOME);
    CHECK_ERROR(commit(editor, 9), IPM_ENOTHOME,
                "Demo: this is a replica; its home is another machine");
    CHECK_INT(version_of(editor), 1);
    CHECK_INT(read_a(editor), 1);
    CHECK(!ipm_segment_is_locked(editor));
    finished();
}

static void lets_nobody_write_after_the_deadline(void) {
    fresh();
    CHECK_INT(make_home(IPM_LAPSED), IPM_OK);
    check_each_writer(IPM_ENOTHOME);
    CHECK_INT(make_home(ipm_boottime()), IPM_OK);
    CHECK_ERROR(commit(editor, 9), IPM_ENOTHOME, "Demo: " LOST "its lease has ended");
    CHECK_INT(read_a(editor), 1);
    CHECK_INT(make_home(in_an_hour()), IPM_OK);
    CHECK_INT(commit(editor, 2), IPM_OK);
    finished();
}

static void lets_a_try_say_why(void) {
    fresh();
    ipm_segment *reader = opened(IPM_READER, "");
    CHECK_INT(make_replica(), IPM_OK);
    CHECK_INT(ipm_segment_lock(reader, 0, &error), IPM_OK);
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_ENOTHOME);
    CHECK_INT(ipm_segment_unlock(reader, &error), IPM_OK);
    ipm_segment_close(reader, NULL);
    finished();
}

static void close_in_a_block(void (*end)(void)) {
    fresh();
    CHECK_INT(make_home(in_an_hour()), IPM_OK);
    CHECK_INT(ipm_segment_lock(editor, 10 * SECOND, &error), IPM_OK);
    set_both(editor, 2);
    end();
    CHECK_INT(version_of(editor), 1);
    CHECK_INT(read_a(editor), 1);
    CHECK(!ipm_segment_is_locked(editor));
    CHECK_INT(ipm_segment_lock(sharer, 0, &error), IPM_OK); /* it is free */
    CHECK_INT(ipm_segment_unlock(sharer, &error), IPM_OK);
    CHECK_INT(info_of(sharer).recoveries, 0);
    finished();
}

/* The deadline moves on without the lock, and so it may also come nearer. */
static void lapse(void) {
    const ipm_share share = {IPM_HOME, IPM_LAPSED, 3, 0, 77};
    CHECK_INT(ipm_segment_set_share(sharer, &share, &error), IPM_OK);
}

static void lapse_and_commit(void) {
    lapse();
    CHECK_ERROR(ipm_segment_unlock(editor, &error), IPM_ENOTHOME, LOST);
}

static void lapse_and_roll_back(void) {
    lapse();
    CHECK_INT(ipm_segment_rollback(editor, &error), IPM_OK);
}

static void rolls_back_who_is_inside_at_the_deadline(void) {
    close_in_a_block(lapse_and_commit);
    close_in_a_block(lapse_and_roll_back);
}

static void lets_who_changed_nothing_leave_after_the_deadline(void) {
    fresh();
    CHECK_INT(make_home(in_an_hour()), IPM_OK);
    CHECK_INT(ipm_segment_lock(editor, 10 * SECOND, &error), IPM_OK);
    lapse();
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    finished();
}

static void counts_the_deadline_in_its_boot(void) {
    fresh();
    CHECK_INT(make_home(in_an_hour()), IPM_OK);
    ipm_share_block *block = ipm_share_of(&sharer->data.memory);
    block->copies[block->turn & 1].boot ^= 1;
    CHECK_ERROR(commit(editor, 9), IPM_ENOTHOME, LOST "its lease is from before a reboot");
    CHECK_INT(share_of(editor).place, IPM_HOME);
    CHECK_INT(share_of(editor).deadline, 0);
    CHECK_INT(share_of(editor).epoch, 3);
    const ipm_share share = {IPM_HOME, in_an_hour(), 3, 0, 77};
    CHECK_ERROR(ipm_segment_set_share(sharer, &share, &error), IPM_EINVALID, "is not held");
    CHECK_INT(make_home(in_an_hour()), IPM_OK);
    CHECK_INT(commit(editor, 2), IPM_OK);
    finished();
}

/* Exits with 0 if the deadline does not count, and with 77 if there is no other time namespace. */
static void commits_in_another_time_namespace(peer *test) {
    (void)test;
    if (unshare(CLONE_NEWTIME) != 0)
        _exit(77);
    pid_t child = fork();
    if (child == 0) {
        ipm_segment *own = opened(IPM_EDITOR, "");
        int code = commit(own, 9);
        _exit(code == IPM_ENOTHOME && strstr(error.text, "another time namespace") != NULL &&
                      share_of(own).deadline == 0
                  ? 0
                  : 1);
    }
    int status;
    if (waitpid(child, &status, 0) != child)
        _exit(2);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 3);
}

static void counts_the_deadline_in_its_time_namespace(void) {
    fresh();
    CHECK_INT(make_home(in_an_hour()), IPM_OK);
    int status = run_peer(commits_in_another_time_namespace);
    finished();
    if (status == 77)
        SKIP("no time namespaces here");
    CHECK_INT(status, 0);
}

static void waits_for_the_lock(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    tell(test, 'w');
    _exit(ipm_segment_lock(own, IPM_FOREVER, NULL));
}

static void ends_a_wait_when_it_becomes_a_replica(void) {
    const ipm_share share = {.place = IPM_REPLICA};
    fresh();
    CHECK_INT(ipm_segment_lock(sharer, 10 * SECOND, &error), IPM_OK);
    peer p = start(waits_for_the_lock);
    hear(&p);
    await_futex(&p);
    CHECK_INT(ipm_segment_set_share(sharer, &share, &error), IPM_OK);
    CHECK_INT(finish(&p), IPM_ENOTHOME); /* although the lock is not free */
    CHECK_INT(ipm_segment_unlock(sharer, &error), IPM_OK);
    finished();
}

static void needs_the_lock_for_all_but_a_deadline(void) {
    ipm_share share = {IPM_HOME, in_an_hour(), 3, 0, 77};
    fresh();
    CHECK_ERROR(ipm_segment_set_share(sharer, &share, &error), IPM_EINVALID, "is not held");
    CHECK_INT(share_of(sharer).place, IPM_UNSHARED);
    CHECK_INT(make_home(share.deadline), IPM_OK);
    share.deadline++;
    CHECK_INT(ipm_segment_set_share(sharer, &share, &error), IPM_OK);
    CHECK_INT(share_of(sharer).deadline, share.deadline);
    share.epoch++;
    CHECK_INT(ipm_segment_set_share(sharer, &share, &error), IPM_EINVALID);
    share.epoch--, share.token++;
    CHECK_INT(ipm_segment_set_share(sharer, &share, &error), IPM_EINVALID);
    share.token--, share.ahead++;
    CHECK_INT(ipm_segment_set_share(sharer, &share, &error), IPM_EINVALID);
    finished();
}

static void refuses_what_is_no_share(void) {
    fresh();
    CHECK_INT(set((ipm_share){.place = IPM_HOME}), IPM_EINVALID);
    CHECK_INT(set((ipm_share){.place = IPM_HOME, .deadline = 1}), IPM_EINVALID);
    CHECK_INT(set((ipm_share){.place = IPM_HOME, .deadline = -5}), IPM_EINVALID);
    CHECK_INT(set((ipm_share){.place = IPM_REPLICA, .deadline = 5}), IPM_EINVALID);
    CHECK_INT(set((ipm_share){.deadline = 5}), IPM_EINVALID);
    CHECK_INT(set((ipm_share){.place = (ipm_place)3}), IPM_EINVALID);
    const ipm_share share = {.place = IPM_REPLICA};
    CHECK_INT(ipm_segment_lock(editor, 10 * SECOND, &error), IPM_OK);
    CHECK_ERROR(ipm_segment_set_share(editor, &share, &error), IPM_EINVALID, "option shares");
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    const ipm_options options = {.own_size = sizeof options, .mmap_dir = dir, .shares = true};
    ipm_segment *none;
    CHECK_ERROR(ipm_segment_open(IPM_EDITOR, demo, &options, &none, &error), IPM_EINVALID,
                "manager's options");
    CHECK_INT(share_of(editor).place, IPM_UNSHARED);
    finished();
}

static void lets_who_shares_it_write_anywhere(void) {
    fresh();
    CHECK_INT(make_replica(), IPM_OK);
    CHECK_INT(commit(sharer, 2), IPM_OK);
    CHECK_INT(make_home(IPM_LAPSED), IPM_OK);
    CHECK_INT(commit(sharer, 3), IPM_OK);
    CHECK_INT(read_a(editor), 3);
    finished();
}

static void makes_a_replica_if_it_makes_one(void) {
    sharer = managed(demo, (ipm_options){.shares = true, .create = true});
    editor = opened(IPM_EDITOR, "");
    CHECK_INT(share_of(editor).place, IPM_REPLICA);
    CHECK_INT(share_of(editor).epoch, 0);
    CHECK_INT(commit(editor, 1), IPM_ENOTHOME);
    finished();
}

static atomic_bool is_over;

/* Shares whose numbers are equal, at home or not. */
static void *changes_shares(void *unused) {
    for (uint64_t i = 1; !is_over; i++) {
        ipm_share share = {.place = IPM_REPLICA, .epoch = i, .ahead = i, .token = i};
        if (i % 2 == 0)
            share = (ipm_share){IPM_HOME, (int64_t)(1000 + i), i, i, i};
        if (ipm_segment_lock(sharer, IPM_FOREVER, NULL) != IPM_OK ||
            ipm_segment_set_share(sharer, &share, NULL) != IPM_OK ||
            ipm_segment_unlock(sharer, NULL) != IPM_OK)
            return unused;
    }
    return NULL;
}

static void is_read_as_a_whole(void) {
    pthread_t thread;
    int torn = 0;
    uint64_t seen = 0;
    fresh();
    is_over = false;
    pthread_create(&thread, NULL, changes_shares, &torn);
    while (seen < 500000) {
        ipm_share share = share_of(editor);
        bool is_home = share.place == IPM_HOME;
        torn += share.epoch != share.ahead || share.token != (is_home ? share.epoch : 0);
        /* While a home begins, nobody may write, and the numbers are those before or its own. */
        bool is_closed = share.deadline == 0 || share.deadline == IPM_LAPSED;
        torn += is_home && !is_closed && share.deadline - 1000 != (int64_t)share.epoch;
        torn += share.epoch < seen;
        seen = share.epoch;
    }
    is_over = true;
    void *failed;
    pthread_join(thread, &failed);
    CHECK(failed == NULL);
    CHECK_INT(torn, 0);
    finished();
}

/* ---- Managers ---------------------------------------------------------------------------- */

static const ipm_options create_force = {.create = true, .force = true};
static const ipm_options create_migrate = {.create = true, .migrate = IPM_MIGRATE_YES};

static void refuses_managers_on_a_replica(void) {
    ipm_segment *none, *manager;
    bool repaired;
    const ipm_options by_path = {.own_size = sizeof by_path, .path = data_path("")};
    fresh();
    CHECK_INT(make_replica(), IPM_OK);
    manager = opened(IPM_MANAGER, "");
    int files = entries(dir);
    CHECK_ERROR(ipm_segment_destroy(manager, &error), IPM_ENOTHOME, "this is a replica");
    CHECK_INT(manage(demo, create_force, &none), IPM_ENOTHOME);
    CHECK_INT(manage(other, create_force, &none), IPM_ENOTHOME);
    CHECK_INT(manage(other, create_migrate, &none), IPM_ENOTHOME);
    CHECK_INT(ipm_segment_repair(&by_path, &repaired, &error), IPM_ENOTHOME);
    CHECK_INT(entries(dir), files);
    CHECK_INT(make_home(IPM_LAPSED), IPM_OK);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_ENOTHOME);
    CHECK_INT(manage(other, create_force, &none), IPM_ENOTHOME);
    CHECK_INT(manage(other, create_migrate, &none), IPM_ENOTHOME);
    CHECK_INT(read_a(editor), 1);
    CHECK_INT(share_of(editor).epoch, 3);
    ipm_segment_close(manager, NULL);
    finished();
}

static void lets_managers_replace_it_at_home(void) {
    fresh();
    CHECK_INT(make_home(in_an_hour()), IPM_OK);
    ipm_segment *manager = managed(demo, create_force);
    CHECK_INT(read_a(editor), 0);
    ipm_segment_close(manager, NULL);
    manager = managed(other, create_force);
    CHECK_INT(commit(editor, 9), IPM_EREPLACED);
    CHECK_INT(share_of(manager).place, IPM_UNSHARED);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
    ipm_segment_close(editor, NULL);
    ipm_segment_close(sharer, NULL);
}

static void lets_managers_destroy_it_at_home(void) {
    fresh();
    CHECK_INT(make_home(in_an_hour()), IPM_OK);
    ipm_segment *manager = opened(IPM_MANAGER, "");
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
    ipm_segment_close(editor, NULL);
    ipm_segment_close(sharer, NULL);
}

static void check_migrated(ipm_segment *manager, const ipm_share *before) {
    const ipm_share after = share_of(manager);
    CHECK_INT(after.place, before->place);
    CHECK_INT(after.deadline, before->deadline);
    CHECK_INT(after.epoch, before->epoch);
    CHECK_INT(after.ahead, before->ahead);
    CHECK_INT(after.token, before->token);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
    ipm_segment_close(editor, NULL);
    ipm_segment_close(sharer, NULL);
}

static void stays_a_home_when_it_is_migrated(void) {
    fresh();
    CHECK_INT(make_home(in_an_hour()), IPM_OK);
    const ipm_share before = share_of(sharer);
    ipm_segment *manager = managed(other, create_migrate);
    CHECK_INT(ipm_segment_touch(manager, &error), IPM_OK);
    CHECK_INT(version_of(manager), 2);
    CHECK_INT(commit(editor, 9), IPM_EREPLACED);
    check_migrated(manager, &before);
}

static void stays_a_replica_when_who_shares_it_migrates_it(void) {
    fresh();
    CHECK_INT(make_replica(), IPM_OK);
    const ipm_share before = share_of(sharer);
    ipm_options options = create_migrate;
    options.shares = true;
    check_migrated(managed(other, options), &before);
}

static void becomes_a_replica_when_who_shares_it_replaces_it(void) {
    fresh();
    CHECK_INT(make_replica(), IPM_OK);
    ipm_options options = create_force;
    options.shares = true;
    ipm_segment *manager = managed(other, options);
    CHECK_INT(share_of(manager).place, IPM_REPLICA);
    CHECK_INT(share_of(manager).epoch, 0);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
    ipm_segment_close(editor, NULL);
    ipm_segment_close(sharer, NULL);
}

static void keeps_a_damaged_replica(void) {
    ipm_segment *none;
    fresh();
    CHECK_INT(make_replica(), IPM_OK);
    int fd = open(data_path(""), O_WRONLY);
    CHECK_INT(pwrite(fd, "\0\0", 2, 0), 2); /* the header code */
    close(fd);
    CHECK_INT(manage(demo, create_force, &none), IPM_ENOTHOME);
    CHECK_INT(version_of(editor), 1); /* it was not retired */
    ipm_options options = create_force;
    options.shares = true;
    ipm_segment *manager = managed(demo, options);
    CHECK_INT(commit(editor, 9), IPM_EREPLACED);
    ipm_segment_close(sharer, NULL);
    sharer = manager;
    finished();
}

int main(void) {
    set_up();
    other = layout_of(OTHER_TEXT);
    run("says what it is", says_what_it_is);
    run("lets editors write at home", lets_editors_write_at_home);
    run("lets nobody write on a replica", lets_nobody_write_on_a_replica);
    run("lets nobody write after the deadline", lets_nobody_write_after_the_deadline);
    run("lets a try that finds the lock taken say that it is a replica", lets_a_try_say_why);
    run("rolls back who is inside at the deadline", rolls_back_who_is_inside_at_the_deadline);
    run("lets who changed nothing leave after the deadline",
        lets_who_changed_nothing_leave_after_the_deadline);
    run("counts the deadline in its boot", counts_the_deadline_in_its_boot);
    run("counts the deadline in its time namespace", counts_the_deadline_in_its_time_namespace);
    run("ends a wait for the lock when it becomes a replica",
        ends_a_wait_when_it_becomes_a_replica);
    run("needs the lock for all but a deadline", needs_the_lock_for_all_but_a_deadline);
    run("refuses what is no share", refuses_what_is_no_share);
    run("lets who shares it write anywhere", lets_who_shares_it_write_anywhere);
    run("makes a replica if who shares it makes one", makes_a_replica_if_it_makes_one);
    run("is read as a whole while it changes", is_read_as_a_whole);
    run("refuses managers on a replica, and after the deadline", refuses_managers_on_a_replica);
    run("lets managers replace it at home", lets_managers_replace_it_at_home);
    run("lets managers destroy it at home", lets_managers_destroy_it_at_home);
    run("stays a home when it is migrated", stays_a_home_when_it_is_migrated);
    run("stays a replica when who shares it migrates it",
        stays_a_replica_when_who_shares_it_migrates_it);
    run("becomes a replica when who shares it replaces it",
        becomes_a_replica_when_who_shares_it_replaces_it);
    run("keeps a damaged replica, unless who shares it replaces it", keeps_a_damaged_replica);
    ipm_layout_free(other);
    return tear_down();
}
