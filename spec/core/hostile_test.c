/*
 * Damaged files: each byte of a small segment's header, trailer and footer gets every other value,
 * the file gets every length, and each byte of a lock file in use is damaged. Each file must open
 * or be refused.
 */
#include "../../src/core/file.h"
#include "../../src/core/rwlock.h"
#include "fixture.h"
#include "peer.h"

#include <sys/mman.h>

#define HEAD 4096 /* the offset of the trailer in a segment of one page */
#define HEAD_SIZE 192
#define TAGS 8192
#define SHADOW 12288
#define SCHEMA 16384
#define FILE_SIZE 20480
#define FOOTER (FILE_SIZE - 64)

static unsigned char whole[FILE_SIZE], lock_image[4096 * 5];
static size_t lock_size;
static int data, lock;
static unsigned data_files, lock_files; /* how many damaged files could be opened */

static size_t load(const char *path, void *into, size_t size) {
    int fd = open(path, O_RDONLY);
    ssize_t got = read(fd, into, size);
    close(fd);
    return got > 0 ? (size_t)got : 0;
}

static void make_segment(void) {
    ipm_options options = {.mmap_dir = dir, .create = true, .max_readers = 2};
    ipm_segment *segment;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &segment, &error), IPM_OK);
    CHECK_INT(commit(segment, 5), IPM_OK);
    CHECK_INT(ipm_segment_lock(segment, 0, &error), IPM_OK);
    set_both(segment, 6);
    CHECK_INT(ipm_segment_rollback(segment, &error), IPM_OK);
    ipm_segment_close(segment, NULL);
    CHECK_INT(load(data_path(""), whole, sizeof whole), sizeof whole);
    lock_size = load(lock_path(""), lock_image, sizeof lock_image);
    CHECK_INT(lock_size, 16384);
    data = open(data_path(""), O_RDWR);
    lock = open(lock_path(""), O_RDWR);
}

static void put(int fd, off_t offset, unsigned char value) {
    if (pwrite(fd, &value, 1, offset) != 1)
        peer_die("pwrite");
}

/* Use the segment, whatever the file contains. */
static void use(ipm_segment *segment) {
    unsigned char copy[DEMO_SIZE];
    uint64_t version;
    ipm_segment_info(segment, &(ipm_info){0}, &error);
    ipm_segment_snapshot(segment, copy, &version, &error);
    if (ipm_segment_lock(segment, 0, &error) == IPM_OK) {
        ipm_segment_read(segment, A_OFFSET, 8, copy, &error);
        if (ipm_segment_change(segment, B_OFFSET, 8) != NULL)
            ipm_segment_rollback(segment, &error);
        else
            ipm_segment_unlock(segment, &error);
    }
}

/* returns  whether the data file opens, or is refused with a right code; sets *opens */
static bool opens_or_is_refused(bool *opens) {
    data_files++;
    ipm_options options = {.mmap_dir = dir};
    ipm_segment *segment;
    ipm_layout *layout;
    int code = ipm_segment_open(IPM_EDITOR, demo, &options, &segment, &error);
    *opens = code == IPM_OK;
    if (code == IPM_OK)
        use(segment);
    ipm_segment_close(segment, NULL);
    int loaded = ipm_layout_load(data_path(""), &layout, &error);
    ipm_layout_free(layout);
    return (code == IPM_OK || code == IPM_ECORRUPT || code == IPM_ELAYOUT) &&
           (loaded == IPM_OK || loaded == IPM_ECORRUPT);
}

/* Try every other value of each byte. returns  how many of the files open */
static int flip(off_t from, off_t to, int step) {
    int opening = 0;
    for (off_t at = from; at < to; at++) {
        for (int other = 1; other < 256; other += step) {
            bool opens;
            put(data, at, (unsigned char)(whole[at] ^ other));
            if (!CHECK(opens_or_is_refused(&opens)))
                printf("#   byte %d as %d: %s\n", (int)at, whole[at] ^ other, error.text);
            opening += opens;
        }
        if (pwrite(data, whole, sizeof whole, 0) != sizeof whole)
            peer_die("pwrite");
    }
    return opening;
}

static void takes_or_refuses_the_header(void) {
    CHECK_INT(flip(0, 2, 1), 0);
    CHECK_INT(flip(2, 16, 16), 14 * 16); /* padding and time stamp, which may have any value */
}

static void takes_or_refuses_the_trailer_head(void) {
    CHECK_INT(flip(HEAD, HEAD + 20, 1), 0);       /* magic, format, byte order, block size */
    CHECK_INT(flip(HEAD + 24, HEAD + 128, 1), 0); /* the geometry, and bytes that must be zero */
    int slots = flip(HEAD + 20, HEAD + 21, 1);
    CHECK_INT(slots, IPM_MAX_READERS - 1); /* 1 to 128, except the present value */
    CHECK_INT(flip(HEAD + 21, HEAD + 24, 1), 0);
}

