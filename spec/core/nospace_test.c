/* A full tmpfs, and a limit on file sizes: creation fails, and no store raises a signal. Needs
 * root, to mount a tmpfs. */
#include "full.h"

#include <sys/resource.h>

static unsigned pages;

static void creates_and_uses(peer *test) {
    ipm_segment *manager, *reader;
    (void)test;
    mount_tmpfs(pages);
    int code = open_full(IPM_MANAGER, &manager);
    if (pages < PAGES_NEEDED) {
        expect(code == IPM_ENOSPACE, 1);
        expect(strstr(error.text, "No space left on device") != NULL, 2);
        expect(is_empty(), 3);
        _exit(0);
    }
    expect(code == IPM_OK, 4);
    fill_up();
    use_all(manager);
    expect(open_full(IPM_READER, &reader) == IPM_OK, 5);
    expect(ipm_segment_lock(reader, 0, &error) == IPM_OK, 6);
    expect(read_a(reader) == 6, 7);
    ipm_segment_close(reader, NULL);
    ipm_segment_close(manager, NULL);
    expect(open_full(IPM_MANAGER, &manager) == IPM_OK, 8); /* initialises the lock file */
    use_all(manager);
    expect(ipm_segment_destroy(manager, &error) == IPM_OK, 9);
    ipm_segment_close(manager, NULL);
}

static void run_full(void (*body)(peer *), unsigned size) {
    pages = size;
    int status = run_peer(body);
    if (status == NO_MOUNT)
        SKIP("needs root, to mount a tmpfs");
    if (!CHECK_INT(status, 0))
        printf("#   with %u pages\n", size);
}

static void creates_all_or_nothing(void) {
    for (unsigned size = 1; size <= PAGES_NEEDED + 3 && tap.skipped == NULL; size++)
        run_full(creates_and_uses, size);
}

static void creates_with_defaults_all_or_nothing(void) {
    ipm_layout *plain = demo;
    demo =
        layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure {"
                                  " a: int64 (default 3); text: char[600]; b: int64 (default 4) }");
    creates_all_or_nothing();
    ipm_layout_free(demo);
    demo = plain;
}

static void keeps_the_old_one(peer *test) {
    ipm_segment *old, *new;
    (void)test;
    mount_tmpfs(pages);
    expect(open_full(IPM_MANAGER, &old) == IPM_OK, 1);
    expect(commit(old, 5) == IPM_OK, 2);
    fill_up();
    ipm_layout *other = layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int8 }");
    ipm_options options = {.mmap_dir = full, .create = true, .force = true};
    expect(ipm_segment_open(IPM_MANAGER, other, &options, &new, &error) == IPM_ENOSPACE, 3);
    expect(read_a(old) == 5, 4);
    expect(commit(old, 6) == IPM_OK, 5);
    expect(open_full(IPM_READER, &new) == IPM_OK, 6);
    expect(read_a(new) == 6, 7);
}

static void keeps_what_could_not_be_replaced(void) {
    run_full(keeps_the_old_one, PAGES_NEEDED + 1);
}

/* An opener, and not a creator, makes this lock file. */
static void has_no_room_for_the_lock_file(peer *test) {
    char path[160];
    ipm_segment *own;
    (void)test;
    mount_tmpfs(pages);
    expect(open_full(IPM_MANAGER, &own) == IPM_OK, 1);
    expect(commit(own, 5) == IPM_OK, 2);
    ipm_segment_close(own, NULL);
    snprintf(path, sizeof path, "%s/Demo_.lock", full);
    expect(remove(path) == 0, 3);
    fill_up();
    expect(open_full(IPM_EDITOR, &own) == IPM_ENOSPACE, 4);
    expect(!exists(path), 5);
    expect(open_full(IPM_READER, &own) == IPM_OK, 6);
    expect(!exists(path), 7);
    expect(read_a(own) == 5, 8);
    expect(ipm_segment_lock(own, 0, &error) == IPM_ENOSPACE, 9);
    expect(strstr(error.text, path) != NULL, 10);
}

static void leaves_no_lock_file_that_it_could_not_fill(void) {
    run_full(has_no_room_for_the_lock_file, PAGES_NEEDED);
}

/* The file has holes, as after `cp --sparse=always` or in a restored backup. */
static void make_sparse(void) {
    unsigned char page[4096];
    char path[160], copy[160];
    snprintf(path, sizeof path, "%s/Demo_.mmap", full);
    snprintf(copy, sizeof copy, "%s/copy", full);
    int in = open(path, O_RDONLY), out = open(copy, O_CREAT | O_RDWR, 0600);
    for (off_t at = 0; pread(in, page, sizeof page, at) == sizeof page; at += 4096) {
        static const unsigned char zeros[sizeof page];
        expect(ftruncate(out, at + (off_t)sizeof page) == 0, 80);
        if (memcmp(page, zeros, sizeof page) != 0)
            expect(pwrite(out, page, sizeof page, at) == sizeof page, 81);
    }
    close(in);
    close(out);
    expect(rename(copy, path) == 0, 82);
}

