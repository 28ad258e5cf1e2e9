#include "lockfile.h"

#include "clock.h"
#include "error.h"
#include "file.h"
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define USERS_BYTE 0
#define MANAGER_BYTE 1
#define DOOR_BYTE 2
#define NAP_NS (IPM_MS / 2)
#define UNMARKED_TRIES 2000 /* after which a file in use without the magic is a damaged one */

static const char lock_magic[8] = "IPMLOCK\n";

static void set_map(ipm_lockfile *file, const ipm_file *opened, unsigned char *map,
                    const ipm_lock_head *head) {
    file->head = (ipm_lock_head *)map;
    file->shared = (ipm_rwlock_shared *)(map + IPM_PAGE);
    file->size = head->size;
    file->slots = head->slots;
    file->device = opened->status.st_dev;
    file->inode = opened->status.st_ino;
}

/* Map the file, and make everything afresh: nobody else uses it. */
static int initialise(ipm_file *opened, const char *path, uint32_t slots, ipm_lockfile *file,
                      ipm_error *error) {
    ipm_lock_head head;
    int code = ipm_lock_head_make(&head, slots, path, error);
    if (code == IPM_OK)
        code = ipm_room_allocate(opened, head.size, path, error);
    if (code != IPM_OK)
        return code;
    unsigned char *map = ipm_file_map(opened, head.size, true, path, error);
    if (map == NULL)
        return (int)error->code;
    set_map(file, opened, map, &head);
    memset(map, 0, sizeof lock_magic);
    /* The magic goes before all else, and comes after it: a death in between leaves none. */
    atomic_thread_fence(memory_order_seq_cst);
    int rc = ipm_rwlock_init(file->shared, slots);
    memcpy(map + sizeof lock_magic, (char *)&head + sizeof lock_magic,
           sizeof head - sizeof lock_magic);
    atomic_thread_fence(memory_order_seq_cst);
    if (rc == 0)
        memcpy(map, lock_magic, sizeof lock_magic);
    return rc == 0 ? IPM_OK : ipm_fail_errno(error, rc, "cannot make the locks in %s", path);
}

static int map_checked(ipm_file *opened, const char *path, const ipm_lock_head *head,
                       ipm_lockfile *file, ipm_error *error) {
    const struct stat *status = &opened->status;
    /* It may have been made longer since it was opened. */
    if ((uint64_t)status->st_size < head->size && fstat(opened->fd, &opened->status) != 0)
        return ipm_fail_errno(error, errno, "cannot examine %s", path);
    int code = ipm_lock_head_check(head, (uint64_t)status->st_size, path, error);
    if (code != IPM_OK)
        return code;
    unsigned char *map = ipm_file_map(opened, head->size, true, path, error);
    if (map == NULL)
        return (int)error->code;
    set_map(file, opened, map, head);
    if (!ipm_rwlock_is_sound(file->shared, file->slots)) {
        ipm_lockfile_close(file);
        return ipm_fail(error, IPM_EINCOMPATIBLE, 0, "%s is in use and its locks are damaged",
                        path);
    }
    return IPM_OK;
}

enum { AGAIN = -1, UNMARKED = -2 };

/*
 * Say which byte another process holds: that is the failure, if it holds it for too long.
 * returns  AGAIN
 */
static int held(const char *path, off_t byte, ipm_error *error) {
    static const char *const who[] = {
        [USERS_BYTE] = "initialises it",
        [MANAGER_BYTE] = "creates or destroys the segment",
        [DOOR_BYTE] = "is opening it",
    };
    ipm_fail(error, IPM_ETIMEOUT, 0,
             "%s: another process holds its byte %d, as one does that %s, and does not let go: "
             "ipmmap who FILE names it",
             path, (int)byte, who[byte]);
    return AGAIN;
}

/* The file has lost its name, or has got it just now. returns  AGAIN */
static int moved(const char *path, ipm_error *error) {
    ipm_fail(error, IPM_ETIMEOUT, 0, "%s is removed and made again all the time", path);
    return AGAIN;
}

/* returns  UNMARKED: it has no magic */
static int join_used(ipm_file *opened, const char *path, ipm_lockfile *file, ipm_error *error) {
    ipm_lock_head head;
    ssize_t got = pread(opened->fd, &head, sizeof head, 0);
    if (got < 0)
        return ipm_fail_errno(error, errno, "cannot read %s", path);
    if (got < (ssize_t)sizeof head || memcmp(head.magic, lock_magic, sizeof lock_magic) != 0) {
        ipm_file_lock(opened->fd, USERS_BYTE, F_UNLCK);
        return UNMARKED;
    }
    return map_checked(opened, path, &head, file, error);
}

