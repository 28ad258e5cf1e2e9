/* Feeds: every commit of a segment, in order; with a ring and without one. */
#include "../../src/core/segment.h"
#include "fixture.h"
#include "peer.h"

#define RING 4096
#define ONE_CHANGE 64 /* the record of `commit`: two fields in two blocks */

static ipm_segment *editor;

static int open_ring(uint64_t bytes, ipm_segment **segment) {
    ipm_options options = {.own_size = sizeof options, .mmap_dir = dir, .create = true};
    options.feed = bytes;
    memset(&error, 0, sizeof error);
    return ipm_segment_open(IPM_MANAGER, demo, &options, segment, &error);
}

static void start_with(uint64_t ring) {
    if (!CHECK_INT(open_ring(ring, &editor), IPM_OK))
        printf("# %s\n", error.text);
}

static void end_with(ipm_feed *feed) {
    ipm_feed_close(feed);
    CHECK_INT(ipm_segment_destroy(editor, &error), IPM_OK);
    ipm_segment_close(editor, NULL);
}

static ipm_feed *feed_after(ipm_segment *segment, uint64_t version) {
    ipm_feed *feed = NULL;
    if (!CHECK_INT(ipm_feed_open(segment, version, &feed, &error), IPM_OK))
        printf("# %s\n", error.text);
    return feed;
}

static int64_t field_of(const ipm_feed *feed, uint64_t offset) {
    int64_t value;
    memcpy(&value, (const char *)ipm_feed_value(feed) + offset, sizeof value);
    return value;
}

/* Both fields have the value. */
static bool shows(const ipm_feed *feed, int64_t value) {
    return CHECK_INT(field_of(feed, A_OFFSET), value) && CHECK_INT(field_of(feed, B_OFFSET), value);
}

/* The next commit is that version, with its own number in both fields. */
static bool tells(ipm_feed *feed, uint64_t expected, uint64_t expected_missed) {
    uint64_t version = 0, missed = 0;
    CHECK_INT(ipm_feed_next(feed, 10 * SECOND, &version, &missed, &error), IPM_OK);
    return CHECK_INT(version, expected) && CHECK_INT(missed, expected_missed) &&
           shows(feed, (int64_t)expected);
}

static void tells_no_more(ipm_feed *feed) {
    CHECK_ERROR(ipm_feed_next(feed, 0, NULL, NULL, &error), IPM_ETIMEOUT, "Demo: no commit after");
}

/* Commits until that version; each writes its version. */
static void commit_until(uint64_t version) {
    for (uint64_t v = (uint64_t)version_of(editor) + 1; v <= version; v++)
        CHECK_INT(commit(editor, (int64_t)v), IPM_OK);
}

static void tells_each_commit(void) {
    start_with(RING);
    ipm_segment *reader = opened(IPM_READER, "");
    ipm_feed *feed = feed_after(reader, IPM_LATEST);
    shows(feed, 0);
    CHECK(ipm_feed_time(feed) == 0);
    commit_until(5);
    for (uint64_t version = 1; version <= 5; version++)
        tells(feed, version, 0);
    tells_no_more(feed);
    shows(feed, 5);
    commit_until(6);
    tells(feed, 6, 0);
    ipm_feed_close(feed);
    ipm_segment_close(reader, NULL);
    end_with(NULL);
}

static void tells_when_a_commit_was_made(void) {
    start_with(RING);
    ipm_feed *feed = feed_after(editor, 0);
    double before = ipm_time();
    commit_until(1);
    double after = ipm_time();
    tells(feed, 1, 0);
    CHECK(ipm_feed_time(feed) > before - 0.02 && ipm_feed_time(feed) <= after);
    end_with(feed);
}

static void leaves_the_last_commits_only(void) {
    const uint64_t fit = RING / ONE_CHANGE;
    start_with(RING);
    ipm_feed *slow = feed_after(editor, IPM_LATEST);
    for (uint64_t last = 10 * fit; last <= 20 * fit; last += 10 * fit) {
        commit_until(last);
        tells(slow, last - fit, 9 * fit - 1);
        CHECK(ipm_feed_time(slow) == 0);
        for (uint64_t version = last - fit + 1; version <= last; version++)
            tells(slow, version, 0);
        tells_no_more(slow);
    }
    end_with(slow);
}

