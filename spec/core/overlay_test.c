/*
 * Segments on an overlay file system, as in a container. A mapping keeps no file lock there, and a
 * file of a lower layer is copied when a process first opens it for writing. Needs root, to mount.
 */
#include "../../src/core/file.h"
#include "../../src/core/lockfile.h"
#include "fixture.h"
#include "peer.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>

#define STRANGER 12003
#define WORKERS 4
#define UPDATES 2000

static char top[32];
static bool mounted;

#define NEEDS_OVERLAYFS                                                                            \
    if (!mounted)                                                                                  \
    SKIP("overlayfs cannot be mounted here")

/* ---- Mounting ---------------------------------------------------------------------------- */

static const char *in_top(const char *name) {
    static char paths[4][64];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", top, name);
    return path;
}

/* Mount a file system for the layers, in a mount namespace of this process. returns  false: it is
 * not possible here */
static bool mount_layers(void) {
    static const char *const names[] = {"lower", "upper", "work", "merged"};
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", top, "tmpfs", 0, NULL) != 0 || chmod(top, 0755) != 0)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (mkdir(in_top(names[i]), 0755) != 0)
            return false;
    return true;
}

/* Mount an overlay file system, and set `dir` to a directory on it. returns  false: it is not
 * possible here */
static bool mount_overlay(void) {
    char layers[512];
    snprintf(layers, sizeof layers, "lowerdir=%s,upperdir=%s,workdir=%s", in_top("lower"),
             in_top("upper"), in_top("work"));
    if (mount("overlay", in_top("merged"), "overlay", 0, layers) != 0)
        return false;
    snprintf(dir, sizeof dir, "%s/merged", top);
    return true;
}

/* A segment in the lower layer, as in a container's image. */
static void bake(const char *tag) {
    ipm_segment *manager;
    ipm_options options = {.tag = tag, .mmap_dir = in_top("lower"), .create = true, .mode = 0644};
    if (CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &manager, &error), IPM_OK))
        CHECK_INT(commit(manager, 1), IPM_OK);
    ipm_segment_close(manager, NULL);
}

/* ---- The lock ---------------------------------------------------------------------------- */

static void expect(bool as_expected, int status) {
    if (!as_expected)
        _exit(status);
}

static void tries_to_lock(peer *test) {
    ipm_segment *editor;
    (void)test;
    expect(open_as(IPM_EDITOR, "held", &editor) == IPM_OK, 1);
    expect(ipm_segment_lock(editor, 0, NULL) == IPM_ETIMEOUT, 2);
}

static void excludes_an_editor_that_opens_later(void) {
    NEEDS_OVERLAYFS;
    ipm_segment *manager = opened(IPM_MANAGER, "held");
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_OK);
    set_both(manager, 5);
    CHECK_INT(run_peer(tries_to_lock), 0);
    CHECK_INT(ipm_segment_unlock(manager, &error), IPM_OK);
    CHECK_INT(read_a(manager), 5);
    CHECK_INT(info_of(manager).recoveries, 0);
    ipm_segment_close(manager, NULL);
}

static void adds_and_reopens(peer *test) {
    (void)test;
    for (int i = 0; i < UPDATES; i++) {
        ipm_segment *editor;
        expect(open_as(IPM_EDITOR, "counted", &editor) == IPM_OK, 1);
        expect(ipm_segment_lock(editor, 10 * SECOND, NULL) == IPM_OK, 2);
        int64_t value = read_a(editor) + 1;
        set_both(editor, value);
        expect(ipm_segment_unlock(editor, NULL) == IPM_OK, 3);
        expect(ipm_segment_close(editor, NULL) == IPM_OK, 4);
    }
}

static void loses_no_update_of_those_who_reopen(void) {
    NEEDS_OVERLAYFS;
    peer workers[WORKERS];
    ipm_segment *manager = opened(IPM_MANAGER, "counted");
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start(adds_and_reopens);
    for (int i = 0; i < WORKERS; i++)
        CHECK_INT(finish(&workers[i]), 0);
    CHECK_INT(read_a(manager), WORKERS * UPDATES);
    ipm_segment_close(manager, NULL);
}

/* ---- Forks ------------------------------------------------------------------------------- */

static int open_files(const char *part) {
    int count = 0;
    DIR *listed = opendir("/proc/self/fd");
    for (struct dirent *entry; listed != NULL && (entry = readdir(listed)) != NULL;) {
        char target[256] = "";
        if (readlinkat(dirfd(listed), entry->d_name, target, sizeof target - 1) > 0)
            count += strstr(target, part) != NULL;
    }
    closedir(listed);
    return count;
}

static bool is_in_use(const char *tag) {
    int fd = open(lock_path(tag), O_RDWR);
    bool used = !ipm_lockfile_claim(fd);
    close(fd);
    return used;
}

static ipm_segment *inherited;

