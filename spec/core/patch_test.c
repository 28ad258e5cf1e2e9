/* Patches: what another machine has committed, and what one asks for. */
#include "../../src/core/patch.h"
#include "../../src/core/segment.h"
#include "fixture.h"
#include "peer.h"

#include <pthread.h>
#include <sys/mman.h>

#define RING 16384

#define BAG_TEXT                                                                                   \
    IPM_BASE_SCHEMA "struct Item {\n"                                                              \
                    "  on: bool\n"                                                                 \
                    "  n: int32 (min 1, max 9)\n"                                                  \
                    "}\n"                                                                          \
                    "struct Bag : BaseMmapStructure {\n"                                           \
                    "  flag: bool\n"                                                               \
                    "  name: char[300]\n"                                                          \
                    "  wide: char16[8]\n"                                                          \
                    "  items: Item[<=4]\n"                                                         \
                    "  best: Item?\n"                                                              \
                    "  level: int32 (min 1, max 9)\n"                                              \
                    "  plain: int64[100]\n"                                                        \
                    "}\n"

#define SMALL_RING 8192 /* some changes of the whole struct */

static ipm_layout *bag;
static ipm_segment *sharer, *reader;

static ipm_segment *opened_bag(ipm_role role, const char *tag, uint64_t ring) {
    ipm_options options = {.own_size = sizeof options, .mmap_dir = dir, .tag = tag};
    ipm_segment *segment;
    options.create = options.shares = role == IPM_MANAGER;
    options.feed = ring;
    memset(&error, 0, sizeof error);
    if (!CHECK_INT(ipm_segment_open(role, bag, &options, &segment, &error), IPM_OK))
        printf("# %s\n", error.text);
    return segment;
}

/* Make a replica, and open it as the program that carries its commits and as a reader. */
static void fresh(uint64_t ring) {
    sharer = opened_bag(IPM_MANAGER, "", ring);
    reader = opened_bag(IPM_READER, "", 0);
}

static void finished(void) {
    ipm_segment_close(reader, NULL);
    CHECK_INT(ipm_segment_destroy(sharer, NULL), IPM_OK);
    ipm_segment_close(sharer, NULL);
}

/* ---- Patches in the making --------------------------------------------------------------- */

typedef struct patch {
    unsigned char bytes[8192];
    size_t size;
} patch;

static void add_run(patch *p, uint64_t offset, const void *bytes, uint32_t size) {
    memcpy(p->bytes + p->size, &offset, sizeof offset);
    memcpy(p->bytes + p->size + 8, &size, sizeof size);
    memcpy(p->bytes + p->size + IPM_RUN_HEADER, bytes, size);
    p->size += IPM_RUN_HEADER + size;
}

static uint64_t offset_of(const char *path) {
    const ipm_type *type;
    uint64_t offset = UINT64_MAX;
    CHECK_INT(ipm_type_find(ipm_layout_type(bag), path, strlen(path), &type, &offset, &error),
              IPM_OK);
    return offset;
}

static patch run_at(const char *path, const void *bytes, uint32_t size) {
    patch p = {.size = 0};
    add_run(&p, offset_of(path), bytes, size);
    return p;
}

static patch number_at(const char *path, int64_t number) {
    return run_at(path, &number, sizeof number);
}