/* Whoever finds the file used, behind the door, finds it used by one who has come in. */
static int join_behind_door(ipm_file *opened, const char *path, uint32_t slots, ipm_lockfile *file,
                            ipm_error *error) {
    const int fd = opened->fd;
    int rc = ipm_file_lock(fd, USERS_BYTE, F_WRLCK);
    if (rc == 0) {
        int code = initialise(opened, path, slots, file, error);
        if (code != IPM_OK)
            return code;
        rc = ipm_file_lock(fd, USERS_BYTE, F_RDLCK); /* atomic: nobody gets in between */
    } else if (rc == EAGAIN) {
        rc = ipm_file_lock(fd, USERS_BYTE, F_RDLCK);
    }
    if (rc != 0) {
        ipm_lockfile_close(file);
        return rc == EAGAIN ? held(path, USERS_BYTE, error)
                            : ipm_fail_errno(error, rc, "cannot lock %s", path);
    }
    return file->head != NULL ? IPM_OK : join_used(opened, path, file, error);
}

/*
 * One try at joining those who use the file; one opener at a time. Without the door, an opener
 * that finds the file used by an initialiser which dies before it has wiped out the magic would
 * take what is from before a reboot for initialised.
 * returns  AGAIN: another is at it, as *error says; UNMARKED: others use it, and it has no magic
 */
static int join_once(ipm_file *opened, const char *path, uint32_t slots, ipm_lockfile *file,
                     ipm_error *error) {
    int rc = ipm_file_lock(opened->fd, DOOR_BYTE, F_WRLCK);
    if (rc == EAGAIN)
        return held(path, DOOR_BYTE, error);
    if (rc != 0)
        return ipm_fail_errno(error, rc, "cannot lock %s", path);
    int code = join_behind_door(opened, path, slots, file, error);
    /* After a failure the caller closes the file: the door, too, stays locked until what this
     * process may hold of the users' byte is gone. */
    if (code == IPM_OK || code == AGAIN || code == UNMARKED)
        ipm_file_lock(opened->fd, DOOR_BYTE, F_UNLCK);
    return code;
}

/* An error other than EAGAIN is one that whoever wants to use the file has as well. */
bool ipm_lockfile_claim(int fd) {
    return ipm_file_lock(fd, USERS_BYTE, F_WRLCK) != EAGAIN &&
           ipm_file_lock(fd, MANAGER_BYTE, F_WRLCK) != EAGAIN;
}

/* Whether it still has its name. */
static bool is_at(const char *path, const ipm_file *opened) {
    return ipm_file_is_at(path, opened->status.st_dev, opened->status.st_ino);
}

/* Remove a file that was made in vain, unless others use it already. */
static void unmake(const char *path, const ipm_file *opened) {
    if (ipm_lockfile_claim(opened->fd) && is_at(path, opened))
        unlink(path);
}

/* Who may write to the data file may read and write the lock file, and nobody else may do either:
 * to read it is enough to hold bytes of it, and so to keep others out. */
static mode_t lock_mode(mode_t data_mode) {
    mode_t writers = data_mode & 0222;
    return writers | writers << 1;
}

static int make_file(const char *path, const ipm_lockfile_terms *terms, ipm_file *opened,
                     ipm_error *error) {
    if (terms->needs_write != NULL &&
        faccessat(AT_FDCWD, terms->needs_write, W_OK, AT_EACCESS) != 0)
        return ipm_fail(error, IPM_EPERMISSION, 0,
                        "there is no %s, and only who may write to %s makes it", path,
                        terms->needs_write);
    int code = ipm_file_create(path, lock_mode(terms->mode), opened, error);
    return code != IPM_OK && error->system == EEXIST ? moved(path, error) : code;
}

/* What is not trusted is not used. */
static int refuse_foreign(const char *path, const ipm_lockfile_terms *terms, int fd,
                          ipm_error *error) {
    close(fd);
    if (!terms->replace)
        return IPM_EPERMISSION;
    return unlink(path) == 0 || errno == ENOENT
               ? moved(path, error)
               : ipm_fail_errno(error, errno, "cannot remove %s, which belongs to another user",
                                path);
}

/* Open, or make. returns AGAIN when the file came or went meanwhile */
static int open_or_make(const char *path, const ipm_lockfile_terms *terms, ipm_file *opened,
                        bool *made, ipm_error *error) {
    int code = ipm_file_open(path, O_RDWR, opened, error);
    *made = false;
    if (code == IPM_OK && ipm_directory_trusts(terms->directory, path, &opened->status,
                                               terms->owner, error) != IPM_OK)
        return refuse_foreign(path, terms, opened->fd, error);
    if (code != IPM_ENOTFOUND)
        return code;
    code = make_file(path, terms, opened, error);
    *made = code == IPM_OK;
    return code;
}

