#include "room.h"

#include "error.h"
#include "page.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The kernel's numbers, for a libc without them. */
#ifndef FALLOC_FL_UNSHARE_RANGE
#define FALLOC_FL_UNSHARE_RANGE 0x40
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define ALLOCATION_STEP (UINT64_C(64) << 20) /* bytes in one call */

/* ---- Allocating -------------------------------------------------------------------------- */

static bool is_unsupported(int rc) {
    return rc == EOPNOTSUPP || rc == ENOSYS;
}

/*
 * Call fallocate in steps. When a signal arrives, tmpfs undoes the step (with most kernels). The
 * next step is shorter, so that frequent signals slow the allocation down but do not stop it. This
 * is not posix_fallocate, since libc's emulation of it writes to the file, to which others may be
 * writing.
 * returns  0 or an errno
 */
static int allocate(int fd, int mode, uint64_t size) {
    uint64_t step = ALLOCATION_STEP;
    for (uint64_t at = 0; at < size;) {
        uint64_t length = size - at < step ? size - at : step;
        if (fallocate(fd, mode, (off_t)at, (off_t)length) == 0)
            at += length;
        else if (errno != EINTR)
            return errno;
        else if (step > IPM_PAGE)
            step /= 2;
    }
    return 0;
}

static bool has_few_blocks(const ipm_file *file, uint64_t size) {
    return (uint64_t)file->status.st_blocks < size / 512;
}

/* For file systems without fallocate: write zeros after the end of the file. */
static int fill(ipm_file *file, uint64_t size) {
    static const char zeros[65536];
    if (fstat(file->fd, &file->status) != 0)
        return errno;
    for (uint64_t at = (uint64_t)file->status.st_size; at < size;) {
        uint64_t step = size - at < sizeof zeros ? size - at : sizeof zeros;
        ssize_t written = pwrite(file->fd, zeros, step, (off_t)at);
        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0)
            at += (uint64_t)written;
    }
    return 0;
}

/* The limit is checked first: beyond it the kernel sends SIGXFSZ, which ends the process. */
static int check_limit(ipm_file *file, uint64_t size, const char *path, ipm_error *error) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        return ipm_fail_errno(error, errno, "cannot get the limit for the size of %s", path);
    if (size <= limit.rlim_cur)
        return IPM_OK;
    if (fstat(file->fd, &file->status) != 0)
        return ipm_fail_errno(error, errno, "cannot examine %s", path);
    if ((uint64_t)file->status.st_size >= size) /* the file is that long already */
        return IPM_OK;
    return ipm_fail(error, IPM_ENOSPACE, EFBIG,
                    "this process may make files of at most %llu bytes (RLIMIT_FSIZE, ulimit -f), "
                    "too few for the %llu bytes of %s",
                    (unsigned long long)limit.rlim_cur, (unsigned long long)size, path);
}

int ipm_room_allocate(ipm_file *file, uint64_t size, const char *path, ipm_error *error) {
    if ((uint64_t)file->status.st_size >= size && !has_few_blocks(file, size))
        return IPM_OK;
    int code = check_limit(file, size, path, error);
    if (code != IPM_OK)
        return code;
    int rc = allocate(file->fd, 0, size);
    if (is_unsupported(rc))
        rc = fill(file, size);
    if (rc == 0 && fstat(file->fd, &file->status) != 0)
        rc = errno;
    if (rc != 0)
        return ipm_fail_errno(error, rc, "cannot allocate %llu bytes for %s",
                              (unsigned long long)size, path);
    return IPM_OK;
}

/* The second argument of ioctl: an int in POSIX and musl, an unsigned long in glibc. */
#ifdef __GLIBC__
typedef unsigned long request;
#else
typedef int request;
#endif

#define GET_FLAGS (request) _IOR('f', 1, long) /* FS_IOC_GETFLAGS and the others of linux/fs.h */
#define SET_FLAGS (request) _IOW('f', 2, long)
#define NOCOW 0x00800000

void ipm_room_overwrite_in_place(int fd) {
    int flags = 0;
    if (ioctl(fd, GET_FLAGS, &flags) == 0) {
        flags |= NOCOW;
        (void)ioctl(fd, SET_FLAGS, &flags); /* other file systems refuse it */
    }
}

/* ---- Holes and shared blocks ------------------------------------------------------------- */

enum { HOLES = 1, SHARED = 2 };

/* FIEMAP, as in linux/fiemap.h */
#define EXTENTS 32
#define EXTENT_SHARED 0x2000
typedef struct extents {
    uint64_t start, length;
    uint32_t flags, mapped, count, reserved;
    struct {
        uint64_t logical, physical, length, reserved64[2];
        uint32_t flags, reserved[3];
    } extent[EXTENTS];
} extents;
#define GET_EXTENTS (request) _IOC(_IOC_READ | _IOC_WRITE, 'f', 11, offsetof(extents, extent))
_Static_assert(offsetof(extents, extent) == 32, "the kernel's interface");
_Static_assert(sizeof(((extents *)0)->extent[0]) == 56, "the kernel's interface");

