#include "trust.h"

#include "error.h"

#include <errno.h>
#include <unistd.h>

static bool is_named(ipm_trust trust, uid_t user) {
    for (size_t i = 0; i < trust.count; i++)
        if (trust.users[i] == user || trust.users[i] == IPM_ANYONE)
            return true;
    return false;
}

static ipm_directory seen_as(const struct stat *status, ipm_trust trust) {
    return (ipm_directory){
        .owner = status->st_uid, .is_open = (status->st_mode & S_IWOTH) != 0, .trust = trust};
}

int ipm_directory_look(const char *path, ipm_trust trust, ipm_directory *directory,
                       ipm_error *error) {
    struct stat status;
    *directory = (ipm_directory){.owner = IPM_NOBODY, .is_open = true, .trust = trust};
    if (stat(path, &status) != 0)
        return errno == ENOENT
                   ? IPM_OK
                   : ipm_fail_errno(error, errno, "cannot examine the directory %s", path);
    *directory = seen_as(&status, trust);
    return IPM_OK;
}

static int check_owner(const char *path, const struct stat *status, ipm_trust trust,
                       ipm_error *error) {
    uid_t owner = status->st_uid;
    if (owner == geteuid() || owner == 0 || is_named(trust, owner))
        return IPM_OK;
    return ipm_fail(error, IPM_EPERMISSION, 0,
                    "%s belongs to user %lu, who could replace what is made in it: use a directory "
                    "of your own, or say with the option trust that you trust that user",
                    path, (unsigned long)owner);
}

/* The owner of a symbolic link can point it elsewhere, so that owner is checked as well. */
int ipm_directory_is_safe(const char *path, ipm_trust trust, ipm_directory *directory,
                          ipm_error *error) {
    struct stat named;
    if (lstat(path, &named) != 0)
        return ipm_fail_errno(error, errno, "cannot examine the directory %s", path);
    struct stat status = named;
    if (S_ISLNK(named.st_mode) && stat(path, &status) != 0)
        return ipm_fail_errno(error, errno, "cannot examine the directory %s", path);
    *directory = seen_as(&status, trust);
    int code = check_owner(path, &named, trust, error);
    if (code == IPM_OK && S_ISLNK(named.st_mode))
        code = check_owner(path, &status, trust, error);
    bool is_anybodys = directory->is_open && (status.st_mode & S_ISVTX) == 0;
    if (code == IPM_OK && is_anybodys && !is_named(trust, IPM_ANYONE))
        code =
            ipm_fail(error, IPM_EPERMISSION, 0,
                     "in %s anybody may replace what is made (it has mode %o, without the sticky "
                     "bit): use a directory of your own, or say with the option trust that you "
                     "trust anyone",
                     path, (unsigned)(status.st_mode & 07777));
    return code;
}

int ipm_directory_trusts(const ipm_directory *directory, const char *path,
                         const struct stat *status, uid_t other, ipm_error *error) {
    uid_t owner = status->st_uid;
    if (directory == NULL || !directory->is_open || owner == geteuid() ||
        owner == directory->owner || owner == other || is_named(directory->trust, owner))
        return IPM_OK;
    return ipm_fail(error, IPM_EPERMISSION, 0,
                    "%s belongs to user %lu, and anybody could have put it there: use a directory "
                    "that only you may write to, or say with the option trust that you trust that "
                    "user",
                    path, (unsigned long)owner);
}
