/*
 * What the values of a segment mean: the first values, the file's own attributes, and changes of
 * one value by its path.
 */
#include "fixture.h"
#include "peer.h"

#define DEMO(fields) IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { " fields " }"
#define ITEM "struct Item { volume: float (default 0.5, max 1); id: int32 }"

typedef struct values { /* of `defaults` */
    ipm_header header;
    int64_t n;
    float gains[4];
    double z;
} values;

static const char defaults[] = DEMO("n: int64 (default 7, min 1, max 9);"
                                    "gains: float[4] (default 2); z: double");
static ipm_layout *layout;

static int open_layout(ipm_role role, const ipm_layout *of, ipm_options options,
                       ipm_segment **segment) {
    options.own_size = sizeof options;
    options.mmap_dir = dir;
    memset(&error, 0, sizeof error);
    return ipm_segment_open(role, of, &options, segment, &error);
}

static ipm_segment *open_ok(ipm_role role, const ipm_layout *of, ipm_options options) {
    ipm_segment *segment;
    if (!CHECK_INT(open_layout(role, of, options, &segment), IPM_OK))
        printf("# %s\n", error.text);
    return segment;
}

static values values_of(ipm_segment *segment) {
    values all;
    CHECK_INT(ipm_segment_snapshot(segment, &all, NULL, &error), IPM_OK);
    return all;
}

static void are(ipm_segment *segment, int64_t n, float gain, double z) {
    values all = values_of(segment);
    CHECK_INT(all.header.header_code, IPM_HEADER_CODE);
    CHECK_INT(all.n, n);
    CHECK(all.gains[0] == gain && all.gains[3] == gain);
    CHECK(all.z == z);
}

static void end(ipm_segment *manager) {
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
}

static const ipm_options create = {.create = true}, force = {.create = true, .force = true};

/* ---- First values ------------------------------------------------------------------------ */

static void creates_with_the_defaults(void) {
    ipm_segment *manager = open_ok(IPM_MANAGER, layout, create);
    are(manager, 7, 2, 0);
    CHECK(values_of(manager).header.time_stamp > 1e9);
    CHECK_INT(version_of(manager), 0);
    end(manager);
}

static void clears_to_the_defaults(void) {
    ipm_segment *manager = open_ok(IPM_MANAGER, layout, create);
    values all = {.n = 1, .gains = {5, 5, 5, 5}, .z = 3};
    CHECK_INT(ipm_segment_write(manager, 0, sizeof all, &all, &error), IPM_OK);
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_OK);
    CHECK_INT(ipm_segment_clear(manager, &error), IPM_OK);
    CHECK_INT(ipm_segment_rollback(manager, &error), IPM_OK);
    are(manager, 1, 5, 3);
    CHECK_INT(ipm_segment_clear(manager, &error), IPM_OK);
    are(manager, 7, 2, 0);
    CHECK(values_of(manager).header.time_stamp == 0);
    CHECK_INT(version_of(manager), 2);
    end(manager);
}

static void resets_to_the_defaults_by_force(void) {
    ipm_segment *manager = open_ok(IPM_MANAGER, layout, create);
    values all = {.n = 1, .gains = {5, 5, 5, 5}, .z = 3};
    CHECK_INT(ipm_segment_write(manager, 0, sizeof all, &all, &error), IPM_OK);
    ipm_segment *forced = open_ok(IPM_MANAGER, layout, force);
    are(forced, 7, 2, 0);
    CHECK(values_of(forced).header.time_stamp > 1e9);
    are(manager, 7, 2, 0);
    ipm_segment_close(forced, NULL);
    end(manager);
}

static void creates_with_given_values(void) {
    const values init = {.header = {3, 4}, .n = 9, .gains = {6, 6, 6, 6}, .z = 8};
    ipm_options options = {.create = true, .init = &init};
    ipm_segment *manager = open_ok(IPM_MANAGER, layout, options);
    are(manager, 9, 6, 8);
    CHECK(values_of(manager).header.time_stamp > 1e9);
    CHECK_INT(version_of(manager), 0);
    ipm_segment_clear(manager, &error);
    ipm_segment *again = open_ok(IPM_MANAGER, layout, options);
    are(again, 7, 2, 0); /* it exists, so it keeps its values */
    ipm_segment_close(again, NULL);
    options.force = true;
    again = open_ok(IPM_MANAGER, layout, options);
    are(again, 9, 6, 8);
    CHECK(values_of(again).header.time_stamp > 1e9);
    ipm_segment_close(again, NULL);
    end(manager);
}