/* Through all places of the ring, with records of several sizes, told three at a time: a single one
 * could be told without its record. */
static void goes_around_the_ring(void) {
    start_with(RING);
    ipm_feed *feed = feed_after(editor, IPM_LATEST);
    for (uint64_t version = 1; version <= 2000; version++) {
        CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
        set_both(editor, (int64_t)version);
        uint64_t more = version * 7 % 600 / 8 * 8;
        memset(ipm_segment_change(editor, 24, more + 1), (int)version, more + 1);
        CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
        if (version % 3 != 0)
            continue;
        if (!tells(feed, version - 2, 0) || !tells(feed, version - 1, 0) ||
            !tells(feed, version, 0) ||
            !CHECK(memcmp(ipm_feed_value(feed),
                          ipm_segment_data(editor) != NULL ? ipm_segment_data(editor)
                                                           : editor->data.memory.data,
                          DEMO_SIZE) == 0))
            break;
    }
    end_with(feed);
}

/* More than it reads at once, so that a record begins in one batch and ends in the next. */
static void tells_many_commits_that_are_there(void) {
    start_with(16 * RING);
    ipm_feed *feed = feed_after(editor, IPM_LATEST);
    for (uint64_t version = 1; version <= 500; version++) {
        CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
        set_both(editor, (int64_t)version);
        for (uint64_t i = 0; i <= version % 7; i++)
            set_at(editor, 24 + i * 72, (int64_t)version);
        CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    }
    for (uint64_t version = 1; version <= 500; version++)
        if (!tells(feed, version, 0) ||
            !CHECK_INT(field_of(feed, 24 + version % 7 * 72), (int64_t)version))
            break;
    tells_no_more(feed);
    end_with(feed);
}

static void starts_at_an_older_version(void) {
    start_with(RING);
    commit_until(9);
    for (uint64_t from = 0; from <= 9; from++) {
        ipm_feed *feed = feed_after(editor, from);
        shows(feed, (int64_t)from);
        for (uint64_t version = from + 1; version <= 9; version++)
            tells(feed, version, 0);
        tells_no_more(feed);
        ipm_feed_close(feed);
    }
    end_with(NULL);
}

static void starts_where_the_ring_starts(void) {
    const uint64_t fit = RING / ONE_CHANGE;
    start_with(RING);
    commit_until(2 * fit + 5);
    ipm_feed *feed = feed_after(editor, 3);
    shows(feed, (int64_t)fit + 5);
    tells(feed, fit + 5, fit + 1);
    tells(feed, fit + 6, 0);
    end_with(feed);
}

/* At the end of a full ring each commit removes the record that the feed needs next. */
static void does_not_fall_behind_again_at_once(void) {
    unsigned falls = 0;
    uint64_t told = 0, version, missed;
    start_with(RING);
    ipm_feed *feed = feed_after(editor, 0);
    commit_until(200);
    for (uint64_t v = 201; v <= 1200; v++) {
        commit_until(v);
        CHECK_INT(ipm_feed_next(feed, 0, &version, &missed, &error), IPM_OK);
        CHECK_INT(version, told + missed + 1);
        told = version;
        falls += missed > 0;
    }
    CHECK(falls > 0 && falls <= 1000 / 20);
    end_with(feed);
}

static void refuses_a_version_of_the_future(void) {
    ipm_feed *feed;
    start_with(RING);
    commit_until(2);
    CHECK_ERROR(ipm_feed_open(editor, 3, &feed, &error), IPM_EINVALID,
                "Demo: there is no version 3 yet");
    CHECK(feed == NULL);
    end_with(NULL);
}

