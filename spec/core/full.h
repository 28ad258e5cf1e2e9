/*
 * Small file systems for tests that fill them up. A process of its own (see peer.h) mounts each in
 * a mount namespace of its own, so that nothing stays mounted after a crash. Mounting needs root.
 */
#ifndef FULL_H
#define FULL_H

#include "fixture.h"
#include "peer.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>

#define NO_MOUNT 77
#define PAGES_NEEDED 11 /* the room that the two files of a Demo segment need */

static char full[128]; /* where the file system is mounted */

/* Used in the process that mounts. Its exit status tells the test which expectation failed. */
static inline void expect(bool as_expected, int status) {
    if (!as_expected) {
        printf("# expectation %d: %s\n", status, error.text);
        fflush(NULL);
        _exit(status);
    }
}

static inline void set_up_full(void) {
    set_up();
    snprintf(full, sizeof full, "%s/full", dir);
    if (mkdir(full, 0700) != 0)
        exit(EXIT_FAILURE);
}

static inline void mount_alone(void) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0)
        _exit(NO_MOUNT);
}

static inline void mount_tmpfs(unsigned pages) {
    char size[64];
    snprintf(size, sizeof size, "size=%u", pages * 4096);
    mount_alone();
    if (mount("none", full, "tmpfs", 0, size) != 0)
        _exit(NO_MOUNT);
}

/* Run a shell command in which each %s is the test's directory. returns  whether it succeeded */
static inline bool shell(const char *format) {
    char command[1024];
    snprintf(command, sizeof command, format, dir, dir, dir, dir);
    fflush(NULL);
    return system(command) == 0;
}

/* `make` is the command that makes the file system in %s/image. */
static inline void mount_image(const char *size, const char *make) {
    char command[512];
    mount_alone();
    snprintf(command, sizeof command, "rm -f %%s/image; truncate -s %s %%s/image", size);
    expect(shell(command), 90);
    snprintf(command, sizeof command, "%s >/dev/null 2>&1 && mount -o loop %%s/image %%s/full 2>&1",
             make);
    if (!shell(command))
        _exit(NO_MOUNT);
}

static inline int open_full(ipm_role role, ipm_segment **own) {
    ipm_options options = {.mmap_dir = full, .create = role == IPM_MANAGER};
    memset(&error, 0, sizeof error);
    return ipm_segment_open(role, demo, &options, own, &error);
}

static inline bool is_empty(void) {
    int count = 0;
    DIR *d = opendir(full);
    while (d != NULL && readdir(d) != NULL)
        count++;
    closedir(d);
    return count == 2;
}

/*
 * Fill the file system to its last page, also on the disk: so a later write shows whether the space
 * that the file system promised to delayed writes is really there.
 */
static inline void fill_up(void) {
    static const char zeros[4096];
    char path[160];
    snprintf(path, sizeof path, "%s/filler", full);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    off_t at = 0;
    for (off_t step = 64 << 20; step >= 4096; step /= 2)
        while (fallocate(fd, 0, at, step) == 0)
            at += step;
    expect(errno == ENOSPC, 91);
    while (pwrite(fd, zeros, sizeof zeros, at) > 0)
        at += (off_t)sizeof zeros;
    expect(errno == ENOSPC, 92);
    expect(syncfs(fd) == 0, 93);
    close(fd);
}

static inline void make_room(void) {
    char path[160];
    snprintf(path, sizeof path, "%s/filler", full);
    expect(remove(path) == 0, 94);
    sync();
}

/* Store to all bytes of the segment, and again after they were written to the disk. */
static inline void use_all(ipm_segment *own) {
    unsigned char copy[DEMO_SIZE];
    for (int64_t turn = 0; turn < 3; turn++) {
        expect(commit(own, 5) == IPM_OK, 20);
        expect(ipm_segment_clear(own, &error) == IPM_OK, 21);
        expect(ipm_segment_lock(own, 0, &error) == IPM_OK, 22);
        memset(ipm_segment_change(own, 16, DEMO_SIZE - 16), 0xEE, DEMO_SIZE - 16);
        expect(ipm_segment_rollback(own, &error) == IPM_OK, 23);
        expect(commit(own, 6) == IPM_OK, 24);
        expect(ipm_segment_flush(own, &error) == IPM_OK, 25);
        expect(ipm_segment_snapshot(own, copy, NULL, &error) == IPM_OK, 26);
        sync();
    }
}

#endif