static void refuses_given_values_outside_the_limits(void) {
    values init = {.n = 10};
    ipm_options options = {.create = true, .init = &init};
    ipm_segment *segment;
    CHECK_ERROR(open_layout(IPM_MANAGER, layout, options, &segment), IPM_EINVALID,
                "Demo.n: 10 is above the limit of 9");
    CHECK_INT(entries(dir), 0);
    init.n = 1;
    options.create = false;
    CHECK_ERROR(open_layout(IPM_MANAGER, layout, options, &segment), IPM_EINVALID,
                "init goes with create");
    CHECK_ERROR(open_layout(IPM_EDITOR, layout, options, &segment), IPM_EINVALID,
                "a manager's options");
    CHECK_INT(entries(dir), 0);
}

static void ignores_init_of_callers_that_do_not_have_it(void) {
    ipm_options options = {.own_size = offsetof(ipm_options, init),
                           .mmap_dir = dir,
                           .create = true,
                           .init = (const void *)1};
    ipm_segment *manager = NULL;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, layout, &options, &manager, &error), IPM_OK);
    are(manager, 7, 2, 0);
    end(manager);
}

/* With `match`, the file may have more fields than `init`. They get their defaults. */
static void resets_to_given_values_in_another_layout(void) {
    ipm_layout *wide = layout_of(DEMO("n: int64 (default 7); gains: float[4]; z: double;"
                                      "more: int64 (default 11)"));
    const values init = {.n = 9, .gains = {6, 6, 6, 6}, .z = 8};
    ipm_options options = {.create = true, .force = true, .match = IPM_SAME_OFFSETS, .init = &init};
    ipm_segment *manager = open_ok(IPM_MANAGER, wide, create);
    int64_t more = 5;
    CHECK_INT(ipm_segment_write(manager, sizeof(values), sizeof more, &more, &error), IPM_OK);
    ipm_segment *forced = open_ok(IPM_MANAGER, layout, options);
    struct {
        values first;
        int64_t more;
    } all;
    CHECK_INT(ipm_segment_snapshot(forced, &all, NULL, &error), IPM_OK);
    CHECK_INT(all.first.n, 9);
    CHECK(all.first.gains[3] == 6 && all.first.z == 8);
    CHECK_INT(all.more, 11);
    ipm_segment_close(forced, NULL);
    end(manager);
    ipm_layout_free(wide);
}

/* ---- Creation beside readers ------------------------------------------------------------- */

static void creates_and_destroys(peer *test) {
    const values init = {.n = 9, .gains = {6, 6, 6, 6}, .z = 8};
    ipm_options options = {.create = true, .init = &init, .own_size = sizeof options};
    options.mmap_dir = dir;
    (void)test;
    for (;;) {
        ipm_segment *manager;
        if (ipm_segment_open(IPM_MANAGER, layout, &options, &manager, NULL) != IPM_OK)
            continue;
        ipm_segment_destroy(manager, NULL);
        ipm_segment_close(manager, NULL);
    }
}

/* Open readers until one has seen the segment, or for some time. returns  how many did */
static unsigned read_often(unsigned tries) {
    unsigned seen = 0;
    for (unsigned i = 0; i < tries; i++) {
        ipm_segment *reader;
        values all;
        if (open_layout(IPM_READER, layout, (ipm_options){0}, &reader) != IPM_OK)
            continue;
        if (ipm_segment_snapshot(reader, &all, NULL, NULL) == IPM_OK) {
            CHECK_INT(all.n, 9);
            CHECK(all.gains[0] == 6 && all.gains[3] == 6 && all.z == 8);
            seen++;
        }
        ipm_segment_close(reader, NULL);
    }
    return seen;
}

static void shows_nobody_a_struct_without_its_values(void) {
    unsigned seen = 0;
    for (unsigned round = 0; round < 100 || (seen == 0 && round < 10000); round++) {
        peer manager = start(creates_and_destroys);
        seen += read_often(1 + round % 17 * 3);
        kill_peer(&manager);
        seen += read_often(1);
    }
    CHECK(seen > 0);
    const values init = {.n = 9, .gains = {6, 6, 6, 6}, .z = 8};
    end(open_ok(IPM_MANAGER, layout, (ipm_options){.create = true, .init = &init}));
}