static void gives_the_latest_without_a_ring(void) {
    start_with(0);
    ipm_feed *feed = feed_after(editor, IPM_LATEST);
    commit_until(1);
    tells(feed, 1, 0);
    CHECK(ipm_feed_time(feed) == 0);
    commit_until(4);
    tells(feed, 4, 2);
    tells_no_more(feed);
    ipm_feed_close(feed);
    feed = feed_after(editor, 2);
    shows(feed, 4);
    tells(feed, 4, 1);
    tells_no_more(feed);
    commit_until(5);
    tells(feed, 5, 0);
    end_with(feed);
}

/* What is open, rolled back or left by a dead writer is not told. */
static void tells_only_what_was_committed(void) {
    start_with(RING);
    ipm_feed *feed = feed_after(editor, IPM_LATEST);
    commit_until(1);
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    set_both(editor, 99);
    tells(feed, 1, 0);
    tells_no_more(feed);
    ipm_feed *late = feed_after(editor, 0);
    tells(late, 1, 0);
    ipm_feed_close(late);
    CHECK_INT(ipm_segment_rollback(editor, &error), IPM_OK);
    tells_no_more(feed);
    commit_until(2);
    tells(feed, 2, 0);
    late = feed_after(editor, 0);
    tells(late, 1, 0);
    CHECK(ipm_feed_time(late) > 0); /* its record is still there */
    tells(late, 2, 0);
    ipm_feed_close(late);
    end_with(feed);
}

static void dies_in_a_transaction(peer *test) {
    (void)test;
    ipm_segment *own = opened(IPM_EDITOR, "");
    ipm_segment_lock(own, 0, &error);
    set_both(own, 77);
    /* As far as a commit that dies before its last store. */
    ipm_ring_write(&own->data.memory, 0);
    _exit(tap.bad);
}

static void forgets_the_record_of_a_dead_writer(void) {
    start_with(RING);
    commit_until(1);
    ipm_feed *feed = feed_after(editor, 0);
    CHECK_INT(run_peer(dies_in_a_transaction), 0);
    tells(feed, 1, 0);
    tells_no_more(feed);
    commit_until(2);
    tells(feed, 2, 0);
    commit_until(3);
    tells(feed, 3, 0);
    end_with(feed);
}

static void has_no_room_for_a_whole_change(void) {
    ipm_segment *segment;
    static char text[256];
    snprintf(text, sizeof text,
             IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { d: char[8000] }");
    ipm_layout *wide = layout_of(text);
    ipm_options options = {.own_size = sizeof options, .mmap_dir = dir, .create = true};
    options.feed = 4096;
    CHECK_ERROR(ipm_segment_open(IPM_MANAGER, wide, &options, &segment, &error), IPM_EINVALID,
                "Demo: feed 4096 is too small: a change of the whole struct needs 8304 bytes");
    options.feed = UINT64_MAX;
    CHECK_ERROR(ipm_segment_open(IPM_MANAGER, wide, &options, &segment, &error), IPM_EINVALID,
                "is too large");
    options.feed = 8200;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, wide, &options, &segment, &error), IPM_OK);
    ipm_info info = {.own_size = sizeof info};
    CHECK_INT(ipm_segment_info(segment, &info, &error), IPM_OK);
    CHECK_INT(info.feed, 12288);
    ipm_feed *feed = feed_after(segment, 0);
    for (int i = 1; i <= 5; i++) {
        uint64_t missed;
        CHECK_INT(ipm_segment_lock(segment, 0, &error), IPM_OK);
        memset(ipm_segment_change(segment, 16, 8000), i, 8000);
        CHECK_INT(ipm_segment_unlock(segment, &error), IPM_OK);
        CHECK_INT(ipm_feed_next(feed, 0, NULL, &missed, &error), IPM_OK);
        CHECK_INT(missed, 0);
        CHECK(memcmp((const char *)ipm_feed_value(feed) + 16, segment->data.memory.data + 16,
                     8000) == 0);
    }
    ipm_feed_close(feed);
    CHECK_INT(ipm_segment_destroy(segment, &error), IPM_OK);
    ipm_segment_close(segment, NULL);
    ipm_layout_free(wide);
}