/* A copy of the patch, behind which no byte can be read. */
static const void *at_an_end(const patch *p) {
    enum { ROOM = 8192 };
    static unsigned char *pages;
    if (pages == NULL) {
        pages = mmap(NULL, 2 * ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK_INT(mprotect(pages + ROOM, ROOM, PROT_NONE), 0);
    }
    return memcpy(pages + ROOM - p->size, p->bytes, p->size);
}

static int apply(const patch *p, uint64_t version) {
    return ipm_segment_apply(sharer, at_an_end(p), p->size, version, 0, &error);
}

static int64_t number_of(const char *path) {
    int64_t number = -1;
    CHECK_INT(ipm_segment_read(sharer, offset_of(path), sizeof number, &number, &error), IPM_OK);
    return number;
}

/* ---- Applying ---------------------------------------------------------------------------- */

static void commits_a_patch_as_the_version_that_is_told(void) {
    fresh(0);
    patch p = number_at("plain[5]", 55);
    CHECK_INT(apply(&p, 7), IPM_OK);
    CHECK_INT(version_of(reader), 7);
    CHECK_INT(number_of("plain[5]"), 55);
    p = number_at("plain[6]", 66);
    CHECK_INT(apply(&p, 8), IPM_OK);
    p.size = 0;
    CHECK_INT(apply(&p, 20), IPM_OK);
    CHECK_INT(version_of(reader), 20);
    CHECK_INT(number_of("plain[6]"), 66);
    finished();
}

static void wakes_who_waits_for_a_commit(void) {
    uint64_t now;
    fresh(0);
    const patch p = {.size = 0};
    CHECK_INT(ipm_segment_wait(reader, 0, 0, &now, &error), IPM_ETIMEOUT);
    CHECK_INT(apply(&p, 9), IPM_OK);
    CHECK_INT(ipm_segment_wait(reader, 0, 0, &now, &error), IPM_OK);
    CHECK_INT(now, 9);
    finished();
}

static ipm_info commit_info(void) {
    ipm_info info = {.own_size = sizeof info};
    CHECK_INT(ipm_segment_info(sharer, &info, &error), IPM_OK);
    return info;
}

static void keeps_the_time_of_the_commit(void) {
    const int64_t time_ns = INT64_C(1234567890123456789);
    ipm_feed *feed;
    fresh(RING);
    CHECK_INT(ipm_feed_open(sharer, 0, &feed, &error), IPM_OK);
    patch p = number_at("plain[5]", 55);
    CHECK_INT(ipm_segment_apply(sharer, p.bytes, p.size, 4, time_ns, &error), IPM_OK);
    CHECK(commit_info().last_commit == (double)time_ns / 1e9);
    CHECK_INT(commit_info().last_writer, getpid());
    CHECK_INT(ipm_feed_next(feed, 0, NULL, NULL, &error), IPM_OK);
    CHECK(ipm_feed_time(feed) == (double)time_ns / 1e9);
    CHECK_INT(ipm_segment_touch(sharer, &error), IPM_OK);
    CHECK(commit_info().last_commit > 1.6e9); /* it was for that commit alone */
    ipm_feed_close(feed);
    finished();
}

static void shows_nothing_before_the_commit(void) {
    fresh(RING);
    patch p = number_at("plain[5]", 55);
    CHECK_INT(apply(&p, 3), IPM_OK);
    p = number_at("plain[5]", 66);
    CHECK_INT(ipm_segment_lock(sharer, SECOND, &error), IPM_OK);
    CHECK_INT(apply(&p, 50), IPM_OK);
    CHECK_INT(number_of("plain[5]"), 66);
    CHECK_INT(version_of(reader), 3);
    CHECK_INT(version_of(sharer), 3);
    int64_t seen = 0;
    CHECK_INT(ipm_segment_read(reader, offset_of("plain[5]"), 8, &seen, &error), IPM_OK);
    CHECK_INT(seen, 55);
    CHECK_INT(ipm_segment_unlock(sharer, &error), IPM_OK);
    CHECK_INT(ipm_segment_read(reader, offset_of("plain[5]"), 8, &seen, &error), IPM_OK);
    CHECK_INT(seen, 66);
    CHECK_INT(version_of(reader), 50);
    finished();
}

static void is_rolled_back_as_any_change(void) {
    uint64_t version, missed;
    ipm_feed *feed;
    fresh(RING);
    patch p = number_at("plain[5]", 55);
    CHECK_INT(apply(&p, 3), IPM_OK);
    CHECK_INT(ipm_feed_open(sharer, 3, &feed, &error), IPM_OK);
    p = number_at("plain[5]", 66);
    CHECK_INT(ipm_segment_lock(sharer, SECOND, &error), IPM_OK);
    CHECK_INT(ipm_segment_apply(sharer, p.bytes, p.size, 50, 77, &error), IPM_OK);
    CHECK_INT(ipm_segment_rollback(sharer, &error), IPM_OK);
    CHECK_INT(version_of(reader), 3);
    CHECK_INT(number_of("plain[5]"), 55);
    CHECK_INT(ipm_segment_touch(sharer, &error), IPM_OK);
    CHECK_INT(version_of(reader), 4);
    CHECK_INT(ipm_feed_next(feed, 0, &version, &missed, &error), IPM_OK);
    CHECK_INT(version, 4);
    CHECK_INT(missed, 0);
    CHECK(ipm_feed_time(feed) > 1.6e9);
    ipm_feed_close(feed);
    finished();
}

static void applies_and_waits(peer *test) {
    ipm_segment *own = opened_bag(IPM_MANAGER, "", 0);
    patch p = number_at("plain[5]", 66);
    if (ipm_segment_lock(own, SECOND, NULL) != IPM_OK ||
        ipm_segment_apply(own, p.bytes, p.size, 50, 0, NULL) != IPM_OK)
        _exit(1);
    tell(test, 'a');
    hear(test);
}

static void is_rolled_back_if_its_process_dies(void) {
    fresh(RING);
    patch p = number_at("plain[5]", 55);
    CHECK_INT(apply(&p, 3), IPM_OK);
    peer dies = start(applies_and_waits);
    CHECK_INT(hear(&dies), 'a');
    kill_peer(&dies);
    CHECK_INT(version_of(reader), 3);
    CHECK_INT(number_of("plain[5]"), 55);
    CHECK(info_of(sharer).pending);
    CHECK_INT(apply(&p, 4), IPM_OK);
    CHECK_INT(version_of(reader), 4);
    CHECK_INT(info_of(sharer).recoveries, 1);
    finished();
}

/* ---- What is refused --------------------------------------------------------------------- */

/* Check that a patch is refused, outside a lock and inside, and that nothing is changed. */
static void check_refused(const patch *p, uint64_t version, int code, const char *why) {
    unsigned char before[4096], after[4096];
    CHECK_INT(ipm_segment_snapshot(reader, before, NULL, &error), IPM_OK);
    const int64_t at = version_of(reader);
    CHECK_ERROR(apply(p, version), code, why);
    CHECK(!ipm_segment_is_locked(sharer));
    CHECK_INT(ipm_segment_lock(sharer, SECOND, &error), IPM_OK);
    CHECK_ERROR(apply(p, version), code, why);
    CHECK(ipm_segment_is_locked(sharer));
    CHECK(memcmp(ipm_segment_data(sharer), before, ipm_layout_type(bag)->size) == 0);
    CHECK_INT(ipm_segment_unlock(sharer, &error), IPM_OK);
    CHECK_INT(ipm_segment_snapshot(reader, after, NULL, &error), IPM_OK);
    CHECK(memcmp(after, before, ipm_layout_type(bag)->size) == 0);
    CHECK_INT(version_of(reader), at);
}

static void refuses_what_is_no_patch(void) {
    static const char bytes[8] = "12345678";
    const uint64_t end = ipm_layout_type(bag)->size, at = offset_of("plain[1]");
    fresh(RING);
    for (size_t cut = 1; cut < IPM_RUN_HEADER + 8; cut++) {
        patch p = run_at("plain[1]", bytes, 8);
        p.size -= cut;
        check_refused(&p, 1, IPM_ECORRUPT, "the patch is damaged");
    }
    const struct {
        uint64_t first, second;
        uint32_t size;
    } pairs[] = {{end, 0, 8},        {end - 7, 0, 8}, {UINT64_MAX, 0, 8}, {UINT64_MAX - 3, 0, 8},
                 {at, at + 7, 8},    {at, at, 8},     {at + 8, at, 8},    {at, end - 7, 8},
                 {at, UINT64_MAX, 8}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        patch p = {.size = 0};
        add_run(&p, pairs[i].first, bytes, pairs[i].size);
        if (pairs[i].second != 0)
            add_run(&p, pairs[i].second, bytes, pairs[i].size);
        check_refused(&p, 1, IPM_ECORRUPT, "the patch is damaged");
    }
    patch p = run_at("plain[1]", bytes, 0);
    check_refused(&p, 1, IPM_ECORRUPT, "the patch is damaged");
    p = run_at("plain[1]", bytes, 8);
    memset(p.bytes + 8, 0xFF, 4); /* a size of 4 GiB */
    check_refused(&p, 1, IPM_ECORRUPT, "the patch is damaged");
    finished();
}

static void refuses_what_is_no_value(void) {
    static const uint32_t five = 5, one = 1;
    static const unsigned char two = 2, yes = 1, bad_item[12] = {1, 0, 0, 0, 2};
    static const uint16_t code = 0x1129;
    fresh(RING);
    patch p = run_at("flag", &two, 1);
    check_refused(&p, 1, IPM_ECORRUPT, "Bag.flag: 2 is not a bool");
    p = run_at("name", "ab\0c", 4);
    check_refused(&p, 1, IPM_ECORRUPT, "Bag.name: there are bytes after the NUL of the text");
    p = (patch){.size = 0};
    add_run(&p, offset_of("name") + 299, "x", 1);
    check_refused(&p, 1, IPM_ECORRUPT, "Bag.name");
    p = (patch){.size = 0};
    add_run(&p, offset_of("wide") + 3, "x", 1); /* a half of the second unit */
    check_refused(&p, 1, IPM_ECORRUPT, "Bag.wide");
    p = run_at("items", &five, 4);
    check_refused(&p, 1, IPM_ECORRUPT, "Bag.items: 5 elements are more than its 4");
    p = run_at("items", bad_item, 5);
    check_refused(&p, 1, IPM_ECORRUPT, "Bag.items[1].on: 2 is not a bool");
    p = run_at("best", &two, 1);
    check_refused(&p, 1, IPM_ECORRUPT, "Bag.best: 2 is not a bool");
    p = run_at("best", &yes, 1);
    add_run(&p, offset_of("best.on"), &two, 1);
    check_refused(&p, 1, IPM_ECORRUPT, "Bag.best.on: 2 is not a bool");
    p = (patch){.size = 0};
    add_run(&p, 0, &code, 2);
    check_refused(&p, 1, IPM_ECORRUPT, "header code");
    /* What is not in use may be anything, until it is. */
    p = run_at("items[1].on", &two, 1);
    CHECK_INT(apply(&p, 1), IPM_OK);
    p = run_at("items", &one, 4);
    check_refused(&p, 2, IPM_ECORRUPT, "Bag.items[1].on: 2 is not a bool");
    p = run_at("best.on", &two, 1);
    CHECK_INT(apply(&p, 2), IPM_OK);
    p = run_at("best", &yes, 1);
    check_refused(&p, 3, IPM_ECORRUPT, "Bag.best.on: 2 is not a bool");
    finished();
}

/* Another machine's values may be outside the limits: as the zero of a field without a default. */
static void applies_what_is_a_value(void) {
    static const unsigned char yes = 1;
    static const uint32_t four = 4;
    int32_t number = 100;
    double stamp = 5;
    fresh(RING);
    patch p = {.size = 0};
    add_run(&p, 8, &stamp, 8);
    add_run(&p, offset_of("flag"), &yes, 1);
    add_run(&p, offset_of("name"), "Ada", 3);
    add_run(&p, offset_of("items"), &four, 4);
    add_run(&p, offset_of("items[4].n"), &number, 4);
    add_run(&p, offset_of("level"), &number, 4);
    CHECK_INT(apply(&p, 1), IPM_OK);
    CHECK(memcmp((const char *)reader->data.memory.data + 8, &stamp, 8) == 0);
    p = (patch){.size = 0};
    add_run(&p, offset_of("name") + 3, " Lovelace", 9);
    CHECK_INT(apply(&p, 2), IPM_OK);
    finished();
}

static void refuses_versions_that_cannot_be_next(void) {
    fresh(RING);
    patch p = number_at("plain[5]", 55);
    CHECK_INT(apply(&p, 7), IPM_OK);
    check_refused(&p, 0, IPM_EINVALID, "version 0");
    check_refused(&p, 6, IPM_EINVALID, "version 6");
    check_refused(&p, 7, IPM_EINVALID, "version 7");
    check_refused(&p, UINT64_C(1) << 62, IPM_EINVALID, "version");
    check_refused(&p, UINT64_MAX, IPM_EINVALID, "version");
    CHECK_INT(apply(&p, (UINT64_C(1) << 62) - 2), IPM_OK);
    ipm_segment *again = opened_bag(IPM_READER, "", 0); /* it still counts as sound */
    CHECK_INT(version_of(again), (INT64_C(1) << 62) - 2);
    ipm_segment_close(again, NULL);
    finished();
}

/* Each transaction that is rolled back uses up as many sequences as it would have skipped. */
static void refuses_versions_that_the_sequence_has_no_room_for(void) {
    fresh(RING);
    const patch p = {.size = 0};
    CHECK_INT(ipm_segment_lock(sharer, SECOND, &error), IPM_OK);
    CHECK_INT(apply(&p, UINT64_C(3) << 60), IPM_OK);
    CHECK_INT(ipm_segment_rollback(sharer, &error), IPM_OK);
    check_refused(&p, UINT64_C(1) << 61, IPM_EINVALID, "version");
    CHECK_INT(apply(&p, UINT64_C(1) << 59), IPM_OK);
    finished();
}

static void applies_only_as_the_first_change(void) {
    int64_t value = 9;
    fresh(RING);
    patch p = number_at("plain[5]", 55);
    CHECK_INT(ipm_segment_lock(sharer, SECOND, &error), IPM_OK);
    CHECK_INT(ipm_segment_write(sharer, offset_of("plain[6]"), 8, &value, &error), IPM_OK);
    CHECK_ERROR(apply(&p, 9), IPM_EINVALID, "first change");
    CHECK_INT(ipm_segment_unlock(sharer, &error), IPM_OK);
    CHECK_INT(version_of(reader), 1);
    CHECK_INT(number_of("plain[6]"), 9);
    CHECK_INT(ipm_segment_lock(sharer, SECOND, &error), IPM_OK);
    CHECK_INT(apply(&p, 9), IPM_OK);
    CHECK_INT(ipm_segment_write(sharer, offset_of("plain[6]"), 8, &value, &error), IPM_OK);
    CHECK_INT(apply(&p, 10), IPM_EINVALID);
    CHECK_INT(ipm_segment_unlock(sharer, &error), IPM_OK);
    CHECK_INT(version_of(reader), 9);
    finished();
}

static void needs_the_option(void) {
    bool applied = true;
    fresh(RING);
    ipm_options options = {.own_size = sizeof options, .mmap_dir = dir};
    ipm_segment *manager;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, bag, &options, &manager, &error), IPM_OK);
    CHECK_ERROR(ipm_segment_apply(manager, NULL, 0, 1, 0, &error), IPM_EINVALID, "option shares");
    CHECK_ERROR(ipm_segment_edit(manager, NULL, 0, NULL, 0, &applied, &error), IPM_EINVALID,
                "option shares");
    CHECK(!applied);
    ipm_segment_close(manager, NULL);
    finished();
}

