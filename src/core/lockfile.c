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
#define UNMARKED_TRIES 2000 /* after that a file in use without the magic counts as damaged */

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

/* Map the file and initialise it. No other process uses it. */
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
    /* Clear the magic first and write it last: a crash in between leaves none. */
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
    /* Another process may have made it longer after it was opened. */
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
 * Record in *error which byte another process holds. This is the failure if it holds it too long.
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

/* The file was removed, or another process has just made it. returns  AGAIN */
static int moved(const char *path, ipm_error *error) {
    ipm_fail(error, IPM_ETIMEOUT, 0, "%s is removed and made again all the time", path);
    return AGAIN;
}

/* Join the users of a file in use. returns  UNMARKED: it has no magic */
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

/* We hold the door byte, so any user we see has finished opening. */
static int join_behind_door(ipm_file *opened, const char *path, uint32_t slots, ipm_lockfile *file,
                            ipm_error *error) {
    const int fd = opened->fd;
    int rc = ipm_file_lock(fd, USERS_BYTE, F_WRLCK);
    if (rc == 0) {
        int code = initialise(opened, path, slots, file, error);
        if (code != IPM_OK)
            return code;
        rc = ipm_file_lock(fd, USERS_BYTE, F_RDLCK); /* atomic: no other process gets in between */
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
 * Try once to join the users of the file. The door byte lets in one opener at a time. Without it, a
 * second opener could find the file in use by an initialiser that dies before it clears the magic,
 * and take the locks from before a reboot for initialised ones.
 * returns  AGAIN: another process holds a byte, which *error names; UNMARKED: other processes use
 *          the file, and it has no magic
 */
static int join_once(ipm_file *opened, const char *path, uint32_t slots, ipm_lockfile *file,
                     ipm_error *error) {
    int rc = ipm_file_lock(opened->fd, DOOR_BYTE, F_WRLCK);
    if (rc == EAGAIN)
        return held(path, DOOR_BYTE, error);
    if (rc != 0)
        return ipm_fail_errno(error, rc, "cannot lock %s", path);
    int code = join_behind_door(opened, path, slots, file, error);
    /* After a failure the door stays locked until the caller closes the file, because this process
     * may still hold the users' byte. */
    if (code != IPM_OK && code != AGAIN && code != UNMARKED)
        return code;
    rc = ipm_file_lock(opened->fd, DOOR_BYTE, F_UNLCK);
    return rc == 0 ? code : ipm_fail_errno(error, rc, "cannot unlock %s", path);
}

/* With another error than EAGAIN, no other process can lock these bytes either. */
bool ipm_lockfile_claim(int fd) {
    return ipm_file_lock(fd, USERS_BYTE, F_WRLCK) != EAGAIN &&
           ipm_file_lock(fd, MANAGER_BYTE, F_WRLCK) != EAGAIN;
}

/* Whether the path still names the file. */
static bool is_at(const char *path, const ipm_file *opened) {
    return ipm_file_is_at(path, opened->status.st_dev, opened->status.st_ino);
}

/* Remove a file that this process made, unless another process uses it already. */
static void unmake(const char *path, const ipm_file *opened) {
    if (ipm_lockfile_claim(opened->fd) && is_at(path, opened))
        unlink(path);
}

/* Only users who may write to the data file may read or write the lock file. Reading it must be
 * denied too, because a reader of the file can hold bytes of it, and so keep other processes out.
 */
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
    const char *name = strrchr(path, '/') + 1;
    if (code == IPM_ENOTFOUND)
        return ipm_fail(error, code, error->system,
                        "there is no directory %.*s for the lock file %s", (int)(name - 1 - path),
                        path, name);
    return code != IPM_OK && error->system == EEXIST ? moved(path, error) : code;
}

/* Close a file that is not trusted, and remove it if it is to be replaced. */
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

/* Open the file or make it. returns  AGAIN: it was made or removed at the same time */
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

/* Join as soon as possible. returns  AGAIN: the deadline has passed, or the file was removed */
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

/* Make the lock on the users' byte last as long as *file is open. returns  AGAIN: the file was
 * removed, so later openers use another file, and the experiment was made with that one. */
static int keep_lock(const ipm_file *opened, const char *path, ipm_lockfile *file,
                     ipm_error *error) {
    ipm_lasting lasting;
    int code = ipm_file_lock_lasts(opened, path, &lasting, error);
    if (code == IPM_OK && lasting == IPM_LASTS_OPEN)
        ipm_kept_open(&file->kept, opened->fd);
    return is_at(path, opened) ? code : moved(path, error);
}

/* Correct the file's mode if users may use it who may not write to the data file. */
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
    ipm_attached_leave(&file->entry);
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