static void keeps_the_ring_that_is_there(void) {
    ipm_segment *other;
    start_with(2 * RING);
    CHECK_INT(open_ring(RING, &other), IPM_OK);
    CHECK_INT(other->data.geometry.ring_size, 2 * RING);
    ipm_segment_close(other, NULL);
    end_with(NULL);
    ipm_options options = {.own_size = sizeof options, .mmap_dir = dir, .feed = RING};
    CHECK_ERROR(ipm_segment_open(IPM_EDITOR, demo, &options, &other, &error), IPM_EINVALID,
                "feed are a manager's options");
}

static void tells_the_last_commits_of_a_destroyed_segment(void) {
    start_with(RING);
    ipm_segment *reader = opened(IPM_READER, "");
    ipm_feed *feed = feed_after(reader, IPM_LATEST);
    commit_until(2);
    CHECK_INT(ipm_segment_destroy(editor, &error), IPM_OK);
    ipm_segment_close(editor, NULL);
    tells(feed, 1, 0);
    tells(feed, 2, 0);
    CHECK_ERROR(ipm_feed_next(feed, 0, NULL, NULL, &error), IPM_EREPLACED, "was replaced");
    shows(feed, 2);
    ipm_feed_close(feed);
    CHECK_ERROR(ipm_feed_open(reader, 0, &feed, &error), IPM_EREPLACED, "was replaced");
    ipm_segment_close(reader, NULL);
}

static ipm_segment *follower(ipm_match match) {
    ipm_options options = {
        .own_size = sizeof options, .mmap_dir = dir, .match = match, .follow = true};
    ipm_segment *reader = NULL;
    CHECK_INT(ipm_segment_open(IPM_READER, demo, &options, &reader, &error), IPM_OK);
    return reader;
}

/* The versions of the new segment begin again. The feed has read none of the old one's last commits
 * when that is destroyed. */
static void goes_on_with_a_new_segment(uint64_t old_ring, uint64_t new_ring) {
    start_with(old_ring);
    ipm_segment *reader = follower(IPM_EXACT);
    ipm_feed *feed = feed_after(reader, IPM_LATEST);
    commit_until(3);
    end_with(NULL);
    start_with(new_ring);
    commit_until(2);
    for (uint64_t version = old_ring != 0 ? 1 : 3; version <= 3; version++)
        tells(feed, version, old_ring != 0 ? 0 : 2);
    for (uint64_t version = new_ring != 0 ? 1 : 2; version <= 2; version++)
        tells(feed, version, new_ring != 0 ? 0 : 1);
    tells_no_more(feed);
    commit_until(3);
    tells(feed, 3, 0);
    ipm_feed_close(feed);
    ipm_segment_close(reader, NULL);
    end_with(NULL);
}

static void goes_on_if_its_handle_follows(void) {
    goes_on_with_a_new_segment(RING, RING);
    goes_on_with_a_new_segment(RING, 0);
    goes_on_with_a_new_segment(0, RING);
}

/* Its versions begin again, also if it has more of them already than the feed has told. */
static void tells_all_of_a_new_segment(uint64_t told, uint64_t ring) {
    start_with(ring);
    ipm_segment *reader = follower(IPM_EXACT);
    ipm_feed *feed = feed_after(reader, IPM_LATEST);
    commit_until(told);
    for (uint64_t version = 1; version <= told; version++)
        tells(feed, version, 0);
    end_with(NULL);
    start_with(RING);
    commit_until(told + 1);
    for (uint64_t version = 1; version <= told + 1; version++)
        tells(feed, version, 0);
    tells_no_more(feed);
    ipm_feed_close(feed);
    ipm_segment_close(reader, NULL);
    end_with(NULL);
}

static void does_not_take_new_commits_for_told_ones(void) {
    tells_all_of_a_new_segment(3, RING);
    tells_all_of_a_new_segment(1, 0);
    tells_all_of_a_new_segment(0, RING);
}

