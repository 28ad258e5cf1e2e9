/*
 * Actions of other processes in the middle of an operation: while a file is opened or created, or
 * its lock is taken, the file loses its name, is retired or is replaced between two steps.
 */
#include "../../src/core/datafile.h"
#include "../../src/core/file.h"
#include "../../src/core/lockfile.h"
#include "fixture.h"

#include <stdarg.h>
#include <sys/syscall.h>
#include <time.h>

static const ipm_lockfile_terms terms = {
    .owner = IPM_NOBODY, .mode = 0600, .slots = 4, .deadline = IPM_FOREVER};

/* ---- The steps --------------------------------------------------------------------------- */

/* The action of another process, which happens once: before a byte of a file is locked, after
 * `locks_before` other bytes; or while the segment's lock is taken, when the holder reads the
 * time; or before the room for a file is allocated. */
static void (*meanwhile)(void);
static int locks_before;
static int unlock_errno; /* the errno of each unlocking of a byte; 0: it succeeds */
static bool at_the_clock, at_the_allocation;

static void others_come(void) {
    void (*now)(void) = meanwhile;
    meanwhile = NULL;
    if (now != NULL)
        now();
}

int fcntl(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    const struct flock *lock = argument;
    if (command == F_OFD_SETLK && lock->l_type == F_UNLCK && unlock_errno != 0) {
        errno = unlock_errno;
        return -1;
    }
    bool at_a_lock = !at_the_clock && !at_the_allocation;
    if (command == F_OFD_SETLK && at_a_lock && meanwhile != NULL && locks_before-- == 0)
        others_come();
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

time_t time(time_t *into) {
    struct timespec now;
    if (at_the_clock)
        others_come();
    clock_gettime(CLOCK_REALTIME, &now);
    if (into != NULL)
        *into = now.tv_sec;
    return now.tv_sec;
}

int fallocate(int fd, int mode, off_t at, off_t size) {
    if (at_the_allocation)
        others_come();
    return (int)syscall(SYS_fallocate, fd, mode, at, size);
}

static int rename_error; /* the errno of a rename; 0: it succeeds */

int rename(const char *from, const char *to) {
    errno = rename_error;
    return rename_error != 0 ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static int read_errno;      /* the errno of the next read, or 0 */
static bool ends_too_early; /* the next read reports the end of the file, without an errno */

ssize_t pread(int fd, void *into, size_t size, off_t offset) {
    int failure = read_errno;
    read_errno = 0;
    if (failure != 0 || ends_too_early) {
        errno = failure != 0 ? failure : EINTR;
        ends_too_early = false;
        return failure != 0 ? -1 : 0;
    }
    return syscall(SYS_pread64, fd, into, size, offset);
}

static void (*once_looked_at)(void); /* called after the next check for write permission */

int faccessat(int from, const char *path, int mode, int flags) {
    (void)flags;
    int rc = (int)syscall(SYS_faccessat, from, path, mode);
    int failure = errno;
    void (*now)(void) = once_looked_at;
    once_looked_at = NULL;
    if (now != NULL)
        now();
    errno = failure;
    return rc;
}

/* Repeat the operation, with the other process's action before the first lock of a byte, then
 * before the second one, and so on. */
static void at_each_step(void (*deed)(void), void (*act)(void)) {
    bool came = true;
    int steps = 0;
    for (; came && !tap.bad; steps++) {
        locks_before = steps;
        meanwhile = deed;
        act();
        came = meanwhile == NULL;
        meanwhile = NULL;
    }
    CHECK(steps > 1);
}

/* ---- The lock file ----------------------------------------------------------------------- */

static ipm_lockfile others;

static void remove_the_lock_file(void) {
    CHECK_INT(unlink(lock_path("")), 0);
}

static void make_another_lock_file(void) {
    remove_the_lock_file();
    CHECK_INT(ipm_lockfile_open(lock_path(""), &terms, &others, &error), IPM_OK);
}

static void joins_the_file_that_has_the_name(void) {
    ipm_lockfile own;
    CHECK_INT(ipm_lockfile_open(lock_path(""), &terms, &own, &error), IPM_OK);
    CHECK(ipm_file_is_at(lock_path(""), own.device, own.inode));
    ipm_lockfile_close(&own);
    ipm_lockfile_close(&others);
}

static void manages_the_file_that_has_the_name(void) {
    int fd;
    bool made;
    struct stat status = {0};
    CHECK_INT(ipm_lockfile_manage(lock_path(""), &terms, &fd, &made, &error), IPM_OK);
    CHECK_INT(fstat(fd, &status), 0);
    CHECK(ipm_file_is_at(lock_path(""), status.st_dev, status.st_ino));
    close(fd);
    ipm_lockfile_close(&others);
}

static void (*const losses[])(void) = {remove_the_lock_file, make_another_lock_file};

static void all_users_join_one_lock_file(void) {
    for (int i = 0; i < 2; i++)
        at_each_step(losses[i], joins_the_file_that_has_the_name);
    remove_the_lock_file();
}

static void all_managers_meet_at_one_lock_file(void) {
    for (int i = 0; i < 2; i++)
        at_each_step(losses[i], manages_the_file_that_has_the_name);
    remove_the_lock_file();
}

/* ---- Opening a segment ------------------------------------------------------------------- */

/* What a manager has done that dies before it removes or replaces the file. */
static void retire(void) {
    ipm_retirement old;
    CHECK_INT(ipm_datafile_retire_old(data_path(""), false, &old, &error), IPM_OK);
    CHECK(old.fd >= 0);
    ipm_datafile_retired(&old, true);
}

static void remove_the_data_file(void) {
    CHECK_INT(unlink(data_path("")), 0);
}

static void opens_nothing_that_is_lost(void (*loss)(void), ipm_role role) {
    ipm_segment *segment;
    bool came = true;
    for (int steps = 0; came && !tap.bad; steps++) {
        ipm_segment_close(opened(IPM_MANAGER, ""), NULL);
        locks_before = steps;
        meanwhile = loss;
        int code = open_as(role, "", &segment);
        came = meanwhile == NULL;
        meanwhile = NULL;
        CHECK_INT(code, came ? IPM_ENOTFOUND : IPM_OK);
        ipm_segment_close(segment, NULL);
        CHECK(came || steps > 1);
    }
    remove_the_data_file();
    remove_the_lock_file();
}

static void does_not_open_what_is_retired(void) {
    opens_nothing_that_is_lost(retire, IPM_EDITOR);
    opens_nothing_that_is_lost(retire, IPM_READER);
}

static void does_not_open_what_is_removed(void) {
    opens_nothing_that_is_lost(remove_the_data_file, IPM_EDITOR);
    opens_nothing_that_is_lost(remove_the_data_file, IPM_READER);
}

static void make_another(void) {
    ipm_segment_close(opened(IPM_MANAGER, ""), NULL);
}

static void lose_both_files(void) {
    retire();
    remove_the_data_file();
    remove_the_lock_file();
    once_looked_at = make_another;
}

static void a_reader_has_the_lock_of_what_it_opened(void) {
    make_another();
    meanwhile = lose_both_files;
    locks_before = 1;
    ipm_segment *reader = opened(IPM_READER, "");
    CHECK(meanwhile == NULL && once_looked_at == NULL);
    CHECK_INT(ipm_segment_lock(reader, 0, &error), IPM_OK);
    ipm_segment_close(reader, NULL);
    remove_the_data_file();
    remove_the_lock_file();
}

static void a_signal_does_not_end_reading(void) {
    make_another();
    read_errno = EINTR;
    ipm_segment_close(opened(IPM_EDITOR, ""), NULL);
    CHECK_INT(read_errno, 0);
}

static void a_file_that_is_cut_while_it_is_read_is_damaged(void) {
    ipm_segment *segment;
    ends_too_early = true;
    CHECK_ERROR(open_as(IPM_EDITOR, "", &segment), IPM_ECORRUPT, "it was truncated");
    CHECK(!ends_too_early);
    remove_the_data_file();
    remove_the_lock_file();
}

/* ---- Taking the lock --------------------------------------------------------------------- */

static ipm_segment *manager;

static void destroy(void) {
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
}

static void does_not_lock_what_is_destroyed(void) {
    static const ipm_role roles[] = {IPM_READER, IPM_EDITOR};
    for (int i = 0; i < 2; i++) {
        manager = opened(IPM_MANAGER, "");
        ipm_segment *segment = opened(roles[i], "");
        meanwhile = destroy;
        at_the_clock = true;
        CHECK_ERROR(ipm_segment_lock(segment, 0, &error), IPM_EREPLACED, "Demo_.mmap was replaced");
        CHECK(meanwhile == NULL);
        at_the_clock = false;
        CHECK(!ipm_segment_is_locked(segment));
        CHECK_INT(ipm_segment_unlock(segment, &error), IPM_EINVALID);
        ipm_segment_close(segment, NULL);
        ipm_segment_close(manager, NULL);
    }
}

/* A byte that stays locked would keep all others out for as long as the segment is open. */
static void keeps_nobody_out_after_an_unlocking_that_failed(void) {
    ipm_segment *segment;
    manager = opened(IPM_MANAGER, "");
    unlock_errno = ENOLCK;
    CHECK_ERROR(open_as(IPM_EDITOR, "", &segment), IPM_ESYSTEM, "cannot unlock");
    unlock_errno = 0;
    segment = opened(IPM_EDITOR, "");
    ipm_segment_close(segment, NULL);
    destroy();
    ipm_segment_close(manager, NULL);
}

/* ---- Replacing a segment ----------------------------------------------------------------- */

static int replace(void) {
    ipm_segment *segment;
    ipm_options options = {.mmap_dir = dir, .create = true, .force = true};
    ipm_layout *other = layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int8 }");
    rename_error = EACCES;
    int code = ipm_segment_open(IPM_MANAGER, other, &options, &segment, &error);
    rename_error = 0;
    ipm_segment_close(segment, NULL);
    ipm_layout_free(other);
    return code;
}

static void use_the_old_one(void) {
    ipm_segment *editor = opened(IPM_EDITOR, "");
    CHECK_INT(commit(manager, 5), IPM_OK);
    CHECK_INT(read_a(editor), 5);
    ipm_segment_close(editor, NULL);
}

static void is_in_use_until_the_new_one_is_made(void) {
    manager = opened(IPM_MANAGER, "");
    at_the_allocation = true;
    meanwhile = use_the_old_one;
    CHECK_INT(replace(), IPM_EPERMISSION);
    at_the_allocation = false;
    CHECK(meanwhile == NULL);
    CHECK_INT(read_a(manager), 5);
    destroy();
    ipm_segment_close(manager, NULL);
}

static void a_failed_replacement_leaves_a_live_segment_live(void) {
    manager = opened(IPM_MANAGER, "");
    CHECK_INT(replace(), IPM_EPERMISSION);
    CHECK_INT(commit(manager, 5), IPM_OK);
    destroy();
    ipm_segment_close(manager, NULL);
}

static void a_failed_replacement_leaves_a_retired_segment_retired(void) {
    ipm_segment *segment;
    manager = opened(IPM_MANAGER, "");
    retire();
    CHECK_INT(replace(), IPM_EPERMISSION);
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_EREPLACED);
    CHECK_INT(open_as(IPM_EDITOR, "", &segment), IPM_ENOTFOUND);
    ipm_segment_close(manager, NULL);
    remove_the_data_file();
    remove_the_lock_file();
}

