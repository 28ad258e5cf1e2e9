/*
 * Files in directories that other users may write to: opened, made, mapped and locked with all the
 * checks that this needs.
 */
#ifndef IPM_CORE_FILE_H
#define IPM_CORE_FILE_H

#include "page.h"

#include "../ipmmap.h"

#include <sys/stat.h>
#include <sys/types.h>

/* Types of file systems, as statfs(2) gives them. */
#define IPM_TMPFS 0x01021994
#define IPM_BTRFS 0x9123683E
#define IPM_XFS 0x58465342
#define IPM_EXT 0xEF53 /* ext2, ext3 and ext4 */
/* The kernel copies a file of a lower layer to the upper layer when the file is first opened for
 * writing; an earlier mapping keeps showing the lower file. */
#define IPM_OVERLAYFS 0x794C7630

/* An open file, with what fstat and fstatfs said when it was opened. */
typedef struct ipm_file {
    int fd;
    uint32_t type; /* of its file system; 0: unknown */
    struct stat status;
} ipm_file;

/*
 * Open an existing file: a regular file with one name, not a symbolic link, on a local file system.
 * flags    O_RDONLY or O_RDWR
 * file     the caller closes its descriptor
 * returns  IPM_OK and *file; IPM_ENOTFOUND, IPM_ECORRUPT (not a regular file),
 *          IPM_EPERMISSION (also for a file with several names), ...
 */
int ipm_file_open(const char *path, int flags, ipm_file *file, ipm_error *error);

/*
 * Make a new, empty file with exactly these permission bits.
 * returns  IPM_OK and *file; IPM_ENOTFOUND when the directory is missing, IPM_EPERMISSION, ...;
 *          with error->system EEXIST when the file exists
 */
int ipm_file_create(const char *path, mode_t mode, ipm_file *file, ipm_error *error);

/*
 * Map the first `size` bytes, shared and not inherited by a fork's child. No access to the mapping
 * lacks room on the disk: see ipm_room_secure.
 * returns  NULL and *error on failure
 */
void *ipm_file_map(const ipm_file *file, uint64_t size, bool writable, const char *path,
                   ipm_error *error);

/*
 * Give a new file the owner and the group that another file has, so that nobody gains or loses
 * access to what it replaces.
 * returns  IPM_EPERMISSION: only root can give a file to another user
 */
int ipm_file_keep_owner(const char *made, const char *path, const struct stat *status,
                        ipm_error *error);

/* Whether the path names the file with that device and inode. */
bool ipm_file_is_at(const char *path, dev_t device, ino_t inode);

/*
 * Take an open-file-description lock on one byte: F_RDLCK, F_WRLCK or F_UNLCK.
 * The lock lasts until the last descriptor of this opening is closed; on most file systems it lasts
 * until the last mapping is gone, too: see ipm_file_lock_lasts.
 * returns  0, or an errno: EAGAIN when another opening has the lock
 */
int ipm_file_lock(int fd, off_t byte, short type);

typedef enum ipm_lasting {
    IPM_LASTS_MAPPED, /* until the last descriptor and the last mapping are gone */
    IPM_LASTS_OPEN,   /* until the last descriptor is closed */
} ipm_lasting;

/*
 * Find out how long a lock of a file lasts. A file system that stands on another one, such as
 * overlayfs, may map the file below, and then a mapping keeps no lock. So an experiment with a
 * second opening shows it, except on tmpfs, ext2 to ext4, XFS and btrfs, which map their own files.
 * file     opened O_RDWR, of at least a page
 * returns  IPM_OK and *lasting; IPM_EINCOMPATIBLE: this file system's locks exclude nobody
 */
int ipm_file_lock_lasts(const ipm_file *file, const char *path, ipm_lasting *lasting,
                        ipm_error *error);

/*
 * Make a directory and its parents, with these permission bits. A directory that exists is left
 * alone.
 * made     the length of the part of the path that existed before: for ipm_file_unmkdir
 */
int ipm_file_mkdir(const char *path, mode_t mode, size_t *made, ipm_error *error);

/* Remove those directories that ipm_file_mkdir made, if they are empty. */
void ipm_file_unmkdir(const char *path, size_t made);

#endif