/* Its handle has followed for another call, perhaps to another layout. */
static void ends_where_the_layout_may_change(void) {
    ipm_range range = {0, 0};
    start_with(RING);
    ipm_segment *reader = follower(IPM_BY_PATH);
    ipm_feed *feed = feed_after(reader, IPM_LATEST);
    commit_until(1);
    end_with(NULL);
    start_with(RING);
    CHECK_INT(ipm_segment_follow(reader, &error), IPM_OK);
    CHECK_ERROR(ipm_feed_next(feed, 0, NULL, NULL, &error), IPM_EREPLACED, "open a new feed");
    CHECK(!ipm_feed_changes(feed, &range));
    ipm_feed_close(feed);
    ipm_segment_close(reader, NULL);
    end_with(NULL);
}

static ipm_feed *of_the_parent;

static void uses_a_feed_of_the_parent(peer *test) {
    (void)test;
    ipm_feed *feed;
    CHECK_ERROR(ipm_feed_next(of_the_parent, 0, NULL, NULL, &error), IPM_EFORKED, "before a fork");
    CHECK_ERROR(ipm_feed_open(editor, 0, &feed, &error), IPM_EFORKED, "before a fork");
    ipm_feed_close(of_the_parent);
    _exit(tap.bad);
}

static void fails_in_a_forks_child(void) {
    start_with(RING);
    of_the_parent = feed_after(editor, 0);
    commit_until(1);
    CHECK_INT(run_peer(uses_a_feed_of_the_parent), 0);
    tells(of_the_parent, 1, 0);
    end_with(of_the_parent);
}

static void commits_when_told(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    hear(test);
    commit(own, 1);
    _exit(tap.bad);
}

static void sleeps_until_a_commit(void) {
    start_with(RING);
    ipm_feed *feed = feed_after(editor, IPM_LATEST);
    peer other = start(commits_when_told);
    tell(&other, 'g');
    tells(feed, 1, 0);
    CHECK_INT(finish(&other), 0);
    ipm_segment_interrupt(editor);
    CHECK_INT(ipm_feed_next(feed, IPM_FOREVER, NULL, NULL, &error), IPM_EINTERRUPTED);
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    CHECK_INT(ipm_feed_next(feed, SECOND, NULL, NULL, &error), IPM_EINVALID);
    CHECK_INT(ipm_segment_rollback(editor, &error), IPM_OK);
    CHECK_INT(ipm_feed_next(feed, 0, NULL, NULL, NULL), IPM_ETIMEOUT);
    end_with(feed);
    ipm_feed_close(NULL);
}

/* ---- What a commit changed --------------------------------------------------------------- */

/* The ranges as text: "16+1 624+2 ". */
static const char *changes_of(const ipm_feed *feed) {
    static char text[512];
    size_t length = 0;
    text[0] = '\0';
    for (ipm_range range = {0, 0}; ipm_feed_changes(feed, &range) && length < 400;)
        length += (size_t)sprintf(text + length, "%d+%d ", (int)range.offset, (int)range.size);
    return text;
}

static void put_bytes(uint64_t offset, uint64_t size, int value) {
    unsigned char *at = ipm_segment_change(editor, offset, size);
    for (uint64_t i = 0; i < size; i++)
        __atomic_store_n(at + i, (unsigned char)value, __ATOMIC_RELAXED);
}

static void commit_bytes(uint64_t offset, uint64_t size, int value) {
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    put_bytes(offset, size, value);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
}

/* The next commit of a feed that keeps up. It comes from the ring, if there is one. */
static void next_of(ipm_feed *feed) {
    uint64_t missed;
    CHECK_INT(ipm_feed_next(feed, 0, NULL, &missed, &error), IPM_OK);
    CHECK_INT(missed, 0);
    CHECK_INT(ipm_feed_time(feed) > 0, editor->data.geometry.ring_size > 0);
}