int main(void) {
    set_up();
    run("all users join the same lock file, whenever the file is removed",
        all_users_join_one_lock_file);
    run("all managers lock the same lock file, whenever the file is removed",
        all_managers_meet_at_one_lock_file);
    run("a segment that is retired during its opening is not found", does_not_open_what_is_retired);
    run("a file that is removed during its opening is not found", does_not_open_what_is_removed);
    run("a reader that opens at the second try can lock that segment",
        a_reader_has_the_lock_of_what_it_opened);
    run("a signal does not end the reading of a file", a_signal_does_not_end_reading);
    run("a file that is truncated while it is read is damaged",
        a_file_that_is_cut_while_it_is_read_is_damaged);
    run("a segment that is destroyed during a wait for its lock is not locked",
        does_not_lock_what_is_destroyed);
    run("an opening fails if it cannot unlock a byte, and keeps nobody out",
        keeps_nobody_out_after_an_unlocking_that_failed);
    run("a segment is in use until the one that replaces it is made",
        is_in_use_until_the_new_one_is_made);
    run("a failed replacement does not retire the segment",
        a_failed_replacement_leaves_a_live_segment_live);
    run("a failed replacement of a retired segment leaves it retired",
        a_failed_replacement_leaves_a_retired_segment_retired);
    return tear_down();
}
