/* Segments whose files are damaged while they are in use: how their users notice. */
#include "fixture.h"
#include "peer.h"

enum { PAGE = 4096, HEAD = PAGE, SCHEMA = 4 * PAGE, SIZE = 5 * PAGE };

static void overwrite(const char *path, off_t at, const void *bytes, size_t size) {
    int fd = open(path, O_WRONLY);
    CHECK_INT(pwrite(fd, bytes, size, at), size);
    close(fd);
}

static void zero_the_header_code(const char *path) {
    overwrite(path, 0, "\0\0", 2);
}

static void spoil_the_schema(const char *path) {
    overwrite(path, SCHEMA, "rubbish", 7);
}

/* It can be parsed, but no program writes it so. */
static void separate_by_a_tab(const char *path) {
    overwrite(path, SCHEMA + 6, "\t", 1);
}

static void spoil_the_footer(const char *path) {
    overwrite(path, SIZE - 64, "rubbish", 7);
}

static void spoil_the_head(const char *path) {
    overwrite(path, HEAD, "rubbish", 7);
}

/* Make it look like a file of an older format. A manager that replaces such a file uses only the
 * trailer's head and the retired flag, which are at the same place in each format. */
static void have_an_older_format(const char *path) {
    overwrite(path, SIZE - 64 + 8, "\1", 1);
    overwrite(path, HEAD + 8, "\1", 1);
}

static void cut_the_schema_off(const char *path) {
    CHECK_INT(truncate(path, SCHEMA), 0);
}

static void (*const damages[])(const char *) = {
    zero_the_header_code, spoil_the_schema,     separate_by_a_tab, spoil_the_footer,
    spoil_the_head,       have_an_older_format, cut_the_schema_off};
enum { DAMAGES = sizeof damages / sizeof *damages };

static ipm_segment *forced(const ipm_layout *layout) {
    ipm_segment *segment = NULL;
    ipm_options options = {.mmap_dir = dir, .create = true, .force = true};
    CHECK_INT(ipm_segment_open(IPM_MANAGER, layout, &options, &segment, &error), IPM_OK);
    return segment;
}

static void destroy(ipm_segment *manager) {
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    CHECK_INT(ipm_segment_close(manager, NULL), IPM_OK);
}

/* An editor that never waits checks only the retired flag. */
static void tells_of_being_replaced(const ipm_layout *layout) {
    for (int i = 0; i < DAMAGES; i++) {
        ipm_segment *old = opened(IPM_MANAGER, "");
        damages[i](data_path(""));
        ipm_segment *manager = forced(layout);
        if (!CHECK_INT(commit(old, 7), IPM_EREPLACED))
            printf("#   damage number %d\n", i + 1);
        ipm_segment_close(old, NULL);
        destroy(manager);
    }
}

static void tells_when_its_layout_takes_the_place(void) {
    tells_of_being_replaced(demo);
}

static void tells_when_another_layout_takes_the_place(void) {
    ipm_layout *other = layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int8 }");
    tells_of_being_replaced(other);
    ipm_layout_free(other);
}

/* ---- Repairing --------------------------------------------------------------------------- */

static uint16_t header_code(void) {
    uint16_t code = 0;
    int fd = open(data_path(""), O_RDONLY);
    CHECK_INT(pread(fd, &code, sizeof code, 0), sizeof code);
    close(fd);
    return code;
}

static int repair(const char *path, const char *lock_dir, bool *repaired, ipm_error *detail) {
    const ipm_options options = {.own_size = sizeof options, .path = path, .lock_dir = lock_dir};
    return ipm_segment_repair(&options, repaired, detail);
}

static void is_repaired(bool expected) {
    bool repaired = !expected;
    CHECK_INT(repair(data_path(""), NULL, &repaired, &error), IPM_OK);
    CHECK_INT(repaired, expected);
    CHECK_INT(header_code(), IPM_HEADER_CODE);
}

static void repairs_the_header_code(void) {
    ipm_segment *manager = opened(IPM_MANAGER, ""), *editor;
    CHECK_INT(commit(manager, 5), IPM_OK);
    is_repaired(false);
    CHECK_INT(version_of(manager), 1);
    zero_the_header_code(data_path(""));
    CHECK_INT(open_as(IPM_EDITOR, "", &editor), IPM_ECORRUPT);
    is_repaired(true);
    editor = opened(IPM_EDITOR, "");
    CHECK_INT(read_a(editor), 5);
    CHECK_INT(version_of(editor), 2);
    ipm_segment_close(editor, NULL);
    destroy(manager);
}

