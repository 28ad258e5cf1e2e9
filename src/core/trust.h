/*
 * Whose files are used. Where strangers may write to a directory, any of them can put a file in the
 * place of a segment's before its own processes do, and who owns a lock file that others use can
 * make them write anywhere in their memory.
 */
#ifndef IPM_CORE_TRUST_H
#define IPM_CORE_TRUST_H

#include "../ipmmap.h"

#include <sys/stat.h>

#define IPM_NOBODY ((uid_t)-1)

/* Users that the caller trusts, as ipm_options has them. */
typedef struct ipm_trust {
    const uint32_t *users;
    size_t count;
} ipm_trust;

/* What is known of the directory of a file. */
typedef struct ipm_directory {
    uid_t owner;
    bool is_open; /* everybody may write to it */
    ipm_trust trust;
} ipm_directory;

/*
 * Look at a directory. One that is not there is a stranger's: should it come, it is somebody's.
 * returns  IPM_EPERMISSION, IPM_ESYSTEM
 */
int ipm_directory_look(const char *path, ipm_trust trust, ipm_directory *directory,
                       ipm_error *error);

/*
 * Whether a manager may make files in the directory: it belongs to a trusted user or to root, and
 * nobody else can remove or replace what is in it.
 * returns  IPM_EPERMISSION
 */
int ipm_directory_is_safe(const char *path, ipm_trust trust, ipm_error *error);

/*
 * Whether a file in the directory may be used: not everybody may write to the directory, or the
 * file belongs to this user, to the directory's owner, to `other`, or to somebody the caller
 * trusts. directory  NULL: any file may be used other      a further user who may own it;
 * IPM_NOBODY: none returns    IPM_EPERMISSION
 */
int ipm_directory_trusts(const ipm_directory *directory, const char *path,
                         const struct stat *status, uid_t other, ipm_error *error);

#endif