/* ---- Checked against all values ---------------------------------------------------------- */

static unsigned random_below(unsigned n) {
    static uint64_t state = 88172645463325252;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (unsigned)(state % n);
}

/* Some runs with small bytes, which are often bools, counts and texts. */
static patch random_patch(uint64_t size) {
    patch p = {.size = 0};
    uint64_t at = 16 + random_below(40);
    for (unsigned runs = 1 + random_below(4); runs > 0 && at + 8 < size; runs--) {
        unsigned char bytes[8];
        uint32_t length = 1 + random_below(8);
        for (uint32_t i = 0; i < length; i++)
            bytes[i] = (unsigned char)random_below(3);
        add_run(&p, at, bytes, length);
        at += length + random_below(120) * random_below(2);
    }
    return p;
}

/* The check of a patch looks at what it touches, and must find what a look at all would find. */
static void finds_what_a_check_of_the_whole_finds(void) {
    static const char text[] = IPM_BASE_SCHEMA
        "struct In { on: bool; t: char[3]; w: int32? }\n"
        "struct Deep { a: In[<=3]; b: bool[3]; c: In?; d: char16[3] }\n"
        "struct Rand : BaseMmapStructure { x: Deep[<=2]; n: uint8; y: Deep?; z: char[5]; "
        "v: In[2] }\n";
    ipm_layout *layout = layout_of(text);
    const ipm_type *type = ipm_layout_type(layout);
    _Alignas(8) unsigned char data[1024] = {0}, after[1024];
    int good = 0, wrong = 0;
    CHECK(type->size <= sizeof data);
    for (int i = 0; i < 200000; i++) {
        const patch p = random_patch(type->size);
        const ipm_patch runs = {p.bytes, p.size};
        ipm_patch left = runs;
        ipm_run run;
        memcpy(after, data, sizeof after);
        while (ipm_patch_next(&left, &run))
            memcpy(after + run.offset, run.bytes, run.size);
        int found = ipm_patch_check(type, data, runs, false, &error);
        wrong += found != ipm_received_check(type, after, &error);
        if (found == IPM_OK) {
            good++;
            memcpy(data, after, sizeof after);
        }
    }
    CHECK_INT(wrong, 0);
    CHECK(good > 1000);
    ipm_layout_free(layout);
}