static void repairs(peer *test) {
    hear(test);
    is_repaired(true);
    tell(test, tap.bad ? 'x' : 'r');
}

/* The transaction has saved the wrong code, so a rollback restores it. */
static void repairs_behind_a_transaction(void) {
    ipm_user users[IPM_MAX_USERS];
    size_t count;
    ipm_segment *manager = opened(IPM_MANAGER, "");
    peer p = start(repairs);
    zero_the_header_code(data_path(""));
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_OK);
    CHECK_INT(ipm_segment_touch(manager, &error), IPM_OK);
    tell(&p, 'g');
    do
        CHECK_INT(ipm_segment_users(manager, users, IPM_MAX_USERS, &count, &error), IPM_OK);
    while (count < 2 && header_code() != IPM_HEADER_CODE && !tap.bad);
    CHECK_INT(ipm_segment_rollback(manager, &error), IPM_OK);
    CHECK_INT(hear(&p), 'r');
    CHECK_INT(finish(&p), 0);
    CHECK_INT(header_code(), IPM_HEADER_CODE);
    destroy(manager);
}

static void dies_in_a_transaction(peer *test) {
    (void)test;
    ipm_segment *own = opened(IPM_EDITOR, "");
    zero_the_header_code(data_path(""));
    CHECK_INT(ipm_segment_lock(own, 0, &error), IPM_OK);
    CHECK_INT(ipm_segment_touch(own, &error), IPM_OK);
    _exit(tap.bad);
}

static void repairs_after_a_death(void) {
    ipm_segment *manager = opened(IPM_MANAGER, "");
    CHECK_INT(run_peer(dies_in_a_transaction), 0);
    is_repaired(true);
    CHECK_INT(commit(manager, 5), IPM_OK);
    CHECK_INT(header_code(), IPM_HEADER_CODE);
    CHECK_INT(info_of(manager).recoveries, 1);
    destroy(manager);
}

static void load(unsigned char *bytes) {
    int fd = open(data_path(""), O_RDONLY);
    memset(bytes, 0, SIZE);
    CHECK(read(fd, bytes, SIZE) > 0);
    close(fd);
}

static void refuses_what_would_be_a_guess(void) {
    static unsigned char before[SIZE], after[SIZE];
    static const char *const reasons[] = {NULL,
                                          "schema: line 1",
                                          "its schema is wrong",
                                          "its footer is wrong",
                                          "its trailer is wrong",
                                          "of format 1",
                                          "its footer is wrong"};
    for (int i = 1; i < DAMAGES; i++) {
        bool repaired = true;
        ipm_segment_close(opened(IPM_MANAGER, ""), NULL);
        damages[i](data_path(""));
        load(before);
        CHECK_ERROR(repair(data_path(""), NULL, &repaired, &error), IPM_ECORRUPT, reasons[i]);
        CHECK(!repaired);
        load(after);
        CHECK(memcmp(before, after, SIZE) == 0);
        destroy(forced(demo));
    }
    CHECK_INT(repair(data_path(""), NULL, &(bool){0}, NULL), IPM_ENOTFOUND);
    CHECK_ERROR(repair(NULL, NULL, &(bool){0}, &error), IPM_EINVALID, "needs the path");
    CHECK_ERROR(ipm_segment_repair(NULL, &(bool){0}, &error), IPM_EINVALID, "needs the path");
}

static void finds_the_lock_file_elsewhere(void) {
    bool repaired = false;
    ipm_segment *manager;
    ipm_options options = {.mmap_dir = dir, .lock_dir = in_dir("locks"), .create = true};
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &manager, &error), IPM_OK);
    zero_the_header_code(data_path(""));
    CHECK_INT(repair(data_path(""), options.lock_dir, &repaired, &error), IPM_OK);
    CHECK(repaired);
    CHECK(!exists(lock_path("")));
    destroy(manager);
    CHECK_INT(rmdir(in_dir("locks")), 0);
}

int main(void) {
    set_up();
    run("retires a damaged file that force replaces, so that its users notice",
        tells_when_its_layout_takes_the_place);
    run("retires it also if the new file has another layout",
        tells_when_another_layout_takes_the_place);
    run("repairs the header code, and changes nothing in an undamaged file",
        repairs_the_header_code);
    run("repairs damage that a dead writer's transaction has saved in the shadow",
        repairs_behind_a_transaction);
    run("repairs after a death in a transaction", repairs_after_a_death);
    run("refuses a repair that would need a guess", refuses_what_would_be_a_guess);
    run("repairs a segment whose lock file is in another directory", finds_the_lock_file_elsewhere);
    return tear_down();
}
