/*
 * Whether the owner of a file is trusted. In a directory that strangers may write to, any of them
 * can make a segment's file before its own processes do; and the owner of a lock file can make the
 * processes that use it write anywhere in their memory.
 */
#ifndef IPM_CORE_TRUST_H
#define IPM_CORE_TRUST_H

#include "../ipmmap.h"

#include <sys/stat.h>

#define IPM_NOBODY ((uid_t)-1)

/* The users that the caller trusts, as in ipm_options. */
typedef struct ipm_trust {
    const uint32_t *users;
    size_t count;
} ipm_trust;

/* The owner and mode of a directory, and whom the caller trusts. */
typedef struct ipm_directory {
    uid_t owner;
    bool is_open; /* everybody may write to it */
    ipm_trust trust;
} ipm_directory;

/*
 * Look at a directory. A missing one counts as a stranger's, since a stranger may make it.
 * returns  IPM_EPERMISSION, IPM_ESYSTEM
 */
int ipm_directory_look(const char *path, ipm_trust trust, ipm_directory *directory,
                       ipm_error *error);

/*
 * Look at a directory that exists, and whether a manager may make files in it: the directory
 * belongs to a trusted user or to root, and no other user can remove or replace the files in it.
 * returns  IPM_EPERMISSION with error->system 0: it may not; with an errno, as other codes: the
 *          directory cannot be examined
 */
int ipm_directory_is_safe(const char *path, ipm_trust trust, ipm_directory *directory,
                          ipm_error *error);

/*
 * Whether a file in the directory may be used: not everybody may write to the directory, or the
 * file belongs to this user, to the directory's owner, to `other`, or to a trusted user.
 * directory  NULL: any file may be used
 * other      a further user that may own the file; IPM_NOBODY: none
 * returns    IPM_EPERMISSION
 */
int ipm_directory_trusts(const ipm_directory *directory, const char *path,
                         const struct stat *status, uid_t other, ipm_error *error);

#endif