static void takes_or_refuses_the_state(void) {
    int opening = flip(HEAD + 128, HEAD + 160, 1);
    CHECK(opening >= 32 * 255 - 128); /* except a sequence near its largest value */
    opening = flip(HEAD + 164, HEAD + 192, 1);
    CHECK_INT(opening, 28 * 255);
}

/* Any value except zero means retired. The opener then waits for the file that replaces it. */
static void takes_a_retired_file_for_none(void) {
    ipm_options options = {.mmap_dir = dir};
    ipm_segment *segment;
    for (off_t at = HEAD + 160; at < HEAD + 164; at++) {
        put(data, at, 0x80);
        CHECK_INT(ipm_segment_open(IPM_EDITOR, demo, &options, &segment, &error), IPM_ENOTFOUND);
        put(data, at, 0);
    }
}

static void takes_or_refuses_tags_shadow_and_schema(void) {
    CHECK_INT(flip(TAGS, TAGS + 24, 5), 24 * 51);
    CHECK_INT(flip(SHADOW, SHADOW + DEMO_SIZE, 85), DEMO_SIZE * 3);
    CHECK_INT(flip(SCHEMA, SCHEMA + (off_t)strlen(DEMO_TEXT), 1), 0);
}

static void refuses_a_damaged_footer(void) {
    CHECK_INT(flip(FOOTER, FILE_SIZE, 1), 0);
}

static void says_of_which_format_a_file_is(void) {
    unsigned char old = 1; /* that format had no levels of tags above the blocks */
    unsigned char own = whole[FOOTER + 8];
    ipm_options options = {.mmap_dir = dir};
    ipm_segment *segment;
    ipm_layout *layout;
    put(data, FOOTER + 8, old);
    put(data, HEAD + 8, old);
    CHECK_ERROR(
        ipm_segment_open(IPM_READER, demo, &options, &segment, &error), IPM_ECORRUPT,
        "Demo_.mmap is a segment of format 1, and this version of ipmmap reads only format 2");
    CHECK_ERROR(ipm_layout_load(data_path(""), &layout, &error), IPM_ECORRUPT, "of format 1");
    put(data, FOOTER + 8, own);
    put(data, HEAD + 8, own);
}

static void refuses_every_other_length(void) {
    bool opens;
    for (off_t length = FILE_SIZE - 1; length >= 0; length--) {
        CHECK_INT(ftruncate(data, length), 0);
        if (!CHECK(opens_or_is_refused(&opens) && !opens))
            printf("#   length %d\n", (int)length);
    }
    CHECK_INT(pwrite(data, whole, sizeof whole, 0), sizeof whole);
    for (off_t length = FILE_SIZE + 1; length < FILE_SIZE + 2 * 4096; length++) {
        CHECK_INT(ftruncate(data, length), 0);
        CHECK(opens_or_is_refused(&opens) && !opens);
    }
    CHECK_INT(ftruncate(data, FILE_SIZE), 0);
    CHECK(opens_or_is_refused(&opens) && opens);
}

/* A sequence that would soon overflow. No correct program can reach it. */
static void refuses_a_sequence_near_its_end(void) {
    bool opens;
    static const uint64_t ends[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2, UINT64_C(1) << 63};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        CHECK_INT(pwrite(data, &ends[i], 8, HEAD + 128), 8);
        CHECK(opens_or_is_refused(&opens) && !opens);
    }
    CHECK_INT(pwrite(data, whole, sizeof whole, 0), sizeof whole);
}

/* ---- The lock file ----------------------------------------------------------------------- */

static bool hold_as_in_use(int fd, short type) {
    struct flock user = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &user) == 0;
}

/* returns  whether the segment opens and its lock can be tried, or is incompatible */
static bool joins_or_is_incompatible(void) {
    lock_files++;
    ipm_options options = {.mmap_dir = dir};
    ipm_segment *segment;
    int code = ipm_segment_open(IPM_EDITOR, demo, &options, &segment, &error);
    if (code == IPM_OK)
        use(segment);
    ipm_segment_close(segment, NULL);
    return code == IPM_OK || code == IPM_EINCOMPATIBLE;
}

static void flip_lock(off_t from, off_t to, int step) {
    for (off_t at = from; at < to; at++)
        for (int other = 1; other < 256; other += step) {
            if (pwrite(lock, lock_image, lock_size, 0) != (ssize_t)lock_size)
                peer_die("pwrite");
            put(lock, at, (unsigned char)(lock_image[at] ^ other));
            if (!CHECK(joins_or_is_incompatible()))
                printf("#   byte %d as %d: %s\n", (int)at, lock_image[at] ^ other, error.text);
        }
}

