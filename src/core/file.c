#include "file.h"

#include "clock.h"
#include "error.h"
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef F_OFD_SETLK /* from the kernel's interface, for a libc without them */
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#endif

#define PROBE_BYTES 4096 /* locks of bytes from here on are for ipm_file_lock_lasts */
#define PROBE_TRIES 100

#define OPEN_TRIES 100

/* O_NONBLOCK, since opening a FIFO would wait for its other end. */
#define SAFE_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

/* Memory that two machines map is not shared. The numbers are those of statfs(2). */
static bool is_network(uint32_t type) {
    static const uint32_t network[] = {
        0x6969,     0x517B,     0xFF534D42, 0xFE534D42, /* NFS, SMB, CIFS, SMB2 */
        0x5346414F, 0x73757245, 0x01021997, 0x00C36400, /* AFS, Coda, 9p, Ceph */
        0x0BD00BD0, 0x47504653, 0x01161970,             /* Lustre, GPFS, GFS2 */
    };
    for (size_t i = 0; i < sizeof network / sizeof *network; i++)
        if (type == network[i])
            return true;
    return false;
}

static uint32_t file_system_of(int fd) {
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 ? (uint32_t)fs.f_type : 0;
}

static int refuse_network(const char *path, ipm_error *error) {
    return ipm_fail(error, IPM_ESYSTEM, 0,
                    "%s is on a network file system, where memory is not shared", path);
}

/* Fill in what is said of an open file, and check it. */
static int check_status(ipm_file *file, const char *path, ipm_error *error) {
    struct stat *status = &file->status;
    if (fstat(file->fd, status) != 0)
        return ipm_fail_errno(error, errno, "cannot examine %s", path);
    if (!S_ISREG(status->st_mode))
        return ipm_fail(error, IPM_ECORRUPT, 0, "%s is not a regular file", path);
    if (status->st_nlink > 1) /* not IPM_ECORRUPT: the content may be sound */
        return ipm_fail(error, IPM_EPERMISSION, 0,
                        "%s has %lu names (hard links), and is not used, since another user may "
                        "have made one of them: remove the other names, and copy it with cp "
                        "instead of ln",
                        path, (unsigned long)status->st_nlink);
    if (status->st_nlink == 0) /* it was removed after it was opened */
        return ipm_fail(error, IPM_ENOTFOUND, ENOENT, "cannot open %s", path);
    file->type = file_system_of(file->fd);
    return is_network(file->type) ? refuse_network(path, error) : IPM_OK;
}

static int open_checked(const char *path, int flags, ipm_file *file, ipm_error *error) {
    file->fd = open(path, flags | SAFE_FLAGS);
    if (file->fd < 0) {
        if (errno == ELOOP)
            return ipm_fail(error, IPM_ECORRUPT, 0, "%s is a symbolic link", path);
        if (errno == EISDIR || errno == ENXIO || errno == ENODEV)
            return ipm_fail(error, IPM_ECORRUPT, 0, "%s is not a regular file", path);
        if (errno == EWOULDBLOCK)
            return ipm_fail_errno(error, errno,
                                  "cannot open %s: another process has a lease on it (F_SETLEASE), "
                                  "which ends soon: try again",
                                  path);
        return ipm_fail_errno(error, errno, "cannot open %s", path);
    }
    int code = check_status(file, path, error);
    if (code != IPM_OK)
        close(file->fd);
    return code;
}

/* A file that lost its name between open and fstat was removed or replaced: try again. */
int ipm_file_open(const char *path, int flags, ipm_file *file, ipm_error *error) {
    int code;
    int tries = 0;
    do {
        file->status.st_nlink = 1;
        code = open_checked(path, flags, file, error);
    } while (code == IPM_ENOTFOUND && file->status.st_nlink == 0 && ++tries < OPEN_TRIES);
    return code;
}

int ipm_file_create(const char *path, mode_t mode, ipm_file *file, ipm_error *error) {
    file->fd = open(path, O_RDWR | O_CREAT | O_EXCL | SAFE_FLAGS, mode);
    if (file->fd < 0)
        return ipm_fail_errno(error, errno, "cannot create %s", path);
    int code = IPM_OK;
    file->type = file_system_of(file->fd);
    if (fchmod(file->fd, mode) != 0) /* regardless of the umask */
        code = ipm_fail_errno(error, errno, "cannot set the mode of %s", path);
    else if (is_network(file->type))
        code = refuse_network(path, error);
    else if (fstat(file->fd, &file->status) != 0)
        code = ipm_fail_errno(error, errno, "cannot examine %s", path);
    if (code != IPM_OK) {
        unlink(path);
        close(file->fd);
    } else {
        ipm_room_overwrite_in_place(file->fd);
    }
    return code;
}

void *ipm_file_map(const ipm_file *file, uint64_t size, bool writable, const char *path,
                   ipm_error *error) {
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *map = mmap(NULL, size, protection, MAP_SHARED, file->fd, 0);
    if (map == MAP_FAILED) {
        ipm_fail_errno(error, errno, "cannot map %s", path);
        return NULL;
    }
    int code = IPM_OK;
    if (madvise(map, size, MADV_DONTFORK) != 0)
        code = ipm_fail_errno(error, errno, "cannot keep the mapping of %s from a fork", path);
    if (code == IPM_OK)
        code = ipm_room_secure(file, map, size, writable, path, error);
    if (code != IPM_OK) {
        munmap(map, size);
        return NULL;
    }
    return map;
}

