/* What the permission bits let other users do. Needs root, to become another user. */
#include "fixture.h"
#include "peer.h"

#include <grp.h>

#define OWNER 12001
#define GROUP 12000
#define MEMBER 12002   /* a user of the file's group */
#define STRANGER 12003 /* a user of another group */

/* Become the user. There is no way back. */
static void become(uid_t user, gid_t group) {
    if (setgroups(0, NULL) != 0 || setgid(group) != 0 || setuid(user) != 0)
        _exit(90);
}

/* A letter for the peer's result, or for its first expectation that failed. */
static void expect(bool as_expected, int status) {
    if (!as_expected)
        _exit(status);
}

static uint32_t mode;

static void creates_and_waits(peer *test) {
    ipm_segment *own;
    ipm_options options = {.mmap_dir = in_dir("d"), .create = true, .mode = mode};
    become(OWNER, GROUP);
    expect(ipm_segment_open(IPM_MANAGER, demo, &options, &own, NULL) == IPM_OK, 1);
    expect(commit(own, 5) == IPM_OK, 2);
    tell(test, 'o');
    hear(test);
    expect(ipm_segment_destroy(own, NULL) == IPM_OK, 3);
}

static int open_here(ipm_role role, ipm_segment **own) {
    ipm_options options = {.mmap_dir = in_dir("d")};
    return ipm_segment_open(role, demo, &options, own, &error);
}

static void is_shut_out(void) {
    ipm_segment *own;
    expect(open_here(IPM_READER, &own) == IPM_EPERMISSION, 10);
    expect(strstr(error.text, "Permission denied") != NULL, 11);
    expect(open_here(IPM_EDITOR, &own) == IPM_EPERMISSION, 12);
    expect(open_here(IPM_MANAGER, &own) == IPM_EPERMISSION, 13);
}

static void reads_lock_free(void) {
    uint64_t version;
    ipm_segment *own;
    ipm_info info = {0};
    expect(open_here(IPM_READER, &own) == IPM_OK, 20);
    expect(read_a(own) == 5, 21);
    expect(ipm_segment_info(own, &info, NULL) == IPM_OK && !info.lockable && !info.writable &&
               info.max_readers == 128,
           22);
    expect(ipm_segment_lock(own, 0, &error) == IPM_EPERMISSION, 23);
    expect(strstr(error.text, "Demo_.lock") != NULL, 24);
    expect(ipm_segment_lock(own, IPM_FOREVER, NULL) == IPM_EPERMISSION, 25);
    expect(!ipm_segment_is_locked(own), 26);
    expect(ipm_segment_wait(own, 0, 20 * SECOND, &version, NULL) == IPM_OK && version > 0, 27);
    expect(ipm_segment_wait(own, version, 25 * MS, &version, NULL) == IPM_ETIMEOUT, 28);
    expect(ipm_segment_close(own, NULL) == IPM_OK, 29);
    expect(open_here(IPM_EDITOR, &own) == IPM_EPERMISSION, 30);
    expect(open_here(IPM_MANAGER, &own) == IPM_EPERMISSION, 31);
}

static void does_all(void) {
    ipm_segment *own;
    expect(open_here(IPM_EDITOR, &own) == IPM_OK, 40);
    expect(commit(own, 5) == IPM_OK, 41);
    ipm_segment_close(own, NULL);
    expect(open_here(IPM_READER, &own) == IPM_OK, 42);
    expect(ipm_segment_lock(own, 0, NULL) == IPM_OK, 43);
    expect(read_a(own) == 5, 44);
    ipm_segment_close(own, NULL);
}

static void member_is_shut_out(peer *test) {
    (void)test;
    become(MEMBER, GROUP);
    is_shut_out();
}

static void member_reads(peer *test) {
    (void)test;
    become(MEMBER, GROUP);
    reads_lock_free();
}

static void member_does_all(peer *test) {
    (void)test;
    become(MEMBER, GROUP);
    does_all();
}

static void stranger_is_shut_out(peer *test) {
    (void)test;
    become(STRANGER, STRANGER);
    is_shut_out();
}

static void stranger_reads(peer *test) {
    (void)test;
    become(STRANGER, STRANGER);
    reads_lock_free();
}

static void lets(uint32_t mode_given, void (*member)(peer *), void (*stranger)(peer *)) {
    mode = mode_given;
    CHECK_INT(mkdir(in_dir("d"), 0755), 0);
    CHECK_INT(chown(in_dir("d"), OWNER, GROUP), 0);
    peer owner = start(creates_and_waits);
    CHECK_INT(hear(&owner), 'o');
    CHECK_INT(run_peer(member), 0);
    CHECK_INT(run_peer(stranger), 0);
    CHECK_INT(finish(&owner), 0);
    CHECK_INT(remove(in_dir("d")), 0);
}

#define NEEDS_ROOT()                                                                               \
    if (geteuid() != 0)                                                                            \
    SKIP("needs root, to become other users")

static void shuts_others_out_with_600(void) {
    NEEDS_ROOT();
    lets(0600, member_is_shut_out, stranger_is_shut_out);
}

static void lets_the_group_read_with_640(void) {
    NEEDS_ROOT();
    lets(0640, member_reads, stranger_is_shut_out);
}

static void lets_the_group_in_with_660(void) {
    NEEDS_ROOT();
    lets(0660, member_does_all, stranger_is_shut_out);
}

static void lets_all_read_with_664(void) {
    NEEDS_ROOT();
    lets(0664, member_does_all, stranger_reads);
}

static int create_in(const char *where) {
    ipm_segment *own;
    ipm_options options = {.mmap_dir = where, .create = true};
    return ipm_segment_open(IPM_MANAGER, demo, &options, &own, &error);
}