#define PLACES (off_t)(IPM_PAGE + offsetof(ipm_rwlock_shared, places))
#define SLOTS (off_t)(IPM_PAGE + offsetof(ipm_rwlock_shared, slots))

/* This runs in a process of its own, which must not abort. The locks that it takes are useless. */
static void joins_damaged_lock_files(peer *test) {
    (void)test;
    flip_lock(8, 192, 1);          /* the head except the magic, which is tested below */
    flip_lock(4096, 4096 + 56, 3); /* the gate */
    flip_lock(4160, 4160 + 16,
              1); /* the writer's flag, the high-water mark, and the queue's words */
    flip_lock(PLACES, PLACES + 112, 3);
    flip_lock(SLOTS, SLOTS + 112, 3);
    printf("# %u damaged lock files in use\n", lock_files);
    fflush(stdout);
    _exit(tap.bad);
}

static void takes_or_refuses_a_lock_file_in_use(void) {
    CHECK(hold_as_in_use(lock, F_RDLCK));
    CHECK_INT(run_peer(joins_damaged_lock_files), 0);
    CHECK(hold_as_in_use(lock, F_UNLCK));
}

/* Each opening waits a second for an initialiser. So all of them run at the same time. */
static void joins_without_magic(peer *test) {
    hear(test);
    ipm_options options = {.mmap_dir = dir};
    ipm_segment *segment;
    int code = ipm_segment_open(IPM_READER, demo, &options, &segment, &error);
    if (code != IPM_OK || ipm_segment_lock(segment, 0, &error) != IPM_EINCOMPATIBLE)
        _exit(1);
}

static void refuses_a_lock_file_in_use_without_magic(void) {
    peer peers[8];
    CHECK_INT(pwrite(lock, lock_image, lock_size, 0), (ssize_t)lock_size);
    put(lock, 5, 'x');
    CHECK(hold_as_in_use(lock, F_RDLCK));
    for (int i = 0; i < 8; i++)
        peers[i] = start(joins_without_magic);
    for (int i = 0; i < 8; i++)
        tell(&peers[i], 'g');
    for (int i = 0; i < 8; i++)
        CHECK_INT(finish(&peers[i]), 0);
    CHECK(hold_as_in_use(lock, F_UNLCK));
}

static void makes_a_damaged_lock_file_afresh(void) {
    ipm_segment *segment;
    unsigned seed = 3;
    for (int i = 0; i < 500; i++) {
        for (int b = 0; b < 32; b++) {
            seed = seed * 1103515245 + 12345;
            put(lock, (off_t)((seed >> 8) % lock_size), (unsigned char)(seed >> 24));
        }
        segment = opened(IPM_EDITOR, "");
        CHECK_INT(ipm_segment_lock(segment, 0, &error), IPM_OK);
        CHECK_INT(ipm_segment_unlock(segment, &error), IPM_OK);
        CHECK_INT(read_a(segment), 5);
        ipm_segment_close(segment, NULL);
    }
    for (off_t length = 0; length < (off_t)lock_size; length += 97) {
        CHECK_INT(ftruncate(lock, length), 0);
        segment = opened(IPM_EDITOR, "");
        CHECK_INT(ipm_segment_lock(segment, 0, &error), IPM_OK);
        ipm_segment_close(segment, NULL);
    }
}

int main(void) {
    set_up();
    run("finds the files that it will damage", make_segment);
    run("accepts or refuses any header without a crash", takes_or_refuses_the_header);
    run("accepts or refuses any trailer head without a crash", takes_or_refuses_the_trailer_head);
    run("accepts or refuses any state without a crash", takes_or_refuses_the_state);
    run("treats a retired file as missing", takes_a_retired_file_for_none);
    run("accepts or refuses any tags, shadow and schema without a crash",
        takes_or_refuses_tags_shadow_and_schema);
    run("refuses a damaged footer", refuses_a_damaged_footer);
    run("names the format of a file of an older version", says_of_which_format_a_file_is);
    run("refuses a sequence near its largest value", refuses_a_sequence_near_its_end);
    run("refuses a file of any other length", refuses_every_other_length);
    run("accepts or refuses a damaged lock file in use without a crash",
        takes_or_refuses_a_lock_file_in_use);
    run("refuses a lock file in use without its magic", refuses_a_lock_file_in_use_without_magic);
    run("initialises a damaged lock file that no process uses", makes_a_damaged_lock_file_afresh);
    printf("# %u damaged data files\n", data_files);
    return tear_down();
}