static void lists_changes(uint64_t ring) {
    start_with(ring);
    ipm_feed *feed = feed_after(editor, 0);
    CHECK_STR(changes_of(feed), "");
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    put_bytes(600, 3, 5);
    put_bytes(17, 1, 5);
    put_bytes(250, 20, 5);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    next_of(feed);
    CHECK_STR(changes_of(feed), "17+1 250+20 600+3 ");
    CHECK_STR(changes_of(feed), "17+1 250+20 600+3 "); /* as often as one likes */
    CHECK_INT(ipm_feed_next(feed, 0, NULL, NULL, &error), IPM_ETIMEOUT);
    CHECK_STR(changes_of(feed), "17+1 250+20 600+3 ");
    commit_bytes(17, 1, 5); /* a commit that changes nothing */
    next_of(feed);
    CHECK_STR(changes_of(feed), "");
    commit_bytes(631, 1, 6);
    next_of(feed);
    CHECK_STR(changes_of(feed), "631+1 ");
    commit_bytes(16, DEMO_SIZE - 16, 9);
    next_of(feed);
    CHECK_STR(changes_of(feed), "16+616 ");
    end_with(feed);
}

static void lists_what_a_commit_changed(void) {
    lists_changes(RING);
}

static void lists_it_without_a_ring(void) {
    lists_changes(0);
}

static void lists_what_missed_commits_changed(void) {
    start_with(RING);
    ipm_feed *feed = feed_after(editor, 0);
    commit_bytes(300, 2, 1);
    for (int i = 0; i < 100; i++)
        commit_bytes(16, 600, 100 + i);
    CHECK_INT(ipm_feed_next(feed, 0, NULL, NULL, &error), IPM_OK);
    CHECK_STR(changes_of(feed), "16+600 ");
    commit_bytes(620, 1, 8);
    for (uint64_t missed = 0; ipm_feed_next(feed, 0, NULL, &missed, &error) == IPM_OK;)
        CHECK_INT(missed, 0);
    CHECK_STR(changes_of(feed), "620+1 ");
    end_with(feed);
}

/* ---- What was changed since a version ---------------------------------------------------- */

static const char *changed_since(uint64_t version) {
    static char text[512];
    size_t length = 0;
    text[0] = '\0';
    for (ipm_range range = {0, 0};;) {
        if (!CHECK_INT(ipm_segment_changed(editor, version, &range, &error), IPM_OK))
            return error.text;
        if (range.size == 0)
            return text;
        length += (size_t)sprintf(text + length, "%d+%d ", (int)range.offset, (int)range.size);
    }
}

static void lists_blocks_changed_since(void) {
    start_with(0);
    CHECK_STR(changed_since(0), "");
    commit_bytes(16, 1, 1);
    commit_bytes(512, 1, 1);
    commit_bytes(300, 1, 1);
    CHECK_STR(changed_since(0), "0+632 ");
    CHECK_STR(changed_since(1), "256+376 ");
    CHECK_STR(changed_since(2), "256+256 ");
    CHECK_STR(changed_since(3), "");
    ipm_range range = {0, 0};
    CHECK_ERROR(ipm_segment_changed(editor, 4, &range, &error), IPM_EINVALID,
                "Demo: there is no version 4 yet");
    end_with(NULL);
}

static void lists_them_beside_rollbacks(void) {
    start_with(0);
    commit_bytes(16, 1, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
        put_bytes(600, 1, 9);
        CHECK_INT(ipm_segment_rollback(editor, &error), IPM_OK);
    }
    CHECK_STR(changed_since(1), "");
    CHECK_STR(changed_since(0), "0+256 512+120 "); /* more than was changed */
    commit_bytes(300, 1, 2);
    commit_bytes(16, 1, 3);
    CHECK_STR(changed_since(3), "");
    CHECK_STR(changed_since(2), "0+256 ");
    CHECK_STR(changed_since(1), "0+512 ");
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    put_bytes(600, 1, 9);
    CHECK_STR(changed_since(3), "512+120 "); /* open at the moment */
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    CHECK_STR(changed_since(3), "512+120 ");
    CHECK_STR(changed_since(4), "");
    end_with(NULL);
}