/* ---- Feeds ------------------------------------------------------------------------------- */

static void tells_feeds_what_was_skipped(void) {
    ipm_feed *feed;
    uint64_t version, missed;
    fresh(RING);
    patch p = number_at("plain[5]", 55);
    CHECK_INT(apply(&p, 1), IPM_OK);
    CHECK_INT(ipm_feed_open(reader, 0, &feed, &error), IPM_OK);
    p = number_at("plain[6]", 66);
    CHECK_INT(apply(&p, 10), IPM_OK);
    p = number_at("plain[6]", 67);
    CHECK_INT(apply(&p, 11), IPM_OK);
    for (uint64_t next = 1; next <= 11; next = next == 1 ? 10 : next + 1) {
        CHECK_INT(ipm_feed_next(feed, 0, &version, &missed, &error), IPM_OK);
        CHECK_INT(version, next);
        CHECK_INT(missed, next == 10 ? 8 : 0);
    }
    CHECK_INT(ipm_feed_next(feed, 0, &version, &missed, &error), IPM_ETIMEOUT);
    ipm_feed_close(feed);
    finished();
}

static int64_t told_number(const ipm_feed *feed, const char *path) {
    int64_t number;
    memcpy(&number, (const char *)ipm_feed_value(feed) + offset_of(path), sizeof number);
    return number;
}