static void has_none_of_its_files(peer *test) {
    (void)test;
    expect(open_files("Demo_forked") == 0, 1);
    expect(ipm_segment_close(inherited, NULL) == IPM_OK, 2);
}

static void lives_on(peer *test) {
    tell(test, 'l');
    hear(test);
}

static void a_forks_child_neither_keeps_nor_ends_the_lock(void) {
    NEEDS_OVERLAYFS;
    inherited = opened(IPM_MANAGER, "forked");
    CHECK(open_files("Demo_forked") > 0);
    CHECK_INT(run_peer(has_none_of_its_files), 0);
    CHECK(is_in_use("forked"));
    peer child = start(lives_on);
    CHECK_INT(hear(&child), 'l');
    ipm_segment_close(inherited, NULL);
    CHECK_INT(open_files("Demo_forked"), 0);
    CHECK(!is_in_use("forked"));
    finish(&child);
}

/* ---- The lower layer --------------------------------------------------------------------- */

/* How many mappings of files with this in their names the process has. */
static int mappings(const char *name) {
    int count = 0;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        count += strstr(line, name) != NULL;
    fclose(maps);
    return count;
}

static void a_reader_sees_what_is_written_after_it_opened(void) {
    NEEDS_OVERLAYFS;
    uint64_t version = 0;
    ipm_segment *reader = opened(IPM_READER, "baked");
    CHECK_INT(read_a(reader), 1);
    CHECK_INT(mappings("Demo_baked.lock"), 1);
    CHECK_INT(open_files("Demo_baked.mmap"), 0);
    ipm_segment *editor = opened(IPM_EDITOR, "baked");
    CHECK_INT(commit(editor, 2), IPM_OK);
    CHECK_INT(read_a(reader), 2);
    CHECK_INT(ipm_segment_wait(reader, 1, 0, &version, &error), IPM_OK);
    CHECK_INT(version, 2);
    ipm_segment_close(editor, NULL);
    ipm_segment_close(reader, NULL);
    CHECK_INT(mappings("Demo_baked"), 0);
}

/* A reader without permission to write cannot cause the copy. */
static void reads_as_a_stranger(peer *test) {
    ipm_segment *reader;
    uint64_t version;
    unsigned char copy[DEMO_SIZE];
    expect(setgid(STRANGER) == 0 && setuid(STRANGER) == 0, 90);
    expect(open_as(IPM_READER, "foreign", &reader) == IPM_OK, 1);
    expect(read_a(reader) == 1, 2);
    expect(ipm_segment_wait(reader, 1, 0, &version, NULL) == IPM_ETIMEOUT, 3);
    tell(test, 'r');
    hear(test);
    expect(ipm_segment_snapshot(reader, copy, NULL, &error) == IPM_EREPLACED, 4);
    expect(strstr(error.text, "copied to the upper layer") != NULL, 5);
    expect(ipm_segment_wait(reader, 1, IPM_FOREVER, &version, NULL) == IPM_EREPLACED, 6);
    expect(ipm_segment_version(reader, &version, NULL) == IPM_EREPLACED, 7);
    ipm_segment_close(reader, NULL);
    expect(open_files("Demo_foreign") == 0, 8);
    expect(open_as(IPM_READER, "foreign", &reader) == IPM_OK, 9);
    expect(read_a(reader) == 2, 10);
    tell(test, 'r');
    hear(test);
    expect(read_a(reader) == 3, 11);
    ipm_segment_close(reader, NULL);
}

static void a_reader_that_is_left_behind_says_replaced(void) {
    NEEDS_OVERLAYFS;
    peer stranger = start(reads_as_a_stranger);
    CHECK_INT(hear(&stranger), 'r');
    ipm_segment *editor = opened(IPM_EDITOR, "foreign");
    CHECK_INT(commit(editor, 2), IPM_OK);
    tell(&stranger, 'g');
    CHECK_INT(hear(&stranger), 'r');
    CHECK_INT(commit(editor, 3), IPM_OK);
    CHECK_INT(finish(&stranger), 0);
    ipm_segment_close(editor, NULL);
}

int main(void) {
    set_up();
    snprintf(top, sizeof top, "%.31s", dir);
    mounted = mount_layers();
    if (mounted) {
        bake("baked");
        bake("foreign");
        mounted = mount_overlay();
    }
    run("an editor that opens later cannot take a lock that is held",
        excludes_an_editor_that_opens_later);
    run("editors that open the segment for each update lose no update",
        loses_no_update_of_those_who_reopen);
    run("the child of a fork neither keeps nor ends its parent's file lock",
        a_forks_child_neither_keeps_nor_ends_the_lock);
    run("a reader of a file in a lower layer sees later writes",
        a_reader_sees_what_is_written_after_it_opened);
    run("a reader of a file in a lower layer that may not write it notices the copy",
        a_reader_that_is_left_behind_says_replaced);
    strcpy(dir, top);
    umount2(in_top("merged"), MNT_DETACH);
    umount2(top, MNT_DETACH);
    return tear_down();
}
