/*
 * File systems on which an overwrite may need room: XFS after a copy that shares blocks, and btrfs
 * always. Needs root, a loop device, and the tools that make these file systems.
 */
#include "full.h"

#define NO_SUCH_COPY 78

static const char no_mount[] = "needs root, a loop device, and mkfs for this file system";

static void make_xfs(void) {
    mount_image("320M", "mkfs.xfs -m reflink=1 %s/image");
}

static void make_btrfs(void) {
    mount_image("120M", "mkfs.btrfs %s/image");
}

static void make_ext4(void) {
    mount_image("16M", "mkfs.ext4 -b 4096 %s/image");
}

static void run_mounted(void (*body)(peer *)) {
    int status = run_peer(body);
    if (status == NO_MOUNT)
        SKIP(no_mount);
    if (status == NO_SUCH_COPY)
        SKIP("needs a cp that shares blocks");
    CHECK_INT(status, 0);
}

static int64_t last; /* the bytes that a reader must find */

/* If the segment was never written, some of its pages are zero. */
static void make_segment(int64_t value) {
    ipm_segment *own;
    last = value;
    expect(open_full(IPM_MANAGER, &own) == IPM_OK, 1);
    expect(value == 0 || commit(own, value) == IPM_OK, 2);
    ipm_segment_close(own, NULL);
    sync();
}

/* Copy both files so that they share all blocks with the copies. */
static void copy_by_reference(void) {
    if (!shell("cd %s/full && mkdir copy && cp --reflink=always Demo_* copy"))
        _exit(NO_SUCH_COPY);
    sync();
}

/* A store that finds no room ends the process by SIGBUS. */
static void uses_on_a_full_disk(ipm_segment *editor) {
    ipm_segment *reader;
    fill_up();
    use_all(editor);
    expect(open_full(IPM_READER, &reader) == IPM_OK, 30);
    expect(ipm_segment_lock(reader, 0, &error) == IPM_OK, 31);
    expect(read_a(reader) == 6, 32);
    ipm_segment_close(reader, NULL);
    ipm_segment_close(editor, NULL);
}

static void reads_on_a_full_disk(void) {
    ipm_segment *own;
    expect(open_full(IPM_READER, &own) == IPM_OK, 40);
    expect(read_a(own) == last, 41);
    ipm_segment_close(own, NULL);
}

static void is_refused_on_a_full_disk(const char *says) {
    ipm_segment *own;
    expect(open_full(IPM_EDITOR, &own) == IPM_ENOSPACE, 42);
    expect(strstr(error.text, says) != NULL, 43);
    expect(open_full(IPM_MANAGER, &own) == IPM_ENOSPACE, 44);
    reads_on_a_full_disk();
}

static void unshares(peer *test) {
    ipm_segment *own;
    (void)test;
    make_xfs();
    make_segment(7);
    copy_by_reference();
    expect(open_full(IPM_EDITOR, &own) == IPM_OK, 3);
    uses_on_a_full_disk(own);
}

static void takes_room_of_its_own_when_it_opens_a_copy(void) {
    run_mounted(unshares);
}

static void cannot_unshare(peer *test) {
    ipm_segment *own;
    (void)test;
    make_xfs();
    make_segment(7);
    copy_by_reference();
    fill_up();
    is_refused_on_a_full_disk("shares with a copy");
    make_room();
    expect(open_full(IPM_EDITOR, &own) == IPM_OK, 3);
    uses_on_a_full_disk(own);
}

static void refuses_a_copy_without_room(void) {
    run_mounted(cannot_unshare);
}

/* Both files have the attribute C. */
static bool are_overwritten_in_place(void) {
    return shell("test $(lsattr %s/full/Demo_* | cut -d' ' -f1 | grep -c C) = 2");
}

static void overwrites_in_place(peer *test) {
    ipm_segment *own;
    (void)test;
    make_btrfs();
    make_segment(7);
    expect(are_overwritten_in_place(), 3);
    fill_up();
    int code = open_full(IPM_EDITOR, &own);
    if (code == IPM_OK)
        uses_on_a_full_disk(own);
    else /* this kernel reserves room for each store in spite of the attribute */
        is_refused_on_a_full_disk("cannot overwrite");
}

static void has_btrfs_overwrite_its_files_in_place(void) {
    run_mounted(overwrites_in_place);
}

static void overwrites_elsewhere(peer *test) {
    ipm_segment *own;
    (void)test;
    make_btrfs();
    make_segment(7);
    expect(shell("cd %s/full && cp --reflink=never Demo_.mmap c && mv c Demo_.mmap && "
                 "cp --reflink=never Demo_.lock c && mv c Demo_.lock"),
           3);
    expect(!are_overwritten_in_place(), 4);
    fill_up();
    is_refused_on_a_full_disk("cannot overwrite");
    make_room();
    expect(open_full(IPM_EDITOR, &own) == IPM_OK, 5);
    use_all(own);
}

static void refuses_what_cannot_be_overwritten(void) {
    run_mounted(overwrites_elsewhere);
}

/* Blocks after the end of the file, or those of a long list of extents, can make up for holes in
 * the count of blocks. */
static void hides_holes(peer *test) {
    ipm_segment *own;
    (void)test;
    make_ext4();
    make_segment(0);
    expect(shell("cd %s/full && cp --sparse=always Demo_.mmap c && "
                 "fallocate --keep-size --offset 64K --length 64K c && mv c Demo_.mmap && sync"),
           3);
    fill_up();
    is_refused_on_a_full_disk("cannot allocate the holes");
    make_room();
    expect(open_full(IPM_EDITOR, &own) == IPM_OK, 4);
    uses_on_a_full_disk(own);
}

static void finds_holes_that_the_count_of_blocks_hides(void) {
    run_mounted(hides_holes);
}

int main(void) {
    set_up_full();
    run("XFS: allocates blocks of its own when it opens a copy that shares blocks",
        takes_room_of_its_own_when_it_opens_a_copy);
    run("XFS: refuses a copy that shares blocks on a full disk, except to readers",
        refuses_a_copy_without_room);
    run("btrfs: has its files overwritten in place", has_btrfs_overwrite_its_files_in_place);
    run("btrfs: refuses a file that is not overwritten in place on a full disk, except to readers",
        refuses_what_cannot_be_overwritten);
    run("ext4: finds holes that the count of blocks hides",
        finds_holes_that_the_count_of_blocks_hides);
    return tear_down();
}