static void creates_where_it_may_not(peer *test) {
    (void)test;
    become(STRANGER, STRANGER);
    expect(create_in(in_dir("d")) == IPM_EPERMISSION, 50);
    expect(create_in(in_dir("d/new")) == IPM_EPERMISSION, 51);
    expect(strstr(error.text, "d/new: Permission denied") != NULL, 52);
    expect(create_in(in_dir("d/new/er")) == IPM_EPERMISSION, 53);
    expect(create_in(in_dir("closed/new")) == IPM_EPERMISSION, 54);
}

static void says_that_it_may_not_create(void) {
    NEEDS_ROOT();
    CHECK_INT(mkdir(in_dir("d"), 0755), 0);
    CHECK_INT(mkdir(in_dir("closed"), 0700), 0);
    CHECK_INT(run_peer(creates_where_it_may_not), 0);
    CHECK_INT(remove(in_dir("d")), 0);
    CHECK_INT(remove(in_dir("closed")), 0);
}

static void cannot_make_the_lock_file(peer *test) {
    ipm_segment *own;
    (void)test;
    become(STRANGER, STRANGER);
    expect(open_here(IPM_READER, &own) == IPM_OK, 60);
    expect(ipm_segment_lock(own, 0, NULL) == IPM_EPERMISSION, 61);
    ipm_segment_close(own, NULL);
    expect(open_here(IPM_EDITOR, &own) == IPM_EPERMISSION, 62);
    expect(open_here(IPM_MANAGER, &own) == IPM_EPERMISSION, 63);
}

static void reads_without_a_lock_file(void) {
    ipm_segment *own;
    ipm_options options = {.mmap_dir = in_dir("d"), .create = true, .mode = 0666};
    NEEDS_ROOT();
    CHECK_INT(mkdir(in_dir("d"), 0755), 0);
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &own, &error), IPM_OK);
    CHECK_INT(remove(in_dir("d/Demo_.lock")), 0);
    CHECK_INT(run_peer(cannot_make_the_lock_file), 0);
    CHECK_INT(ipm_segment_destroy(own, &error), IPM_OK);
    ipm_segment_close(own, NULL);
    CHECK_INT(remove(in_dir("d")), 0);
}

/* ---- A setgid directory, in which a group works together ----------------------------------- */

/* The user belongs to the group, but it is not the user's first group. */
static void become_colleague(uid_t user) {
    if (setgroups(1, (gid_t[]){GROUP}) != 0 || setgid(user) != 0 || setuid(user) != 0)
        _exit(90);
}

static void is_the_groups(const char *path, mode_t mode_expected, int status) {
    struct stat found;
    expect(lstat(path, &found) == 0, status);
    expect(found.st_gid == GROUP, status + 1);
    expect((found.st_mode & 07777) == mode_expected, status + 2);
}

static ipm_options shared_options(void) {
    return (ipm_options){.mmap_dir = in_dir("d/data/deep"), .lock_dir = in_dir("d/locks")};
}

static void creates_for_the_group(peer *test) {
    ipm_segment *own;
    ipm_options options = shared_options();
    options.create = true;
    options.mode = 0660;
    become_colleague(OWNER);
    umask(mode);
    expect(ipm_segment_open(IPM_MANAGER, demo, &options, &own, &error) == IPM_OK, 1);
    is_the_groups(in_dir("d/data"), 02770, 2);
    is_the_groups(in_dir("d/data/deep"), 02770, 5);
    is_the_groups(in_dir("d/locks"), 02770, 8);
    is_the_groups(in_dir("d/data/deep/Demo_.mmap"), 0660, 11);
    is_the_groups(in_dir("d/locks/Demo_.lock"), 0660, 14);
    tell(test, 'o');
    hear(test);
    expect(ipm_segment_destroy(own, NULL) == IPM_OK, 17);
}

static void joins_the_group(peer *test) {
    ipm_segment *own;
    ipm_options options = shared_options();
    (void)test;
    become_colleague(MEMBER);
    expect(ipm_segment_open(IPM_EDITOR, demo, &options, &own, &error) == IPM_OK, 40);
    expect(commit(own, 5) == IPM_OK, 41);
}

static void lets_the_group_in_below_a_setgid_directory(void) {
    static const mode_t umasks[] = {0, 022, 077};
    NEEDS_ROOT();
    for (size_t i = 0; i < sizeof umasks / sizeof *umasks; i++) {
        mode = umasks[i];
        CHECK_INT(mkdir(in_dir("d"), 0755), 0);
        CHECK_INT(chown(in_dir("d"), 0, GROUP), 0);
        CHECK_INT(chmod(in_dir("d"), 02775), 0);
        peer owner = start(creates_for_the_group);
        CHECK_INT(hear(&owner), 'o');
        CHECK_INT(run_peer(joins_the_group), 0);
        CHECK_INT(finish(&owner), 0);
        remove(in_dir("d/data/deep"));
        remove(in_dir("d/data"));
        remove(in_dir("d/locks"));
        CHECK_INT(remove(in_dir("d")), 0);
    }
}

int main(void) {
    set_up();
    CHECK_INT(chmod(dir, 0755), 0);
    run("keeps other users out with mode 600", shuts_others_out_with_600);
    run("lets the group read lock-free, but not write or lock, with mode 640",
        lets_the_group_read_with_640);
    run("lets the group read and write with mode 660", lets_the_group_in_with_660);
    run("lets all other users read with mode 664", lets_all_read_with_664);
    run("lets the group read and write below a setgid directory, whatever the umask",
        lets_the_group_in_below_a_setgid_directory);
    run("names the directory in which it may not create files", says_that_it_may_not_create);
    run("reads lock-free if it may not make a lock file", reads_without_a_lock_file);
    return tear_down();
}