/* ---- The file's attributes --------------------------------------------------------------- */

static const ipm_limits *limits_of(const ipm_segment *segment, const char *field) {
    const ipm_type *type = ipm_layout_type(ipm_segment_layout(segment));
    return ipm_type_field(type, field, strlen(field))->type->limits;
}

static void keeps_the_files_attributes(void) {
    ipm_layout *other = layout_of(DEMO("n: int64 (default 3, max 20); gains: float[4]; z: double"));
    static const ipm_match matches[] = {IPM_EXACT, IPM_SAME_OFFSETS, IPM_BY_PATH};
    ipm_segment *manager = open_ok(IPM_MANAGER, layout, create);
    CHECK(ipm_segment_layout(manager) == layout);
    for (size_t i = 0; i < 3; i++) {
        ipm_segment *editor = open_ok(IPM_EDITOR, other, (ipm_options){.match = matches[i]});
        CHECK(ipm_segment_layout(editor) != other);
        CHECK_STR(ipm_layout_text(ipm_segment_layout(editor), NULL), ipm_layout_text(layout, NULL));
        CHECK_INT(limits_of(editor, "n")->max.i, 9);
        CHECK_INT(ipm_segment_clear(editor, &error), IPM_OK);
        are(editor, 7, 2, 0);
        ipm_segment_close(editor, NULL);
    }
    ipm_segment *again = open_ok(IPM_MANAGER, other, create);
    CHECK_INT(limits_of(again, "n")->max.i, 9);
    ipm_segment_close(again, NULL);
    end(manager);
    ipm_layout_free(other);
}

static void replaces_other_attributes_by_force(void) {
    ipm_layout *other = layout_of(DEMO("n: int64 (default 3, max 20); gains: float[4]; z: double"));
    ipm_segment *manager = open_ok(IPM_MANAGER, layout, create);
    ipm_segment *forced = open_ok(IPM_MANAGER, other, force);
    uint64_t version;
    are(forced, 3, 0, 0);
    CHECK(ipm_segment_layout(forced) == other);
    CHECK_INT(ipm_segment_version(manager, &version, &error), IPM_EREPLACED);
    ipm_segment_close(manager, NULL);
    end(forced);
    ipm_layout_free(other);
}

static void migrates_other_attributes(void) {
    ipm_layout *other =
        layout_of(DEMO("n: int64 (default 3, max 20); gains: float[4] (default 1); z: double"));
    ipm_layout *narrow =
        layout_of(DEMO("n: int64 (default 1, max 5); gains: float[4] (default 1); z: double"));
    const values init = {.n = 2};
    ipm_options options = {.create = true, .migrate = IPM_MIGRATE_YES, .init = &init};
    ipm_segment *manager = open_ok(IPM_MANAGER, layout, create), *refused;
    ipm_segment *migrated = open_ok(IPM_MANAGER, other, options);
    CHECK(ipm_segment_migration(migrated) != NULL);
    CHECK(ipm_segment_layout(migrated) == other);
    are(migrated, 7, 2, 0); /* the values of the old one */
    CHECK_ERROR(open_layout(IPM_MANAGER, narrow, options, &refused), IPM_ELAYOUT,
                "n: 7 is above the limit of 5, and only a lossy conversion may lose the value");
    are(migrated, 7, 2, 0);
    options.migrate = IPM_MIGRATE_LOSSY;
    ipm_segment *lossy = open_ok(IPM_MANAGER, narrow, options);
    are(lossy, 1, 2, 0);
    CHECK_STR(ipm_segment_migration(lossy)->dropped.paths[0], "n");
    ipm_segment *same = open_ok(IPM_MANAGER, narrow, options);
    CHECK(ipm_segment_migration(same) == NULL);
    ipm_segment_close(same, NULL);
    ipm_segment_close(manager, NULL);
    ipm_segment_close(migrated, NULL);
    end(lossy);
    ipm_layout_free(other);
    ipm_layout_free(narrow);
}

