/* A full file system: an error at creation, and never a SIGBUS. Needs root, to mount a tmpfs. */
#include "fixture.h"
#include "peer.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>

#define NO_MOUNT 77
#define PAGES_NEEDED 9 /* by the two files of a Demo */

static char full[128];
static unsigned pages;

static void expect(bool as_expected, int status) {
    if (!as_expected) {
        printf("# with %u pages: %s\n", pages, error.text);
        fflush(NULL);
        _exit(status);
    }
}

/* In a mount namespace of its own, so that nothing stays mounted whatever happens. */
static void mount_small(void) {
    char size[64];
    snprintf(size, sizeof size, "size=%u", pages * 4096);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", full, "tmpfs", 0, size) != 0)
        _exit(NO_MOUNT);
}

static int open_full(ipm_role role, ipm_segment **own) {
    ipm_options options = {.mmap_dir = full, .create = role == IPM_MANAGER};
    memset(&error, 0, sizeof error);
    return ipm_segment_open(role, demo, &options, own, &error);
}

static bool is_empty(void) {
    int count = 0;
    DIR *d = opendir(full);
    while (d != NULL && readdir(d) != NULL)
        count++;
    closedir(d);
    return count == 2;
}

static void fill_up(void) {
    static const char zeros[4096];
    char path[160];
    snprintf(path, sizeof path, "%s/filler", full);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    while (write(fd, zeros, sizeof zeros) > 0)
        ;
    expect(errno == ENOSPC, 60);
    close(fd);
}

static void use_all(ipm_segment *own) {
    unsigned char copy[DEMO_SIZE];
    expect(commit(own, 5) == IPM_OK, 20);
    expect(ipm_segment_clear(own, &error) == IPM_OK, 21);
    expect(ipm_segment_lock(own, 0, &error) == IPM_OK, 22);
    memset(ipm_segment_change(own, 16, DEMO_SIZE - 16), 0xEE, DEMO_SIZE - 16);
    expect(ipm_segment_rollback(own, &error) == IPM_OK, 23);
    expect(commit(own, 6) == IPM_OK, 24);
    expect(ipm_segment_flush(own, &error) == IPM_OK, 25);
    expect(ipm_segment_snapshot(own, copy, NULL, &error) == IPM_OK, 26);
}

static void creates_and_uses(peer *test) {
    ipm_segment *manager, *reader;
    (void)test;
    mount_small();
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
    expect(open_full(IPM_MANAGER, &manager) == IPM_OK, 8); /* makes the lock file afresh */
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

static void keeps_the_old_one(peer *test) {
    ipm_segment *old, *new;
    (void)test;
    mount_small();
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

/* Remade by an opener, not by a creator. */
static void has_no_room_for_the_lock_file(peer *test) {
    char path[160];
    ipm_segment *own;
    (void)test;
    mount_small();
    expect(open_full(IPM_MANAGER, &own) == IPM_OK, 1);
    expect(commit(own, 5) == IPM_OK, 2);
    ipm_segment_close(own, NULL);
    snprintf(path, sizeof path, "%s/Demo_.lock", full);
    expect(remove(path) == 0, 3);
    fill_up();
    expect(open_full(IPM_EDITOR, &own) == IPM_ENOSPACE, 4);
    expect(!exists(path), 5);
    expect(open_full(IPM_READER, &own) == IPM_ENOSPACE, 6);
    expect(!exists(path), 7);
}

static void leaves_no_lock_file_that_it_could_not_fill(void) {
    run_full(has_no_room_for_the_lock_file, PAGES_NEEDED);
}

/* `cp --sparse=always`, or a restored backup: the file has holes, that must not be met later. */
static void has_holes(peer *test) {
    unsigned char page[4096];
    char path[160], copy[160];
    ipm_segment *own;
    (void)test;
    mount_small();
    expect(open_full(IPM_MANAGER, &own) == IPM_OK, 1);
    ipm_segment_close(own, NULL);
    snprintf(path, sizeof path, "%s/Demo_.mmap", full);
    snprintf(copy, sizeof copy, "%s/copy", full);
    int in = open(path, O_RDONLY), out = open(copy, O_CREAT | O_RDWR, 0600);
    for (off_t at = 0; pread(in, page, sizeof page, at) == sizeof page; at += 4096) {
        static const unsigned char zeros[sizeof page];
        expect(ftruncate(out, at + (off_t)sizeof page) == 0, 2);
        if (memcmp(page, zeros, sizeof page) != 0)
            expect(pwrite(out, page, sizeof page, at) == sizeof page, 3);
    }
    close(in);
    close(out);
    expect(rename(copy, path) == 0, 4);
    fill_up();
    expect(open_full(IPM_EDITOR, &own) == IPM_ENOSPACE, 5);
    snprintf(path, sizeof path, "%s/filler", full);
    expect(remove(path) == 0, 6);
    expect(open_full(IPM_EDITOR, &own) == IPM_OK, 7);
    fill_up();
    use_all(own);
}

static void fills_holes_before_it_writes(void) {
    run_full(has_holes, PAGES_NEEDED + 6);
}

int main(void) {
    set_up();
    snprintf(full, sizeof full, "%s/full", dir);
    if (mkdir(full, 0700) != 0)
        return EXIT_FAILURE;
    run("creates all or nothing, and is safe from then on", creates_all_or_nothing);
    run("keeps what could not be replaced", keeps_what_could_not_be_replaced);
    run("leaves no lock file that it could not fill", leaves_no_lock_file_that_it_could_not_fill);
    run("fills holes before anyone writes to them", fills_holes_before_it_writes);
    return tear_down();
}
