/* Files that have more fields than the layout of the program. */
#include "fixture.h"

#define GROWN_TEXT                                                                                 \
    IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure {\n"                                          \
                    "  a: int64\n"                                                                 \
                    "  text: char[600]\n"                                                          \
                    "  b: int64\n"                                                                 \
                    "  more: int64\n"                                                              \
                    "}\n"
#define MOVED_TEXT                                                                                 \
    IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure {\n"                                          \
                    "  more: int64\n"                                                              \
                    "  b: int64\n"                                                                 \
                    "  a: int64\n"                                                                 \
                    "  text: char[600]\n"                                                          \
                    "}\n"
#define GROWN_SIZE 640

typedef struct demo_struct { /* as DEMO_TEXT has it */
    ipm_header header;
    int64_t a;
    char text[600];
    int64_t b;
} demo_struct;

static ipm_layout *grown, *moved;
static ipm_segment *manager, *segment;

static int open_matching(ipm_role role, const ipm_layout *layout, ipm_match match, bool force) {
    ipm_options options = {
        .mmap_dir = dir, .create = role == IPM_MANAGER, .force = force, .match = match};
    memset(&error, 0, sizeof error);
    return ipm_segment_open(role, layout, &options, &segment, &error);
}

static void make(const ipm_layout *layout) {
    CHECK_INT(open_matching(IPM_MANAGER, layout, IPM_EXACT, false), IPM_OK);
    manager = segment;
}

static void end(void) {
    ipm_segment_close(segment, NULL);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
}

static void has_the_program_s_struct_at_the_start(void) {
    make(grown);
    CHECK_INT(open_matching(IPM_EDITOR, demo, IPM_EXACT, false), IPM_ELAYOUT);
    CHECK_INT(open_matching(IPM_EDITOR, demo, IPM_SAME_OFFSETS, false), IPM_OK);
    CHECK_INT(commit(segment, 7), IPM_OK);
    CHECK_INT(ipm_segment_lock(segment, 0, &error), IPM_OK);
    const demo_struct *view = ipm_segment_data(segment);
    CHECK_INT(view->a, 7);
    CHECK_INT(view->b, 7);
    CHECK_INT(ipm_segment_unlock(segment, &error), IPM_OK);
    int64_t b = 0;
    CHECK_INT(ipm_segment_read(manager, IPM_AT(demo_struct, b), &b, &error), IPM_OK);
    CHECK_INT(b, 7);
    end();
}

static void works_with_the_size_of_the_file(void) {
    unsigned char copy[GROWN_SIZE + 1];
    make(grown);
    CHECK_INT(ipm_segment_write(manager, GROWN_SIZE - 8, 8, &(int64_t){9}, &error), IPM_OK);
    CHECK_INT(open_matching(IPM_READER, demo, IPM_SAME_OFFSETS, false), IPM_OK);
    CHECK_INT(info_of(segment).size, GROWN_SIZE);
    memset(copy, 0x55, sizeof copy);
    CHECK_INT(ipm_segment_snapshot(segment, copy, NULL, &error), IPM_OK);
    CHECK_INT(copy[GROWN_SIZE - 8], 9);
    CHECK_INT(copy[GROWN_SIZE], 0x55);
    CHECK(ipm_type_equal(ipm_layout_type(ipm_segment_layout(segment)), ipm_layout_type(grown)));
    end();
}

static void names_what_the_file_lacks(void) {
    make(demo);
    CHECK_ERROR(open_matching(IPM_EDITOR, grown, IPM_SAME_OFFSETS, false), IPM_ELAYOUT,
                "more: absent in the file, int64 at 632 in the definition");
    CHECK_ERROR(open_matching(IPM_EDITOR, moved, IPM_SAME_OFFSETS, false), IPM_ELAYOUT,
                "more: absent in the file");
    CHECK_ERROR(open_matching(IPM_EDITOR, moved, IPM_BY_PATH, false), IPM_ELAYOUT,
                "more: absent in the file");
    end();
}

static void finds_fields_by_path(void) {
    const ipm_type *type;
    uint64_t offset;
    make(moved);
    CHECK_ERROR(open_matching(IPM_EDITOR, demo, IPM_SAME_OFFSETS, false), IPM_ELAYOUT,
                "a: int64 at 32 in the file, int64 at 16 in the definition");
    CHECK_INT(open_matching(IPM_EDITOR, demo, IPM_BY_PATH, false), IPM_OK);
    CHECK_INT(
        ipm_type_find(ipm_layout_type(ipm_segment_layout(segment)), "a", 1, &type, &offset, &error),
        IPM_OK);
    CHECK_INT(offset, 32);
    end();
}

static void has_the_program_s_layout_where_they_are_equal(void) {
    make(demo);
    CHECK(ipm_segment_layout(manager) == demo);
    CHECK_INT(open_matching(IPM_EDITOR, demo, IPM_BY_PATH, false), IPM_OK);
    CHECK(ipm_segment_layout(segment) == demo);
    end();
}

static void is_kept_by_a_manager_that_creates(void) {
    make(grown);
    CHECK_INT(commit(manager, 7), IPM_OK);
    CHECK_INT(open_matching(IPM_MANAGER, demo, IPM_SAME_OFFSETS, false), IPM_OK);
    CHECK_INT(read_a(segment), 7);
    ipm_segment_close(segment, NULL);
    CHECK_INT(open_matching(IPM_MANAGER, demo, IPM_BY_PATH, true), IPM_OK);
    CHECK_INT(read_a(manager), 0); /* reset, in place */
    CHECK_INT(info_of(segment).size, GROWN_SIZE);
    end();
}

static void refuses_what_is_no_match(void) {
    CHECK_ERROR(open_matching(IPM_READER, demo, (ipm_match)3, false), IPM_EINVALID,
                "Demo: match 3 is not an ipm_match");
}

int main(void) {
    set_up();
    grown = layout_of(GROWN_TEXT);
    moved = layout_of(MOVED_TEXT);
    run("has the program's struct at the start of the file's",
        has_the_program_s_struct_at_the_start);
    run("works with the size of the file's struct", works_with_the_size_of_the_file);
    run("names what the file lacks", names_what_the_file_lacks);
    run("finds fields by path", finds_fields_by_path);
    run("has the program's own layout where the two are equal",
        has_the_program_s_layout_where_they_are_equal);
    run("is kept by a manager that creates, and reset by force", is_kept_by_a_manager_that_creates);
    run("refuses what is no match", refuses_what_is_no_match);
    ipm_layout_free(grown);
    ipm_layout_free(moved);
    return tear_down();
}
