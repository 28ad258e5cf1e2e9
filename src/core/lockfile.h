/*
 * The lock file and its life.
 *
 * Every handle that takes locks holds a shared open-file-description lock on byte 0 for as long as
 * it is open. Its mapping keeps the lock or, on file systems where a mapping does not, its
 * descriptor. A process that gets the lock exclusively is the only user, and initialises the file.
 * So a file from before a reboot, from a copied directory or from another libc blocks no process. A
 * manager holds byte 1 while it creates, replaces or destroys. An opener holds byte 2, the door,
 * until it has joined.
 */
#ifndef IPM_CORE_LOCKFILE_H
#define IPM_CORE_LOCKFILE_H

#include "fork.h"
#include "lock_head.h"
#include "rwlock.h"
#include "trust.h"

/* An open lock file. Private. */
typedef struct ipm_lockfile {
    ipm_lock_head *head; /* NULL: not open */
    ipm_rwlock_shared *shared;
    uint64_t size;
    uint32_t slots;
    dev_t device;
    ino_t inode;
    ipm_entry entry; /* in the list of handles; empty: not listed */
    ipm_kept kept;   /* last: a descriptor with the lock on byte 0, if the mapping keeps none */
} ipm_lockfile;

/* How long opening or destroying a segment waits in all for processes that hold bytes, and how long
 * `force` or a repair waits after that for the lock. */
#define IPM_PATIENCE_NS (INT64_C(10000) * 1000000)

/* The conditions under which a lock file is used or made. */
typedef struct ipm_lockfile_terms {
    const ipm_directory *directory; /* the file's; NULL: any owner is trusted */
    uid_t owner;                    /* the data file's, trusted as well; or IPM_NOBODY */
    mode_t mode;                    /* the data file's: its writers may lock */
    uint32_t slots;                 /* of a new file */
    int64_t deadline;               /* the end of all waiting; there is always one try */
    const char *needs_write; /* a lock file is made only if this file may be written; or NULL */
    bool replace;            /* remove a file that is not trusted */
} ipm_lockfile_terms;

/*
 * Open the lock file. Make it if it is missing, and initialise it if no process uses it. If more
 * users may write to it than to the data file, its owner corrects its mode, and other users refuse
 * it. *file must not be moved until it is closed.
 *
 * returns      IPM_EINCOMPATIBLE, IPM_EPERMISSION, IPM_ENOTFOUND (no such directory), ...;
 *              IPM_ETIMEOUT: by the deadline another process had not let go of a byte, which the
 *              text names
 */
int ipm_lockfile_open(const char *path, const ipm_lockfile_terms *terms, ipm_lockfile *file,
                      ipm_error *error);

/* Unmap the file, and take the handle off its list. The lock must not be held. Does nothing if the
 * file is not open. */
void ipm_lockfile_close(ipm_lockfile *file);

/*
 * Keep other managers out, until *fd is closed (-1 on failure). Makes the file if it is missing.
 * made     whether this call made it
 * returns  as ipm_lockfile_open
 */
int ipm_lockfile_manage(const char *path, const ipm_lockfile_terms *terms, int *fd, bool *made,
                        ipm_error *error);

/* Whether no other process uses the file or holds the manager's byte. If so, none can until fd is
 * closed. */
bool ipm_lockfile_claim(int fd);

#endif
