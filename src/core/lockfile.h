/*
 * The lock file and its life.
 *
 * Every handle that takes locks holds a shared open-file-description lock on byte 0 for as long
 * as it is open: its mapping keeps the lock, or, where a mapping does not, its descriptor. Who gets
 * it exclusively is alone, and makes everything afresh: so a file from before a reboot, from a
 * copied directory or from another libc blocks nobody. A manager holds byte 1 while it creates,
 * replaces or destroys; an opener holds byte 2, the door, until it is in.
 */
#ifndef IPM_CORE_LOCKFILE_H
#define IPM_CORE_LOCKFILE_H

#include "fork.h"
#include "lock_head.h"
#include "rwlock.h"
#include "trust.h"

/* An open one: private. */
typedef struct ipm_lockfile {
    ipm_lock_head *head; /* NULL: not open */
    ipm_rwlock_shared *shared;
    uint64_t size;
    uint32_t slots;
    dev_t device;
    ino_t inode;
    ipm_kept kept; /* the descriptor with the lock on byte 0, if the mapping does not keep it */
} ipm_lockfile;

/* How long all of opening a segment, or destroying one, waits for those who hold bytes. */
#define IPM_LOCKFILE_PATIENCE_NS (INT64_C(10000) * 1000000)

/* On which terms a lock file is used, or made. */
typedef struct ipm_lockfile_terms {
    const ipm_directory *directory; /* where it is; NULL: whoever owns the file */
    uid_t owner;                    /* of the data file, who may own it as well; or IPM_NOBODY */
    mode_t mode;                    /* of the data file: who may write that, may lock */
    uint32_t slots;                 /* of a new one */
    int64_t deadline;               /* until when to wait for others; always tries once */
    const char *needs_write; /* a file: only who may write to it makes a lock file; or NULL */
    bool replace;            /* one that is not trusted gives way */
} ipm_lockfile_terms;

/*
 * Open the lock file, make it if it is missing, and initialise it if nobody uses it. One that more
 * users may write to than the data file is set right by its owner, and refused by others. *file
 * stays where it is until it is closed.
 *
 * returns      IPM_EINCOMPATIBLE, IPM_EPERMISSION, IPM_ENOTFOUND (no such directory), ...;
 *              IPM_ETIMEOUT: by the deadline another process had not let go of a byte, which the
 *              text names
 */
int ipm_lockfile_open(const char *path, const ipm_lockfile_terms *terms, ipm_lockfile *file,
                      ipm_error *error);

/* Unmap: the lock must not be held. Harmless on one that is not open. */
void ipm_lockfile_close(ipm_lockfile *file);

/*
 * Keep other managers out, until *fd is closed (-1 on failure). Makes the file if it is missing.
 * made     whether this call made it
 * returns  as ipm_lockfile_open
 */
int ipm_lockfile_manage(const char *path, const ipm_lockfile_terms *terms, int *fd, bool *made,
                        ipm_error *error);

/* Whether nobody else uses the file, nor manages with it: then nobody does until fd is closed. */
bool ipm_lockfile_claim(int fd);

#endif