/* Versions 3, 6, 9, ..., each with its number in the struct. */
static void apply_thirds(uint64_t first, uint64_t last) {
    for (uint64_t version = first; version <= last; version += 3) {
        const patch p = number_at("plain[1]", (int64_t)version);
        CHECK_INT(apply(&p, version), IPM_OK);
    }
}

static void opens_feeds_at_versions_that_were_skipped(void) {
    uint64_t version, missed;
    fresh(RING);
    apply_thirds(3, 30);
    for (uint64_t from = 0; from < 30; from++) {
        ipm_feed *feed;
        const uint64_t next = from - from % 3 + 3;
        CHECK_INT(ipm_feed_open(reader, from, &feed, &error), IPM_OK);
        CHECK_INT(told_number(feed, "plain[1]"), from - from % 3);
        CHECK_INT(ipm_feed_next(feed, 0, &version, &missed, &error), IPM_OK);
        CHECK_INT(version, next);
        CHECK_INT(missed, next - from - 1);
        CHECK_INT(told_number(feed, "plain[1]"), next);
        ipm_feed_close(feed);
    }
    finished();
}

/* A feed that has fallen behind goes back to the oldest state that the ring can tell. It must not
 * take that for a version that was skipped. */
static void tells_no_version_that_was_skipped_after_falling_behind(void) {
    uint64_t version, missed, last;
    for (uint64_t end = 30; end < 1500; end += 303) {
        ipm_feed *feed;
        fresh(SMALL_RING);
        CHECK_INT(ipm_feed_open(reader, 0, &feed, &error), IPM_OK);
        apply_thirds(3, end);
        for (last = 0; ipm_feed_next(feed, 0, &version, &missed, &error) == IPM_OK;
             last = version) {
            CHECK_INT(told_number(feed, "plain[1]"), version);
            CHECK_INT(missed, version - last - 1);
        }
        CHECK_INT(last, end);
        ipm_feed_close(feed);
        finished();
    }
}

/* A struct whose records are larger than what a feed reads at once, in a ring of five. */
#define WIDE_TEXT IPM_BASE_SCHEMA "struct Wide : BaseMmapStructure { all: int64[4096] }"
enum { WIDE_COUNT = 4096, WIDE_RING = 5 * 34048 };

static atomic_bool is_over;

static ipm_segment *wide_writer, *wide_reader;
static ipm_layout *wide;

static void fresh_wide(void) {
    ipm_options options = {.own_size = sizeof options, .mmap_dir = dir, .create = true};
    wide = layout_of(WIDE_TEXT);
    options.shares = true;
    options.feed = WIDE_RING;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, wide, &options, &wide_writer, &error), IPM_OK);
    options = (ipm_options){.own_size = sizeof options, .mmap_dir = dir};
    CHECK_INT(ipm_segment_open(IPM_READER, wide, &options, &wide_reader, &error), IPM_OK);
}

static void finished_wide(void) {
    ipm_segment_close(wide_reader, NULL);
    CHECK_INT(ipm_segment_destroy(wide_writer, &error), IPM_OK);
    ipm_segment_close(wide_writer, NULL);
    ipm_layout_free(wide);
}

/* Store the version in each element. */
static int apply_to_all(uint64_t version) {
    static unsigned char bytes[IPM_RUN_HEADER + WIDE_COUNT * 8];
    const uint64_t offset = IPM_HEADER_SIZE;
    const uint32_t size = WIDE_COUNT * 8;
    memcpy(bytes, &offset, sizeof offset);
    memcpy(bytes + sizeof offset, &size, sizeof size);
    for (int i = 0; i < WIDE_COUNT; i++)
        memcpy(bytes + IPM_RUN_HEADER + 8 * i, &version, sizeof version);
    return ipm_segment_apply(wide_writer, bytes, sizeof bytes, version, 0, NULL);
}

/* Whether a feed's value is that of the version, as a whole. */
static bool is_version(const ipm_feed *feed, uint64_t version) {
    const uint64_t *all = (const uint64_t *)ipm_feed_value(feed) + IPM_HEADER_SIZE / 8;
    for (int i = 0; i < WIDE_COUNT; i++)
        if (all[i] != version)
            return false;
    return true;
}

/* Open a feed, and have it tell at most so many commits. returns  how many it told wrongly */
static int tell_wide(uint64_t from, int most) {
    ipm_feed *feed;
    uint64_t version;
    int wrong = 0;
    CHECK_INT(ipm_feed_open(wide_reader, from, &feed, &error), IPM_OK);
    while (most-- > 0 && ipm_feed_next(feed, 0, &version, NULL, NULL) == IPM_OK)
        wrong += version % 3 != 0 || !is_version(feed, version);
    ipm_feed_close(feed);
    return wrong;
}

