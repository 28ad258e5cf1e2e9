/*
 * The data file. It is completed under another name and then renamed, and it is checked completely
 * before it is used. While it has its name it is never truncated, and only transactions write to
 * it.
 */
#ifndef IPM_CORE_DATAFILE_H
#define IPM_CORE_DATAFILE_H

#include "fork.h"
#include "cold.h"
#include "trailer.h"
#include "trust.h"

#include <sys/stat.h>

/* An open data file. It is private to this process. */
typedef struct ipm_datafile {
    unsigned char *map; /* NULL: not open */
    ipm_geometry geometry;
    ipm_memory memory;
    ipm_ring ring;                   /* `memory` refers to it, if there is one */
    const _Atomic uint32_t *retired; /* the flag in the file; a constant 1 once its name is lost */
    uint32_t max_readers;
    mode_t mode;
    uid_t owner;
    dev_t device;
    ino_t inode;
    ipm_layout *described; /* the file's layout, if its text differs from the expected one's, or
                              NULL */
    ipm_kept kept;         /* last: a descriptor, if the mapping may be left behind: see below */
} ipm_datafile;

/* The layout that a file is to have, and how it may differ. */
typedef struct ipm_expected {
    const ipm_layout *layout;
    ipm_match match;
} ipm_expected;

/* The access that a file is opened for. */
typedef enum ipm_access {
    IPM_READ,
    IPM_WRITE,
    IPM_MEND /* to write, even if its header code is wrong */
} ipm_access;

/*
 * Open, check and map a data file. *file must not move until it is closed.
 *
 * directory  the file's directory, whose trust decides; NULL: a file of any owner is used
 * returns    IPM_ENOTFOUND, IPM_EREPLACED (it is retired), IPM_ELAYOUT, IPM_ECORRUPT,
 *            IPM_EPERMISSION, IPM_ESYSTEM
 */
int ipm_datafile_open(const char *path, const ipm_directory *directory, ipm_access access,
                      ipm_expected expected, ipm_datafile *file, ipm_error *error);

/* Read the layout, as ipm_layout_load. IPM_MEND: the header code may be wrong. */
int ipm_datafile_describe(const char *path, ipm_access access, ipm_layout **layout,
                          ipm_error *error);

/* Whether the file has a trailer, even a damaged one. */
bool ipm_datafile_has_trailer(int fd, uint64_t size);

/* Unmap the file. Does nothing if it is not open. */
void ipm_datafile_close(ipm_datafile *file);

/*
 * Make a file of the layout under a temporary name beside the path, with the first values of the
 * fields and the time stamp of now.
 *
 * options    mode, max_readers, feed, init and shares
 * temporary  the name. owner: the caller, who frees it, and removes the file if it gets no place
 * returns    IPM_ENOSPACE, IPM_EPERMISSION, ...
 */
int ipm_datafile_make(const char *path, const ipm_layout *layout, const ipm_options *options,
                      char **temporary, ipm_error *error);

/*
 * Give a file that was made its name.
 * replace  whether to replace a file at the path; otherwise none may exist
 * returns  ...; with error->system EEXIST if a file exists. The temporary file is still there
 */
int ipm_datafile_place(const char *temporary, const char *path, bool replace, ipm_error *error);

/* Make a file and give it its name, where no file may exist. returns  as both */
int ipm_datafile_create(const char *path, const ipm_layout *layout, const ipm_options *options,
                        ipm_error *error);

/* Write all of it at that offset. returns  0 or an errno */
int ipm_datafile_write(int fd, const void *from, uint64_t size, uint64_t offset);

/* Retire and remove a file that was just created, because the opening failed afterwards. Its
 * lock-free readers see that it is retired. */
void ipm_datafile_unmake(const char *path);

/* A file that was retired without being opened as a segment, and the data to undo that. */
typedef struct ipm_retirement {
    int fd; /* -1: nothing was retired */
    uint64_t at;
    uint32_t before;
} ipm_retirement;

/*
 * Retire the file at the path, even if it is damaged. Processes that opened it before the damage
 * know the place of its trailer, and see the flag. A file without a trailer stays unchanged.
 * shares   whether a file is retired that belongs to another machine's home
 * returns  IPM_ENOTHOME; IPM_EPERMISSION, IPM_ESYSTEM, ...: the flag could not be set
 */
int ipm_datafile_retire_old(const char *path, bool shares, ipm_retirement *old, ipm_error *error);

/* End a retirement. done: a new file has the name now; otherwise the flag is set back. */
void ipm_datafile_retired(ipm_retirement *old, bool done);

/* Whether overlayfs copied the file to the upper layer after this process had mapped it. */
IPM_COLD bool ipm_datafile_is_left_behind(const ipm_datafile *file);

/* Whether the file was replaced, destroyed or left behind, or was found to have lost its name. */
static inline bool ipm_datafile_is_retired(const ipm_datafile *file) {
    return atomic_load_explicit(file->retired, memory_order_acquire) != 0 ||
           (file->kept.is_open && ipm_datafile_is_left_behind(file));
}

/* The values of the retired flag. */
typedef enum ipm_retired {
    IPM_LIVE,
    IPM_RETIRED,  /* replaced or destroyed: nobody needs its values any more */
    IPM_MIGRATING /* its values go on in another file, or here: see ipm_datafile_revive */
} ipm_retired;

/* Set the retired flag in the file. */
void ipm_datafile_retire(ipm_datafile *file, ipm_retired retired);

/*
 * Clear the flag of a file that a manager retired in order to migrate it, and then died before the
 * new file had the name. The caller keeps other managers out. Another file is not changed.
 * returns  IPM_EPERMISSION, IPM_ESYSTEM, ...: the flag could not be read or cleared
 */
int ipm_datafile_revive(const char *path, bool *revived, ipm_error *error);

#endif
