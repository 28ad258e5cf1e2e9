/*
 * Shared by the tests of segments: a directory that is removed at the end, a layout, and functions
 * that open segments.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "../../src/ipmmap.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

/* Three blocks; the last one is not full. */
#define DEMO_TEXT                                                                                  \
    IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure {\n"                                          \
                    "  a: int64\n"                                                                 \
                    "  text: char[600]\n"                                                          \
                    "  b: int64\n"                                                                 \
                    "}\n"
#define DEMO_SIZE 632
#define A_OFFSET 16
#define B_OFFSET 624

static ipm_layout *demo;
static ipm_error error;
static char dir[64];
static pid_t dir_owner;

static inline int remove_one(const char *path, const struct stat *status, int type,
                             struct FTW *where) {
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static inline void remove_dir(void) {
    if (getpid() == dir_owner)
        nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline ipm_layout *layout_of(const char *text) {
    ipm_layout *layout;
    if (ipm_layout_parse(text, strlen(text), &layout, &error) != IPM_OK) {
        printf("Bail out! %s\n", error.text);
        exit(EXIT_FAILURE);
    }
    return layout;
}

/* Make the directory and the layout. Call this first in main. An alarm ends a test that hangs. */
static inline void set_up(void) {
    alarm(300);
    snprintf(dir, sizeof dir, "%s/ipmmap-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(dir) == NULL) {
        printf("Bail out! cannot make %s\n", dir);
        exit(EXIT_FAILURE);
    }
    dir_owner = getpid();
    atexit(remove_dir);
    demo = layout_of(DEMO_TEXT);
}

static inline int tear_down(void) {
    ipm_layout_free(demo);
    return done();
}

/* A path in the directory. It is valid until the fourth call after this one. */
static inline const char *in_dir(const char *name) {
    static char paths[4][4352];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static inline const char *data_path(const char *tag) {
    char name[256];
    snprintf(name, sizeof name, "Demo_%s.mmap", tag);
    return in_dir(name);
}

static inline const char *lock_path(const char *tag) {
    char name[256];
    snprintf(name, sizeof name, "Demo_%s.lock", tag);
    return in_dir(name);
}

/* Open in a role. returns  the code; sets *segment, to NULL if it fails, and `error` */
static inline int open_as(ipm_role role, const char *tag, ipm_segment **segment) {
    ipm_options options = {.tag = tag, .mmap_dir = dir, .create = role == IPM_MANAGER};
    memset(&error, 0, sizeof error);
    return ipm_segment_open(role, demo, &options, segment, &error);
}

/* Open in a role; a manager creates. If that fails, the test fails, and the result is NULL. */
static inline ipm_segment *opened(ipm_role role, const char *tag) {
    ipm_segment *segment;
    if (!CHECK_INT(open_as(role, tag, &segment), IPM_OK))
        printf("# %s\n", error.text);
    return segment;
}

static inline bool exists(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0;
}

/* The number of entries of a directory. */
static inline int entries(const char *path) {
    int count = 0;
    DIR *d = opendir(path);
    while (d != NULL && readdir(d) != NULL)
        count++;
    closedir(d);
    return count - 2;
}

/* The number of the next descriptor; -1: this process may have no more. If a descriptor leaks, the
 * number grows. */
static inline int next_descriptor(void) {
    int next = dup(2);
    close(next);
    return next;
}

static inline int64_t read_a(ipm_segment *segment) {
    int64_t value = -1;
    ipm_segment_read(segment, A_OFFSET, sizeof value, &value, NULL);
    return value;
}

/* Change a field. The caller holds the lock. */
static inline void set_at(ipm_segment *segment, uint64_t offset, int64_t value) {
    int64_t *field = ipm_segment_change(segment, offset, sizeof value);
    if (CHECK(field != NULL))
        __atomic_store_n(field, value, __ATOMIC_RELAXED);
}

static inline void set_both(ipm_segment *segment, int64_t value) {
    set_at(segment, A_OFFSET, value);
    set_at(segment, B_OFFSET, value);
}

/* Lock, change both fields, and commit. */
static inline int commit(ipm_segment *segment, int64_t value) {
    int code = ipm_segment_lock(segment, 10 * SECOND, &error);
    if (code != IPM_OK)
        return code;
    set_both(segment, value);
    return ipm_segment_unlock(segment, &error);
}

static inline int64_t version_of(ipm_segment *segment) {
    uint64_t version = UINT64_MAX;
    ipm_segment_version(segment, &version, NULL);
    return (int64_t)version;
}

static inline ipm_info info_of(ipm_segment *segment) {
    ipm_info info = {0};
    CHECK_INT(ipm_segment_info(segment, &info, &error), IPM_OK);
    return info;
}

/* Check that the call fails with the code, and that `error` has it and a text with `part`. */
#define CHECK_ERROR(call, expected_code, part)                                                     \
    do {                                                                                           \
        memset(&error, 0, sizeof error);                                                           \
        CHECK_INT(call, expected_code);                                                            \
        CHECK_INT(error.code, expected_code);                                                      \
        if (!CHECK(strstr(error.text, part) != NULL))                                              \
            printf("#   in: %s\n", error.text);                                                    \
    } while (0)

#endif