/* A copy that is brought up to date by the list is the same as a snapshot. */
static void brings_copies_up_to_date(void) {
    unsigned char copy[DEMO_SIZE], now[DEMO_SIZE];
    uint64_t version;
    unsigned seed = 7;
    start_with(0);
    CHECK_INT(ipm_segment_snapshot(editor, copy, &version, &error), IPM_OK);
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < round % 4; i++) {
            seed = seed * 1103515245 + 12345;
            CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
            put_bytes(16 + (seed >> 8) % 600, 1 + (seed >> 20) % 16, round);
            (seed >> 12) % 3 == 0 ? ipm_segment_rollback(editor, &error)
                                  : ipm_segment_unlock(editor, &error);
        }
        uint64_t since = version;
        CHECK_INT(ipm_segment_snapshot(editor, now, &version, &error), IPM_OK);
        for (ipm_range range = {0, 0};
             ipm_segment_changed(editor, since, &range, &error) == IPM_OK && range.size != 0;)
            memcpy(copy + range.offset, now + range.offset, range.size);
        if (!CHECK(memcmp(copy, now, DEMO_SIZE) == 0))
            break;
    }
    end_with(NULL);
}

/* ---- Damage ------------------------------------------------------------------------------ */

static unsigned damages;

/*
 * Follow a ring of ten commits after something was damaged: no commit is told twice or out of
 * order, and each is told or counted. Then the feed goes on with later commits. exact  only the
 * head or the tail was damaged, so that everything that is told is right
 */
static void follow_damaged(ipm_feed *feed, uint64_t told, bool exact) {
    uint64_t version, missed;
    for (unsigned later = 0; later < 3; later++) {
        int code;
        while ((code = ipm_feed_next(feed, 0, &version, &missed, &error)) == IPM_OK) {
            told += missed + 1;
            if (!CHECK_INT(told, version) || (exact && !shows(feed, (int64_t)version)))
                return;
        }
        CHECK_INT(code, IPM_ETIMEOUT);
        CHECK_INT(told, version_of(editor));
        CHECK_INT(commit(editor, version_of(editor) + 1), IPM_OK);
    }
}

/* Damage the file while a feed follows, and before one is opened. */
static void damage(const unsigned char *intact, uint64_t at, const void *bytes, uint64_t length) {
    unsigned char *file = editor->data.map;
    bool exact = at < editor->data.geometry.ring;
    for (unsigned late = 0; late < 2; late++) {
        damages++;
        ipm_feed *feed = late ? NULL : feed_after(editor, 4);
        memcpy(file + at, bytes, length);
        if (late)
            feed = feed_after(editor, 4);
        follow_damaged(feed, 4, exact);
        ipm_feed_close(feed);
        memcpy(file, intact, editor->data.geometry.file_size);
    }
    if (tap.bad)
        printf("#   %d bytes at %d\n", (int)length, (int)at);
}

static void survives_damage(void) {
    static const uint64_t values[] = {0,
                                      1,
                                      8,
                                      5 * ONE_CHANGE,
                                      5 * ONE_CHANGE + 8,
                                      5 * ONE_CHANGE + 1,
                                      RING,
                                      UINT64_C(1) << 62,
                                      UINT64_C(1) << 63,
                                      UINT64_MAX & ~UINT64_C(7),
                                      UINT64_MAX};
    start_with(RING);
    commit_until(10);
    const ipm_geometry *g = &editor->data.geometry;
    const uint64_t state = g->head + offsetof(ipm_trailer_head, state);
    unsigned char *intact = malloc(g->file_size);
    memcpy(intact, editor->data.map, g->file_size);
    for (uint64_t at = g->ring; at < g->ring + 11 * ONE_CHANGE && !tap.bad; at++)
        for (unsigned other = 1; other < 256; other += 2 * other + 1) {
            unsigned char byte = (unsigned char)(intact[at] ^ other);
            damage(intact, at, &byte, 1);
        }
    for (size_t i = 0; i < sizeof values / sizeof *values && !tap.bad; i++) {
        for (uint64_t word = 0; word < 32; word += 8) /* head, head before, tail, undone */
            damage(intact, state + offsetof(ipm_state, feed_head) + word, &values[i], 8);
        for (uint64_t word = 0; word < 10 * ONE_CHANGE; word += 8)
            damage(intact, g->ring + word, &values[i], 8);
    }
    printf("# %u damaged rings\n", damages);
    free(intact);
    end_with(NULL);
}