/* The segment was opened while there was room for its holes. Then the file system fills up. */
static ipm_segment *open_with_holes(ipm_role role) {
    ipm_segment *own;
    mount_tmpfs(pages);
    expect(open_full(IPM_MANAGER, &own) == IPM_OK, 1);
    ipm_segment_close(own, NULL);
    make_sparse();
    fill_up();
    expect(open_full(role, &own) == IPM_ENOSPACE, 2);
    expect(strstr(error.text, "holes in") != NULL, 3);
    make_room();
    expect(open_full(role, &own) == IPM_OK, 4);
    fill_up();
    return own;
}

static void writes_to_holes(peer *test) {
    (void)test;
    use_all(open_with_holes(IPM_EDITOR));
}

static void fills_holes_before_it_writes(void) {
    run_full(writes_to_holes, PAGES_NEEDED + 6);
}

static void reads_holes(peer *test) {
    unsigned char copy[DEMO_SIZE];
    (void)test;
    expect(ipm_segment_snapshot(open_with_holes(IPM_READER), copy, NULL, &error) == IPM_OK, 5);
}

static void fills_holes_before_it_reads(void) {
    run_full(reads_holes, PAGES_NEEDED + 6);
}

/* ---- A limit on the size of files, which the kernel enforces with SIGXFSZ ------------------ */

static const char *limited_dir(void) {
    return in_dir("limited");
}

static int open_limited(ipm_role role, uint64_t limit, ipm_segment **own) {
    struct rlimit all, lower;
    ipm_options options = {.mmap_dir = limited_dir(), .create = role == IPM_MANAGER};
    memset(&error, 0, sizeof error);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &all), 0);
    lower = (struct rlimit){.rlim_cur = limit, .rlim_max = all.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &lower), 0);
    int code = ipm_segment_open(role, demo, &options, own, &error);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &all), 0);
    return code;
}

static void creates_within_a_limit(void) {
    int refused = 0;
    ipm_segment *own;
    for (uint64_t limit = 0; limit <= 16 * 4096; limit += 2048) {
        int code = open_limited(IPM_MANAGER, limit, &own);
        if (code == IPM_OK) {
            CHECK_INT(commit(own, 5), IPM_OK);
            CHECK_INT(ipm_segment_destroy(own, &error), IPM_OK);
            ipm_segment_close(own, NULL);
            CHECK_INT(rmdir(limited_dir()), 0);
            continue;
        }
        refused++;
        CHECK_INT(code, IPM_ENOSPACE);
        CHECK_INT(error.system, EFBIG);
        CHECK(strstr(error.text, "RLIMIT_FSIZE") != NULL);
        CHECK(!exists(limited_dir()));
    }
    CHECK(refused >= 3 && refused < 30);
}

static void opens_what_is_longer_than_the_limit(void) {
    ipm_segment *own;
    CHECK_INT(open_limited(IPM_MANAGER, RLIM_INFINITY, &own), IPM_OK);
    CHECK_INT(commit(own, 5), IPM_OK);
    ipm_segment_close(own, NULL);
    if (CHECK_INT(open_limited(IPM_EDITOR, 1, &own), IPM_OK))
        CHECK_INT(commit(own, 6), IPM_OK);
    ipm_segment_close(own, NULL);
    CHECK_INT(remove(in_dir("limited/Demo_.lock")), 0);
    CHECK_ERROR(open_limited(IPM_EDITOR, 1, &own), IPM_ENOSPACE, "RLIMIT_FSIZE");
    if (CHECK_INT(open_limited(IPM_READER, 1, &own), IPM_OK))
        CHECK_INT(read_a(own), 6);
    ipm_segment_close(own, NULL);
    CHECK(!exists(in_dir("limited/Demo_.lock")));
    CHECK_INT(open_limited(IPM_MANAGER, RLIM_INFINITY, &own), IPM_OK);
    CHECK_INT(ipm_segment_destroy(own, &error), IPM_OK);
    ipm_segment_close(own, NULL);
}

int main(void) {
    set_up_full();
    run("creates a segment whole or not at all, and stores never fail later",
        creates_all_or_nothing);
    run("creates a segment with defaults whole or not at all",
        creates_with_defaults_all_or_nothing);
    run("keeps the old segment if there is no room to replace it",
        keeps_what_could_not_be_replaced);
    run("removes a lock file that it could not allocate",
        leaves_no_lock_file_that_it_could_not_fill);
    run("fills holes before a writer can store into them", fills_holes_before_it_writes);
    run("fills holes before a reader can read them", fills_holes_before_it_reads);
    run("creates files within the limit on file sizes, or none", creates_within_a_limit);
    run("opens files that are larger than the limit", opens_what_is_longer_than_the_limit);
    return tear_down();
}