/* Join, as soon as that can be. returns AGAIN when it cannot, or the file has lost its name */
static int join_settled(ipm_file *opened, const char *path, const ipm_lockfile_terms *terms,
                        ipm_lockfile *file, ipm_error *error) {
    int unmarked = 0;
    for (;;) {
        int code = join_once(opened, path, terms->slots, file, error);
        if (code != AGAIN && code != UNMARKED)
            return code;
        if (code == UNMARKED && ++unmarked >= UNMARKED_TRIES)
            return ipm_fail(error, IPM_EINCOMPATIBLE, 0, "%s is in use and damaged", path);
        ipm_clock_nap(NAP_NS);
        if (!is_at(path, opened))
            return moved(path, error);
        if (ipm_clock_now() >= terms->deadline)
            return code == AGAIN ? AGAIN : held(path, USERS_BYTE, error);
    }
}

/* Have the lock on the users' byte last as long as *file is open. returns AGAIN when the file has
 * lost its name: those who come later use another, and it was the other that was tried out. */
static int keep_lock(const ipm_file *opened, const char *path, ipm_lockfile *file,
                     ipm_error *error) {
    ipm_lasting lasting;
    int code = ipm_file_lock_lasts(opened, path, &lasting, error);
    if (code == IPM_OK && lasting == IPM_LASTS_OPEN)
        ipm_kept_open(&file->kept, opened->fd);
    return is_at(path, opened) ? code : moved(path, error);
}

/* No more users than may write to the data file may use its lock file. */
static int check_mode(const ipm_file *opened, const char *path, mode_t data_mode,
                      ipm_error *error) {
    mode_t right = lock_mode(data_mode), mode = opened->status.st_mode & 0777;
    if ((mode & ~right) == 0 || fchmod(opened->fd, mode & right) == 0)
        return IPM_OK;
    return ipm_fail(error, IPM_EPERMISSION, 0,
                    "%s has mode %o, so more users may use it than may write to the data file: its "
                    "owner sets that right by opening the segment, or with chmod %o",
                    path, (unsigned)mode, (unsigned)(mode & right));
}

int ipm_lockfile_open(const char *path, const ipm_lockfile_terms *terms, ipm_lockfile *file,
                      ipm_error *error) {
    memset(file, 0, sizeof *file);
    do {
        bool made;
        ipm_file opened;
        int code = open_or_make(path, terms, &opened, &made, error);
        if (code == AGAIN)
            continue;
        if (code != IPM_OK)
            return code;
        code = check_mode(&opened, path, terms->mode, error);
        if (code == IPM_OK)
            code = join_settled(&opened, path, terms, file, error);
        if (code == IPM_OK)
            code = keep_lock(&opened, path, file, error);
        if (code != IPM_OK && code != AGAIN && made)
            unmake(path, &opened);
        if (!file->kept.is_open)
            close(opened.fd);
        if (code != IPM_OK)
            ipm_lockfile_close(file);
        if (code != AGAIN)
            return code;
    } while (ipm_clock_now() < terms->deadline);
    return IPM_ETIMEOUT;
}

void ipm_lockfile_close(ipm_lockfile *file) {
    if (file->head != NULL)
        munmap(file->head, file->size);
    file->head = NULL;
    file->shared = NULL;
    ipm_kept_close(&file->kept);
}

int ipm_lockfile_manage(const char *path, const ipm_lockfile_terms *terms, int *fd, bool *made,
                        ipm_error *error) {
    *fd = -1;
    do {
        ipm_file opened;
        int code = open_or_make(path, terms, &opened, made, error);
        if (code == AGAIN)
            continue;
        if (code != IPM_OK)
            return code;
        int rc = ipm_file_lock(opened.fd, MANAGER_BYTE, F_WRLCK);
        if (rc == 0 && is_at(path, &opened)) {
            *fd = opened.fd;
            return IPM_OK;
        }
        if (rc != 0 && rc != EAGAIN && *made)
            unmake(path, &opened);
        close(opened.fd);
        if (rc != 0 && rc != EAGAIN)
            return ipm_fail_errno(error, rc, "cannot lock %s", path);
        if (rc == EAGAIN)
            held(path, MANAGER_BYTE, error);
        else
            moved(path, error);
        ipm_clock_nap(NAP_NS);
    } while (ipm_clock_now() < terms->deadline);
    return IPM_ETIMEOUT;
}