static atomic_bool is_over;

static void *applies_thirds(void *failed) {
    for (uint64_t version = 3; !is_over; version += 3)
        if (apply_to_all(version) != IPM_OK)
            return failed;
    return NULL;
}

static void tells_what_was_committed_beside_a_busy_writer(void) {
    pthread_t thread;
    void *failed;
    int wrong = 0;
    fresh_wide();
    is_over = false;
    pthread_create(&thread, NULL, applies_thirds, &is_over);
    for (int i = 0; i < 200; i++) {
        const int64_t now = version_of(wide_reader);
        wrong += tell_wide(now > 9 ? (uint64_t)now - 9 : 0, 3);
    }
    is_over = true;
    pthread_join(thread, &failed);
    CHECK(failed == NULL);
    CHECK_INT(wrong, 0);
    finished_wide();
}

static bool is_listed(uint64_t version, uint64_t offset) {
    for (ipm_range range = {0, 0};
         ipm_segment_changed(reader, version, &range, &error) == IPM_OK && range.size > 0;)
        if (offset >= range.offset && offset < range.offset + range.size)
            return true;
    return false;
}

/* ---- What changed since a version -------------------------------------------------------- */

enum { BLOCKS = 5 };

typedef struct history {
    uint64_t version;
    uint64_t exact_from; /* for older versions, more blocks may be listed */
    uint64_t changed[BLOCKS];
} history;

static void check_lists(const history *h, bool is_open) {
    for (uint64_t version = h->version > 12 ? h->version - 12 : 0; version <= h->version; version++)
        for (uint64_t block = 0; block < BLOCKS; block++) {
            bool listed = is_listed(version, block * IPM_BLOCK_SIZE);
            if (h->changed[block] > version)
                CHECK(listed);
            else if (version >= h->exact_from && !is_open)
                CHECK(!listed);
        }
}

static void lists_what_changed_since_any_version(void) {
    history h = {.version = 0};
    int64_t number = 0;
    fresh(0);
    for (int i = 0; i < 400; i++) {
        const uint64_t block = 1 + random_below(BLOCKS - 1), skipped = random_below(4);
        const uint64_t version = h.version + 1 + skipped, at = block * IPM_BLOCK_SIZE + 144;
        patch p = {.size = 0};
        number++;
        add_run(&p, at, &number, 8);
        CHECK_INT(ipm_segment_lock(sharer, SECOND, &error), IPM_OK);
        CHECK_INT(apply(&p, version), IPM_OK);
        check_lists(&h, true);
        if (random_below(4) == 0) {
            CHECK_INT(ipm_segment_rollback(sharer, &error), IPM_OK);
            h.exact_from = h.version;
        } else {
            CHECK_INT(ipm_segment_unlock(sharer, &error), IPM_OK);
            if (skipped > 0)
                h.exact_from = h.version + 1;
            h.version = h.changed[block] = version;
        }
        check_lists(&h, false);
    }
    finished();
}

/* ---- From one machine to another --------------------------------------------------------- */

static void change_at_random(ipm_segment *home) {
    CHECK_INT(ipm_segment_lock(home, SECOND, &error), IPM_OK);
    for (unsigned i = random_below(6); i > 0; i--) {
        char path[32];
        int64_t number = random_below(3);
        snprintf(path, sizeof path, "plain[%u]", 1 + random_below(100));
        CHECK_INT(ipm_segment_put(home, path, &number, sizeof number, &error), IPM_OK);
    }
    if (random_below(3) == 0)
        CHECK_INT(ipm_segment_touch(home, &error), IPM_OK);
    CHECK_INT(ipm_segment_unlock(home, &error), IPM_OK);
}

/* Carry all commits that the feed tells to the replica. */
static void carry(ipm_feed *feed, uint64_t size) {
    static unsigned char bytes[8192];
    uint64_t version;
    while (ipm_feed_next(feed, 0, &version, NULL, &error) == IPM_OK) {
        size_t used = ipm_feed_patch(feed, bytes, sizeof bytes);
        CHECK(used <= sizeof bytes);
        CHECK_INT(ipm_segment_apply(sharer, bytes, used, version, 0, &error), IPM_OK);
        CHECK(memcmp(sharer->data.memory.data, ipm_feed_value(feed), size) == 0);
        CHECK_INT(version_of(sharer), version);
    }
}

static void lead_from_one_machine_to_another(uint64_t ring) {
    ipm_feed *feed;
    const uint64_t size = ipm_layout_type(bag)->size;
    fresh(RING);
    ipm_options options = {.own_size = sizeof options, .mmap_dir = dir, .tag = "home"};
    options.create = true;
    options.feed = ring;
    ipm_segment *home;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, bag, &options, &home, &error), IPM_OK);
    CHECK_INT(ipm_segment_touch(home, &error), IPM_OK);
    CHECK_INT(ipm_feed_open(home, 1, &feed, &error), IPM_OK);
    patch stamp = {.size = 0}; /* in which alone the two differ */
    add_run(&stamp, 8, (const char *)ipm_feed_value(feed) + 8, 8);
    CHECK_INT(apply(&stamp, 1), IPM_OK);
    for (int i = 0; i < 300; i++) {
        for (unsigned commits = random_below(4) == 0 ? random_below(150) : 1; commits > 0;
             commits--)
            change_at_random(home);
        carry(feed, size);
    }
    CHECK_INT(version_of(sharer), version_of(home));
    ipm_feed_close(feed);
    CHECK_INT(ipm_segment_destroy(home, &error), IPM_OK);
    ipm_segment_close(home, NULL);
    finished();
}