/* The layouts that a handle has returned stay valid, and do not pile up. */
static void follows_to_other_attributes(void) {
    ipm_layout *other = layout_of(DEMO("n: int64 (default 3, max 20); gains: float[4]; z: double"));
    ipm_segment *old = open_ok(IPM_MANAGER, layout, create);
    ipm_segment *editor = open_ok(IPM_EDITOR, other, (ipm_options){.follow = true});
    const ipm_layout *first = ipm_segment_layout(editor);
    for (int i = 0; i < 4; i++) {
        bool is_other = i % 2 == 0;
        ipm_segment *new = open_ok(IPM_MANAGER, is_other ? other : layout, force);
        int64_t n = 1;
        CHECK_INT(ipm_segment_put(editor, "n", &n, sizeof n, &error), IPM_OK);
        n = 15;
        CHECK_INT(ipm_segment_put(editor, "n", &n, sizeof n, &error),
                  is_other ? IPM_OK : IPM_EINVALID);
        CHECK(ipm_segment_layout(editor) == (is_other ? other : first));
        CHECK_INT(ipm_segment_openings(editor), i + 2);
        CHECK_STR(ipm_layout_text(first, NULL), ipm_layout_text(layout, NULL));
        ipm_segment_close(old, NULL);
        old = new;
    }
    ipm_segment_close(editor, NULL);
    end(old);
    ipm_layout_free(other);
}

/* ---- Changes of one value ---------------------------------------------------------------- */

static void puts_one_value(void) {
    ipm_layout *items = layout_of(ITEM DEMO("v: float (max 1); items: Item[<=3]; one: Item?;"
                                            "on: bool; left: int32?"));
    ipm_segment *manager = open_ok(IPM_MANAGER, items, create);
    ipm_segment *reader = open_ok(IPM_READER, items, (ipm_options){0});
    float v = 0.5F;
    uint8_t on = 1, off = 2;
    struct {
        uint32_t count;
        struct {
            float volume;
            int32_t id;
        } items[3];
    } list = {1, {{0.25F, 4}, {7, 7}, {0, 0}}};
#define PUT(path, value) ipm_segment_put(manager, path, &(value), sizeof(value), &error)
    CHECK_INT(PUT("v", v), IPM_OK);
    CHECK_INT(version_of(manager), 1);
    CHECK_INT(PUT("on", on), IPM_OK);
    CHECK_INT(PUT("items", list), IPM_OK); /* what is not in use is not checked */
    CHECK_INT(PUT("items[1].volume", v), IPM_OK);
    CHECK_INT(version_of(manager), 4);
    CHECK_ERROR(PUT("items[2].volume", v), IPM_EINVALID,
                "index 2 is outside 1..1 in 'items[2].volume'");
    CHECK_ERROR(PUT("items[4].volume", v), IPM_EINVALID, "index 4 is outside 1..3");
    CHECK_ERROR(PUT("one.volume", v), IPM_EINVALID, "'one' is absent in 'one.volume'");
    list.count = 0;
    CHECK_INT(PUT("items", list), IPM_OK);
    CHECK_ERROR(PUT("items[1].volume", v), IPM_EINVALID, "'items' is empty");
    list.count = 4;
    CHECK_ERROR(PUT("items", list), IPM_EINVALID,
                "items: Item[<=3]: 4 elements are more than its 3");
    CHECK_ERROR(PUT("on", off), IPM_EINVALID, "Demo: on: bool: 2 is not a bool");
    v = 1.5F;
    CHECK_ERROR(PUT("v", v), IPM_EINVALID, "Demo: v: float: 1.5 is above the limit of 1");
    CHECK_ERROR(PUT("on", v), IPM_EINVALID, "Demo: on has 1 bytes, not 4");
    CHECK_ERROR(PUT("no", v), IPM_EINVALID, "no field 'no'");
    CHECK_ERROR(ipm_segment_put(reader, "on", &on, 1, &error), IPM_EINVALID,
                "a reader cannot write");
    CHECK_INT(version_of(manager), 5);
    v = 0.75F;
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_OK);
    CHECK_INT(PUT("v", v), IPM_OK);
    CHECK(ipm_segment_is_locked(manager));
    CHECK_INT(ipm_segment_rollback(manager, &error), IPM_OK);
    CHECK_INT(ipm_segment_read(manager, 16, sizeof v, &v, &error), IPM_OK);
    CHECK(v == 0.5F);
    ipm_segment_close(reader, NULL);
    end(manager);
    ipm_layout_free(items);
}