/* The record of version 5 says that it is shorter than its last mask. */
static void refuses_a_record_that_ends_too_early(void) {
    const uint64_t size = ONE_CHANGE - 8;
    start_with(RING);
    commit_until(4);
    ipm_feed *feed = feed_after(editor, IPM_LATEST);
    commit_until(6);
    memcpy(editor->data.map + editor->data.geometry.ring + 4 * ONE_CHANGE +
               offsetof(ipm_record, size),
           &size, 8);
    tells(feed, 6, 1);
    CHECK(ipm_feed_time(feed) == 0);
    commit_until(7);
    tells(feed, 7, 0);
    end_with(feed);
}

/* A record behind the last one, which only a hostile process can have written. */
static void says_that_a_record_is_forged(void) {
    const uint64_t at = 4 * ONE_CHANGE, head = at + 48;
    const uint64_t forged[] = {at, 5, 1, 48, UINT64_C(99) << 32 | 1, 7}; /* there is no block 99 */
    start_with(RING);
    commit_until(2);
    ipm_feed *feed = feed_after(editor, IPM_LATEST);
    commit_until(4);
    memcpy(editor->data.map + editor->data.geometry.ring + at, forged, sizeof forged);
    editor->data.memory.state->feed_head = head;
    tells(feed, 3, 0);
    tells(feed, 4, 0);
    CHECK_ERROR(ipm_feed_next(feed, 0, NULL, NULL, &error), IPM_ECORRUPT,
                "Demo_.mmap is damaged: it said that there is a version after 4, and has none");
    tells_no_more(feed);
    commit_until(5);
    tells(feed, 5, 0);
    end_with(feed);
}

int main(void) {
    set_up();
    run("tells each commit, in order", tells_each_commit);
    run("tells when a commit was made", tells_when_a_commit_was_made);
    run("leaves the last commits only, and counts the others", leaves_the_last_commits_only);
    run("goes around the ring, with records of all sizes", goes_around_the_ring);
    run("tells many commits that are there already", tells_many_commits_that_are_there);
    run("starts at an older version", starts_at_an_older_version);
    run("starts where the ring starts", starts_where_the_ring_starts);
    run("does not fall behind again at once", does_not_fall_behind_again_at_once);
    run("refuses a version of the future", refuses_a_version_of_the_future);
    run("gives the latest commit without a ring", gives_the_latest_without_a_ring);
    run("tells only what was committed", tells_only_what_was_committed);
    run("forgets the record of a writer that died", forgets_the_record_of_a_dead_writer);
    run("is refused a ring that has no room for a whole change", has_no_room_for_a_whole_change);
    run("keeps the ring that is there", keeps_the_ring_that_is_there);
    run("tells the last commits of a destroyed segment, and then fails",
        tells_the_last_commits_of_a_destroyed_segment);
    run("goes on with a new segment if its handle follows", goes_on_if_its_handle_follows);
    run("does not take a new segment's commits for those it has told",
        does_not_take_new_commits_for_told_ones);
    run("ends if its handle follows to a layout that may differ", ends_where_the_layout_may_change);
    run("fails in a fork's child", fails_in_a_forks_child);
    run("sleeps until a commit, and can be interrupted", sleeps_until_a_commit);
    run("lists what a commit changed", lists_what_a_commit_changed);
    run("lists what a commit changed, without a ring", lists_it_without_a_ring);
    run("lists what missed commits changed", lists_what_missed_commits_changed);
    run("lists the blocks that were changed since a version", lists_blocks_changed_since);
    run("lists them beside rollbacks", lists_them_beside_rollbacks);
    run("brings copies up to date", brings_copies_up_to_date);
    run("survives any damage of the ring", survives_damage);
    run("refuses a record that ends too early", refuses_a_record_that_ends_too_early);
    run("says that a record is forged", says_that_a_record_is_forged);
    return tear_down();
}