static void lead_on_with_a_ring(void) {
    lead_from_one_machine_to_another(SMALL_RING);
}

static void lead_on_without_a_ring(void) {
    lead_from_one_machine_to_another(0);
}

static void have_one_run_for_what_lies_close(void) {
    unsigned char bytes[128];
    ipm_feed *feed;
    fresh(RING);
    CHECK_INT(ipm_feed_open(sharer, 0, &feed, &error), IPM_OK);
    CHECK_INT(ipm_feed_patch(feed, NULL, 0), 0);
    const uint64_t at = offset_of("plain[1]");
    patch p = {.size = 0};
    add_run(&p, at, "a", 1);
    add_run(&p, at + 17, "b", 1); /* a gap of 16 */
    add_run(&p, at + 35, "c", 1); /* a gap of 17 */
    CHECK_INT(apply(&p, 1), IPM_OK);
    CHECK_INT(ipm_feed_next(feed, 0, NULL, NULL, &error), IPM_OK);
    patch expected = {.size = 0};
    add_run(&expected, at, "a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0b", 18);
    add_run(&expected, at + 35, "c", 1);
    CHECK_INT(ipm_feed_patch(feed, bytes, sizeof bytes), expected.size);
    CHECK(memcmp(bytes, expected.bytes, expected.size) == 0);
    CHECK_INT(ipm_feed_patch(feed, NULL, 0), expected.size);
    CHECK_INT(ipm_feed_patch(feed, bytes, expected.size - 1), expected.size);
    ipm_feed_close(feed);
    finished();
}

/* ---- Edits ------------------------------------------------------------------------------- */

static int share_as(ipm_place place, int64_t deadline) {
    const ipm_share share = {.place = place, .deadline = deadline, .epoch = 1};
    CHECK_INT(ipm_segment_lock(sharer, SECOND, &error), IPM_OK);
    CHECK_INT(ipm_segment_set_share(sharer, &share, &error), IPM_OK);
    return ipm_segment_unlock(sharer, &error);
}

static void fresh_home(void) {
    fresh(RING);
    CHECK_INT(share_as(IPM_HOME, ipm_boottime() + 3600 * SECOND), IPM_OK);
}

static int edit(const patch *expected, const patch *p, bool *applied) {
    *applied = true;
    return ipm_segment_edit(sharer, expected->bytes, expected->size, p->bytes, p->size, applied,
                            &error);
}

static const patch nothing = {.size = 0};

static void changes_what_is_as_expected(void) {
    bool applied;
    fresh_home();
    patch p = number_at("plain[5]", 55), expected = number_at("plain[5]", 0);
    CHECK_INT(edit(&expected, &p, &applied), IPM_OK);
    CHECK(applied);
    CHECK_INT(number_of("plain[5]"), 55);
    CHECK_INT(version_of(reader), 1);
    CHECK_INT(edit(&expected, &p, &applied), IPM_OK);
    CHECK(!applied);
    CHECK_INT(version_of(reader), 1);
    p = number_at("plain[5]", 66);
    CHECK_INT(edit(&nothing, &p, &applied), IPM_OK);
    CHECK(applied);
    CHECK_INT(number_of("plain[5]"), 66);
    CHECK_INT(edit(&p, &nothing, &applied), IPM_OK);
    CHECK(applied);
    CHECK_INT(version_of(reader), 2); /* nothing was changed */
    finished();
}

static void check_edit_refused(const patch *expected, const patch *p, int code, const char *why) {
    bool applied;
    unsigned char before[4096];
    CHECK_INT(ipm_segment_snapshot(reader, before, NULL, &error), IPM_OK);
    const int64_t at = version_of(reader);
    CHECK_ERROR(edit(expected, p, &applied), code, why);
    CHECK(!applied);
    CHECK(!ipm_segment_is_locked(sharer));
    CHECK(memcmp(reader->data.memory.data, before, ipm_layout_type(bag)->size) == 0);
    CHECK_INT(version_of(reader), at);
}

static void keeps_edits_within_the_limits(void) {
    static const unsigned char two = 2;
    static const uint32_t one = 1;
    bool applied;
    int32_t number = 10;
    fresh_home();
    patch p = run_at("level", &number, 4);
    check_edit_refused(&nothing, &p, IPM_ECORRUPT, "Bag.level: 10 is above the limit of 9");
    p = run_at("flag", &two, 1);
    check_edit_refused(&nothing, &p, IPM_ECORRUPT, "Bag.flag: 2 is not a bool");
    p = run_at("items", &one, 4); /* its element has the number 0 */
    check_edit_refused(&nothing, &p, IPM_ECORRUPT, "Bag.items[1].n: 0 is below the limit of 1");
    number = 9;
    p = run_at("items", &one, 4);
    add_run(&p, offset_of("items[1].n"), &number, 4);
    CHECK_INT(edit(&nothing, &p, &applied), IPM_OK);
    /* A run may have bytes that do not change: here, the zero of a field without a default. */
    unsigned char zeros[12] = {0};
    zeros[4] = 7;
    p = run_at("level", zeros, 12);
    CHECK_INT(edit(&nothing, &p, &applied), IPM_OK);
    CHECK(applied);
    finished();
}