/*
 * For file systems that do not list a file's extents: no such file system that overwrites in place
 * shares blocks. A file with few blocks need not have a hole: it may be compressed, or its blocks
 * may not be counted.
 */
static unsigned find_holes(const ipm_file *file, uint64_t size) {
    return has_few_blocks(file, size) && (uint64_t)lseek(file->fd, 0, SEEK_HOLE) < size ? HOLES : 0;
}

/* List the extents. The count of blocks would not do: blocks after the end of the file count, too,
 * and would make up for holes. */
static unsigned examine(const ipm_file *file, uint64_t size) {
    unsigned found = 0;
    if (file->type == IPM_TMPFS) /* it does not list them */
        return find_holes(file, size);
    for (uint64_t at = 0; at < size;) {
        extents map = {.start = at, .length = size - at, .count = EXTENTS};
        if (ioctl(file->fd, GET_EXTENTS, &map) != 0)
            return find_holes(file, size);
        if (map.mapped == 0)
            return found | HOLES;
        for (uint32_t i = 0; i < map.mapped; i++) {
            uint64_t end = map.extent[i].logical + map.extent[i].length;
            if (map.extent[i].logical > at || end <= at)
                found |= HOLES;
            if ((map.extent[i].flags & EXTENT_SHARED) != 0)
                found |= SHARED;
            at = end > at ? end : size;
        }
    }
    return found;
}

/* ---- Securing ---------------------------------------------------------------------------- */

/* Whether each overwrite takes new blocks, or may: the layers below overlayfs and FUSE are unknown,
 * and so is a file system without a type. */
static bool overwrites_elsewhere(uint32_t type) {
    static const uint32_t types[] = {
        IPM_BTRFS,     0xCA451A4E, 0x2FC12FC1, /* and bcachefs, ZFS */
        0x3434,        0x24051905,             /* NILFS, UBIFS */
        IPM_OVERLAYFS, 0x65735546, 0,          /* and FUSE */
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (type == types[i])
            return true;
    return false;
}

/* Whether overwriting the whole file may need more room than there is. */
static bool is_at_risk(const ipm_file *file, uint64_t size, bool is_shared) {
    struct statfs fs;
    if (!is_shared && !overwrites_elsewhere(file->type))
        return false;
    return fstatfs(file->fd, &fs) != 0 || (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < size;
}

static int secure_stores(const ipm_file *file, void *map, uint64_t size, const char *path,
                         ipm_error *error) {
    unsigned found = examine(file, size);
    int rc = (found & HOLES) != 0 ? allocate(file->fd, 0, size) : 0;
    if (rc != 0 && !is_unsupported(rc))
        return ipm_fail_errno(error, rc, "cannot allocate the holes in %s", path);
    bool has_holes = rc != 0;
    rc = (found & SHARED) != 0 ? allocate(file->fd, FALLOC_FL_UNSHARE_RANGE, size) : 0;
    if (rc != 0 && !is_unsupported(rc))
        return ipm_fail_errno(error, rc, "cannot replace the blocks that %s shares with a copy",
                              path);
    bool at_risk = is_at_risk(file, size, rc != 0);
    if (!has_holes && !at_risk)
        return IPM_OK;
    /* This does what a store to each page does, but fails where the store is a SIGBUS. */
    if (madvise(map, size, MADV_POPULATE_WRITE) == 0 || (errno == EINVAL && !at_risk))
        return IPM_OK;
    rc = errno == EFAULT || errno == EINVAL /* Linux before 5.14 */ ? ENOSPC : errno;
    return ipm_fail_errno(error, rc, "cannot overwrite the %llu bytes of %s",
                          (unsigned long long)size, path);
}

/* Reading a hole of a file on tmpfs allocates it; without room that is a SIGBUS. */
static int secure_loads(const ipm_file *file, void *map, uint64_t size, const char *path,
                        ipm_error *error) {
    bool may_be_tmpfs = file->type == IPM_TMPFS || file->type == IPM_OVERLAYFS;
    if (!may_be_tmpfs || find_holes(file, size) == 0)
        return IPM_OK;
    if (madvise(map, size, MADV_POPULATE_READ) == 0 || errno == EINVAL /* Linux before 5.14 */)
        return IPM_OK;
    return ipm_fail_errno(error, errno == EFAULT ? ENOSPC : errno,
                          "cannot allocate the holes in %s", path);
}

int ipm_room_secure(const ipm_file *file, void *map, uint64_t size, bool writable, const char *path,
                    ipm_error *error) {
    return writable ? secure_stores(file, map, size, path, error)
                    : secure_loads(file, map, size, path, error);
}
