/* Patches: what another machine has committed, and what one asks for. */
#include "../../src/core/segment.h"
#include "fixture.h"
#include "peer.h"

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

static ipm_layout *bag;
static ipm_segment *sharer;

static int make(uint64_t ring, ipm_segment **segment) {
    ipm_options options = {.own_size = sizeof options, .mmap_dir = dir, .create = true};
    options.feed = ring;
    options.shares = true;
    memset(&error, 0, sizeof error);
    return ipm_segment_open(IPM_MANAGER, bag, &options, segment, &error);
}

static void fresh(uint64_t ring) {
    if (!CHECK_INT(make(ring, &sharer), IPM_OK))
        printf("# %s\n", error.text);
}

static void finished(void) {
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

static int apply(const patch *p, uint64_t version) {
    return ipm_segment_apply(sharer, p->bytes, p->size, version, 0, &error);
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
    CHECK_INT(version_of(sharer), 7);
    CHECK_INT(number_of("plain[5]"), 55);
    p = number_at("plain[6]", 66);
    CHECK_INT(apply(&p, 8), IPM_OK);
    p.size = 0;
    CHECK_INT(apply(&p, 20), IPM_OK);
    CHECK_INT(version_of(sharer), 20);
    CHECK_INT(number_of("plain[6]"), 66);
    finished();
}

static void tells_feeds_what_was_skipped(void) {
    ipm_feed *feed;
    uint64_t version, missed;
    unsigned char room[4096];
    fresh(RING);
    patch p = number_at("plain[5]", 55);
    CHECK_INT(apply(&p, 1), IPM_OK);
    CHECK_INT(ipm_feed_open(sharer, 0, &feed, &error), IPM_OK);
    p = number_at("plain[6]", 66);
    CHECK_INT(apply(&p, 10), IPM_OK);
    CHECK_INT(ipm_feed_next(feed, 0, &version, &missed, &error), IPM_OK);
    CHECK_INT(version, 1);
    CHECK_INT(ipm_feed_next(feed, 0, &version, &missed, &error), IPM_OK);
    CHECK_INT(version, 10);
    CHECK_INT(missed, 8);
    size_t size = ipm_feed_patch(feed, room, sizeof room);
    CHECK_INT(size, IPM_RUN_HEADER + 1);
    CHECK_INT(ipm_feed_next(feed, 0, &version, &missed, &error), IPM_ETIMEOUT);
    ipm_feed_close(feed);
    finished();
}

int main(void) {
    set_up();
    bag = layout_of(BAG_TEXT);
    run("commits a patch as the version that is told", commits_a_patch_as_the_version_that_is_told);
    run("tells feeds what was skipped", tells_feeds_what_was_skipped);
    ipm_layout_free(bag);
    return tear_down();
}