static void keeps_edits_from_the_header(void) {
    bool applied;
    double stamp;
    fresh_home();
    CHECK_INT(ipm_segment_read(reader, 8, sizeof stamp, &stamp, &error), IPM_OK);
    patch p = {.size = 0};
    add_run(&p, 8, &stamp, 8);
    CHECK_INT(edit(&p, &p, &applied), IPM_OK); /* it does not change */
    stamp++;
    p = (patch){.size = 0};
    add_run(&p, 8, &stamp, 8);
    check_edit_refused(&nothing, &p, IPM_ECORRUPT, "changes the common header");
    p = run_at("plain[1]", "12345678", 8);
    p.size--;
    check_edit_refused(&nothing, &p, IPM_ECORRUPT, "the patch is damaged");
    check_edit_refused(&p, &nothing, IPM_ECORRUPT, "the patch is damaged");
    finished();
}

static void edits_only_at_home(void) {
    const patch p = number_at("plain[5]", 55);
    fresh(RING);
    check_edit_refused(&nothing, &p, IPM_ENOTHOME, "this is a replica");
    CHECK_INT(share_as(IPM_HOME, IPM_LAPSED), IPM_OK);
    check_edit_refused(&nothing, &p, IPM_ENOTHOME, "its lease has ended");
    CHECK_INT(share_as(IPM_UNSHARED, 0), IPM_OK);
    check_edit_refused(&nothing, &p, IPM_ENOTHOME, "it is not shared");
    finished();
}

static void edits_within_a_lock(void) {
    bool applied;
    fresh_home();
    const patch p = number_at("plain[5]", 55), q = number_at("plain[6]", 66);
    CHECK_INT(ipm_segment_lock(sharer, SECOND, &error), IPM_OK);
    CHECK_INT(edit(&nothing, &p, &applied), IPM_OK);
    CHECK_INT(edit(&p, &q, &applied), IPM_OK);
    CHECK(applied);
    CHECK_INT(edit(&q, &p, &applied), IPM_OK);
    CHECK_INT(version_of(reader), 0);
    CHECK_INT(ipm_segment_unlock(sharer, &error), IPM_OK);
    CHECK_INT(version_of(reader), 1);
    CHECK_INT(number_of("plain[6]"), 66);
    finished();
}

static void rolls_edits_back_at_the_deadline(void) {
    bool applied;
    fresh_home();
    const ipm_share lapsed = {.place = IPM_HOME, .deadline = IPM_LAPSED, .epoch = 1};
    patch p = number_at("plain[5]", 55);
    CHECK_INT(ipm_segment_lock(sharer, SECOND, &error), IPM_OK);
    CHECK_INT(edit(&nothing, &p, &applied), IPM_OK);
    CHECK_INT(ipm_segment_set_share(sharer, &lapsed, &error), IPM_OK);
    CHECK_ERROR(ipm_segment_unlock(sharer, &error), IPM_ENOTHOME, "its lease has ended");
    CHECK_INT(number_of("plain[5]"), 0);
    CHECK_INT(version_of(reader), 0);
    CHECK_INT(apply(&p, 1), IPM_OK); /* what other machines have committed is none */
    finished();
}

int main(void) {
    set_up();
    bag = layout_of(BAG_TEXT);
    run("apply commits a patch as the version that is told",
        commits_a_patch_as_the_version_that_is_told);
    run("apply wakes who waits for a commit", wakes_who_waits_for_a_commit);
    run("apply keeps the time of the commit", keeps_the_time_of_the_commit);
    run("apply shows nothing before the commit", shows_nothing_before_the_commit);
    run("apply is rolled back as any change", is_rolled_back_as_any_change);
    run("apply is rolled back if its process dies", is_rolled_back_if_its_process_dies);
    run("apply refuses what is no patch", refuses_what_is_no_patch);
    run("apply refuses what is no value", refuses_what_is_no_value);
    run("apply stores all that is a value", applies_what_is_a_value);
    run("apply refuses versions that cannot be next", refuses_versions_that_cannot_be_next);
    run("apply refuses versions that the sequence has no room for",
        refuses_versions_that_the_sequence_has_no_room_for);
    run("apply is the first change of its transaction", applies_only_as_the_first_change);
    run("apply and edit need the option", needs_the_option);
    run("a check of a patch finds what a check of the whole finds",
        finds_what_a_check_of_the_whole_finds);
    run("a feed counts what was skipped as missed", tells_feeds_what_was_skipped);
    run("a feed may be opened at a version that was skipped",
        opens_feeds_at_versions_that_were_skipped);
    run("a feed that has fallen behind tells no version that was skipped",
        tells_no_version_that_was_skipped_after_falling_behind);
    run("a feed tells what was committed beside a writer that skips versions without a pause",
        tells_what_was_committed_beside_a_busy_writer);
    run("what changed since a version is listed, also where versions were skipped",
        lists_what_changed_since_any_version);
    run("patches of a feed with a ring lead from one machine to another", lead_on_with_a_ring);
    run("patches of a feed without a ring lead from one machine to another",
        lead_on_without_a_ring);
    run("patches have one run for what lies close", have_one_run_for_what_lies_close);
    run("edit changes what is as expected, and nothing else", changes_what_is_as_expected);
    run("edit keeps the limits", keeps_edits_within_the_limits);
    run("edit leaves the header", keeps_edits_from_the_header);
    run("edit works only at home", edits_only_at_home);
    run("edit is a part of a lock that is held", edits_within_a_lock);
    run("edit is rolled back at the deadline", rolls_edits_back_at_the_deadline);
    ipm_layout_free(bag);
    return tear_down();
}
