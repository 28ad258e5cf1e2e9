/*
 * Files, opened as distrustfully as shared directories ask for.
 */
#ifndef IPM_CORE_FILE_H
#define IPM_CORE_FILE_H

#include "page.h"

#include "../ipmmap.h"

#include <sys/stat.h>
#include <sys/types.h>

/*
 * Open an existing file: a regular one, with one name, not a symbolic link, on a local file system.
 * flags    O_RDONLY or O_RDWR
 * status   what fstat says of it
 * returns  IPM_OK and *fd; IPM_ENOTFOUND, IPM_ECORRUPT (not a regular file),
 *          IPM_EPERMISSION (also when it has several names: it is not used), ...
 */
int ipm_file_open(const char *path, int flags, int *fd, struct stat *status, ipm_error *error);

/*
 * Make a new, empty file with exactly these permission bits.
 * returns  IPM_OK and *fd; IPM_ENOTFOUND when the directory is missing, IPM_EPERMISSION, ...;
 *          with error->system EEXIST when there is one
 */
int ipm_file_create(const char *path, mode_t mode, int *fd, ipm_error *error);

/*
 * Map the first `size` bytes, shared and not inherited by a fork, with room for all stores: see
 * ipm_room_secure. NULL and *error on failure.
 */
void *ipm_file_map(int fd, uint64_t size, bool writable, const char *path, ipm_error *error);

/* Whether the path names the file of that device and inode. */
bool ipm_file_is_at(const char *path, dev_t device, ino_t inode);

/*
 * Take an open-file-description lock on one byte: F_RDLCK, F_WRLCK or F_UNLCK.
 * It lasts until the last descriptor of this opening is closed, and on most file systems until the
 * last mapping is gone, too: see ipm_file_lock_lasts.
 * returns  0, or an errno: EAGAIN when another opening has it
 */
int ipm_file_lock(int fd, off_t byte, short type);

typedef enum ipm_lasting {
    IPM_LASTS_MAPPED, /* until the last descriptor and the last mapping are gone */
    IPM_LASTS_OPEN,   /* until the last descriptor is closed */
} ipm_lasting;

/*
 * How long a lock of a file lasts, by trying it out with an opening of its own. File systems that
 * stand on others, such as overlayfs, may map the file below, and then a mapping keeps no lock.
 * fd       the file, opened O_RDWR, of a page at least
 * returns  IPM_OK and *lasting; IPM_EINCOMPATIBLE: this file system's locks exclude nobody
 */
int ipm_file_lock_lasts(int fd, const char *path, ipm_lasting *lasting, ipm_error *error);

/*
 * Whether the file is on overlayfs. There a file of a lower layer is copied to the upper one when
 * it is first opened for writing, and what was mapped before stays as it was.
 */
bool ipm_file_is_overlaid(int fd);

/*
 * Make a directory and those above it, with these permission bits; one that is there is left alone.
 * made     how much of the path was there before: for ipm_file_unmkdir
 */
int ipm_file_mkdir(const char *path, mode_t mode, size_t *made, ipm_error *error);

/* Remove the directories that ipm_file_mkdir made, as far as they are empty. */
void ipm_file_unmkdir(const char *path, size_t made);

#endif