int ipm_file_keep_owner(const char *made, const char *path, const struct stat *status,
                        ipm_error *error) {
    struct stat now;
    if (lstat(made, &now) != 0)
        return ipm_fail_errno(error, errno, "cannot examine %s", made);
    bool differs = now.st_uid != status->st_uid || now.st_gid != status->st_gid;
    if (differs && lchown(made, status->st_uid, status->st_gid) != 0)
        return ipm_fail_errno(error, errno, "cannot keep the owner and the group of %s", path);
    return IPM_OK;
}

bool ipm_file_is_at(const char *path, dev_t device, ino_t inode) {
    struct stat status;
    return lstat(path, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

int ipm_file_lock(int fd, off_t byte, short type) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

/* returns  0 or an errno; *locked: whether another opening than fd's has that one byte locked */
static int look_at_lock(int fd, off_t byte, bool *locked) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    int rc = fcntl(fd, F_OFD_GETLK, &lock) == 0 ? 0 : errno;
    *locked = lock.l_type == F_WRLCK && lock.l_start == byte && lock.l_len == 1;
    return rc;
}

/* Lock a byte that no other process has locked. returns  0 or an errno */
static int lock_own_byte(int fd, off_t *byte) {
    int rc = EAGAIN;
    for (int tries = 0; rc == EAGAIN && tries < PROBE_TRIES; tries++) {
        *byte = PROBE_BYTES + (off_t)(ipm_clock_now() ^ (int64_t)getpid() << 36);
        rc = ipm_file_lock(fd, *byte, F_WRLCK);
    }
    return rc;
}

/* Lock a byte through a second opening, and ask through fd whether it is locked: first while the
 * second opening has a descriptor, then when it has only a mapping left. returns  0 or an errno */
static int probe(int fd, const char *path, bool *lasts_open, bool *lasts_mapped) {
    off_t byte = 0;
    int other = open(path, O_RDWR | SAFE_FLAGS);
    if (other < 0)
        return errno;
    void *map = mmap(NULL, IPM_PAGE, PROT_READ, MAP_SHARED, other, 0);
    int rc = map == MAP_FAILED ? errno : lock_own_byte(other, &byte);
    if (rc == 0)
        rc = look_at_lock(fd, byte, lasts_open);
    close(other);
    if (rc == 0)
        rc = look_at_lock(fd, byte, lasts_mapped);
    if (map != MAP_FAILED)
        munmap(map, IPM_PAGE);
    return rc;
}

static bool maps_own_files(uint32_t type) {
    return type == IPM_TMPFS || type == IPM_EXT || type == IPM_XFS || type == IPM_BTRFS;
}

int ipm_file_lock_lasts(const ipm_file *file, const char *path, ipm_lasting *lasting,
                        ipm_error *error) {
    bool lasts_open = false, lasts_mapped = false;
    *lasting = IPM_LASTS_MAPPED;
    if (maps_own_files(file->type))
        return IPM_OK;
    int rc = probe(file->fd, path, &lasts_open, &lasts_mapped);
    if (rc != 0)
        return ipm_fail_errno(error, rc, "cannot try out the locks of %s", path);
    if (!lasts_open)
        return ipm_fail(error, IPM_EINCOMPATIBLE, 0,
                        "%s is on a file system whose file locks exclude nobody", path);
    if (!lasts_mapped)
        *lasting = IPM_LASTS_OPEN;
    return IPM_OK;
}

/*
 * Set the mode of a new directory, regardless of the umask. The setgid bit, inherited from the
 * parent, stays: it gives new files the directory's group. A chmod by a user outside that group
 * would clear the bit, so there is no chmod where the mode is right already.
 */
static int set_directory_mode(const char *path, mode_t mode) {
    struct stat status;
    if (lstat(path, &status) != 0)
        return -1;
    mode |= status.st_mode & S_ISGID;
    return (status.st_mode & 07777) == mode ? 0 : chmod(path, mode);
}

int ipm_file_mkdir(const char *path, mode_t mode, size_t *made, ipm_error *error) {
    size_t length = strlen(path);
    char *part = strdup(path);
    *made = length;
    if (part == NULL)
        return ipm_fail_errno(error, ENOMEM, "cannot make the directory %s", path);
    int code = IPM_OK;
    for (size_t end = 1; end <= length && code == IPM_OK; end++) {
        if (part[end] != '/' && part[end] != '\0')
            continue;
        part[end] = '\0';
        if (mkdir(part, mode) == 0) {
            if (*made == length)
                *made = end - 1;
            if (set_directory_mode(part, mode) != 0)
                code = ipm_fail_errno(error, errno, "cannot set the mode of %s", part);
        } else {
            int rc = errno; /* EROFS, for one, comes for a directory that exists, too */
            if (rc != EEXIST && access(part, F_OK) != 0)
                code = ipm_fail_errno(error, rc, "cannot make the directory %s", part);
        }
        part[end] = path[end];
    }
    free(part);
    if (code != IPM_OK)
        ipm_file_unmkdir(path, *made);
    return code;
}

void ipm_file_unmkdir(const char *path, size_t made) {
    char *part = strdup(path);
    if (part == NULL)
        return;
    for (size_t end = strlen(path); end > made; end--) {
        if (path[end] != '/' && path[end] != '\0')
            continue;
        part[end] = '\0';
        if (rmdir(part) != 0 && errno != ENOENT) /* the last one may not have been made */
            break;
    }
    free(part);
}