static void follows_and_puts(peer *test) {
    ipm_options options = {.follow = true};
    ipm_segment *editor = open_ok(IPM_EDITOR, layout, options);
    const int64_t n = 9;
    tell(test, 'o');
    tell(test, ipm_segment_put(editor, "n", &n, sizeof n, &error) == IPM_EINVALID &&
                       strcmp(error.text, "Demo: n: int64: 9 is above the limit of 5") == 0
                   ? 'r'
                   : 'x');
}

/* The segment is replaced while the call waits for its lock. */
static void puts_by_the_limits_of_the_segment_that_it_has_locked(void) {
    ipm_layout *narrow = layout_of(DEMO("n: int64 (default 1, max 5); gains: float[4]; z: double"));
    ipm_segment *manager = open_ok(IPM_MANAGER, layout, create);
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_OK);
    peer editor = start(follows_and_puts);
    CHECK_INT(hear(&editor), 'o');
    await_futex(&editor);
    ipm_segment *forced = open_ok(IPM_MANAGER, narrow, force);
    CHECK_INT(ipm_segment_rollback(manager, &error), IPM_OK);
    CHECK_INT(hear(&editor), 'r');
    CHECK_INT(finish(&editor), 0);
    are(forced, 1, 0, 0);
    ipm_segment_close(manager, NULL);
    end(forced);
    ipm_layout_free(narrow);
}

/* A foreign program stores what it likes. */
static void refuses_counts_of_damaged_files(void) {
    ipm_layout *items = layout_of(ITEM DEMO("items: Item[<=3]; end: int64"));
    ipm_layout *longer = layout_of(ITEM DEMO("items: Item[<=9]; end: int64"));
    ipm_segment *manager = open_ok(IPM_MANAGER, items, create), *refused;
    static const uint32_t hostile[] = {4, 5, 0x7fffffff, 0x80000000, UINT32_MAX};
    const int files = entries(dir);
    float v = 0;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        unsigned char all[64];
        CHECK_INT(ipm_segment_write(manager, 16, sizeof hostile[i], &hostile[i], &error), IPM_OK);
        CHECK_ERROR(PUT("items[3].volume", v), IPM_ECORRUPT, "elements are more than its 3");
        CHECK_INT(ipm_segment_snapshot(manager, all, NULL, &error), IPM_OK);
        CHECK_ERROR(ipm_type_check(ipm_layout_type(items), all, &error), IPM_EINVALID,
                    "Demo.items: ");
        ipm_options options = {.create = true, .migrate = IPM_MIGRATE_LOSSY};
        CHECK_ERROR(open_layout(IPM_MANAGER, longer, options, &refused), IPM_ECORRUPT, "items: ");
    }
    CHECK_INT(entries(dir), files);
    end(manager);
    ipm_layout_free(items);
    ipm_layout_free(longer);
}

int main(void) {
    set_up();
    layout = layout_of(defaults);
    run("creates with the defaults", creates_with_the_defaults);
    run("clears to the defaults", clears_to_the_defaults);
    run("resets to the defaults by force", resets_to_the_defaults_by_force);
    run("creates with given values", creates_with_given_values);
    run("refuses given values outside the limits", refuses_given_values_outside_the_limits);
    run("ignores the given values of callers that do not have them",
        ignores_init_of_callers_that_do_not_have_it);
    run("resets to given values in another layout", resets_to_given_values_in_another_layout);
    run("shows nobody a struct without its values", shows_nobody_a_struct_without_its_values);
    run("keeps the file's attributes", keeps_the_files_attributes);
    run("replaces other attributes by force", replaces_other_attributes_by_force);
    run("migrates other attributes", migrates_other_attributes);
    run("follows to other attributes", follows_to_other_attributes);
    run("puts one value", puts_one_value);
    run("puts one value by the limits of the segment that it has locked",
        puts_by_the_limits_of_the_segment_that_it_has_locked);
    run("refuses counts of damaged files", refuses_counts_of_damaged_files);
    ipm_layout_free(layout);
    return tear_down();
}
