/*
 * The data file: made whole under another name and then moved into place, checked whole before it
 * is used, and never truncated or written to by anything but transactions while it has its name.
 */
#ifndef IPM_CORE_DATAFILE_H
#define IPM_CORE_DATAFILE_H

#include "fork.h"
#include "rare.h"
#include "trailer.h"
#include "trust.h"

#include <sys/stat.h>

/* An open one: private. */
typedef struct ipm_datafile {
    unsigned char *map; /* NULL: not open */
    ipm_geometry geometry;
    ipm_memory memory;
    const _Atomic uint32_t *retired; /* the flag in the file; or once its name is lost, a 1 */
    uint32_t max_readers;
    mode_t mode;
    uid_t owner;
    dev_t device;
    ino_t inode;
    ipm_kept kept; /* the descriptor, where the file may be left behind: see below */
} ipm_datafile;

/* What a file is opened for. */
typedef enum ipm_access {
    IPM_READ,
    IPM_WRITE,
    IPM_MEND /* to write, whatever its header code is */
} ipm_access;

/*
 * Open, check and map. *file stays where it is until it is closed.
 *
 * directory  where it is; NULL: whoever owns the file
 * layout     what it must hold
 * returns    IPM_ENOTFOUND, IPM_EREPLACED (it is retired), IPM_ELAYOUT, IPM_ECORRUPT,
 *            IPM_EPERMISSION, IPM_ESYSTEM
 */
int ipm_datafile_open(const char *path, const ipm_directory *directory, ipm_access access,
                      const ipm_layout *layout, ipm_datafile *file, ipm_error *error);

/* What ipm_layout_load does; IPM_MEND: whatever the header code is. */
int ipm_datafile_describe(const char *path, ipm_access access, ipm_layout **layout,
                          ipm_error *error);

/* Unmap. Harmless on one that is not open. */
void ipm_datafile_close(ipm_datafile *file);

/*
 * Make a file of that layout, zeroed and stamped with the time, at the path.
 *
 * replace  what is at the path gives way; otherwise there must be nothing
 * returns  IPM_ENOSPACE, IPM_EPERMISSION, ...; with error->system EEXIST if there is something
 */
int ipm_datafile_create(const char *path, const ipm_layout *layout, mode_t mode,
                        uint32_t max_readers, bool replace, ipm_error *error);

/* Remove what was made there, when opening it came to nothing; its lock-free readers are told. */
void ipm_datafile_unmake(const char *path);

/* A file that was retired without being opened as a segment, and how to take that back. */
typedef struct ipm_retirement {
    int fd; /* -1: nothing was retired */
    uint64_t at;
    uint32_t before;
} ipm_retirement;

/*
 * Retire what is at the path, however damaged it is: those who opened it before it was damaged
 * know where its trailer lies, and see the flag. Nothing happens where there is no trailer.
 * returns  IPM_EPERMISSION, IPM_ESYSTEM, ...: its users could not be told
 */
int ipm_datafile_retire_old(const char *path, ipm_retirement *old, ipm_error *error);

/* It has lost its name to another (done), or has not, and is as before. */
void ipm_datafile_retired(ipm_retirement *old, bool done);

/* Whether it was copied to the upper layer of an overlay file system after it was mapped here. */
IPM_RARE bool ipm_datafile_is_left_behind(const ipm_datafile *file);

/* Whether it was replaced, destroyed or left behind, or its name was found lost. */
static inline bool ipm_datafile_is_retired(const ipm_datafile *file) {
    return atomic_load_explicit(file->retired, memory_order_acquire) != 0 ||
           (file->kept.is_open && ipm_datafile_is_left_behind(file));
}

/* Say, or say no more, that it was; and wake those who wait for its next commit. */
void ipm_datafile_retire(ipm_datafile *file, bool retired);

#endif
