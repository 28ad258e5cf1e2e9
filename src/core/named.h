/*
 * Whether a mapped file still has its name. rm, or a cleaner of temporary files, may have removed
 * it without notice.
 */
#ifndef IPM_CORE_NAMED_H
#define IPM_CORE_NAMED_H

#include <stdbool.h>
#include <sys/types.h>

typedef enum ipm_naming {
    IPM_NAMED,  /* or unknown: a parent directory was renamed, or may not be searched */
    IPM_TAKEN,  /* another file has the name; this one may have another name */
    IPM_REMOVED /* the file has no name any more, so nobody can open it again */
} ipm_naming;

/*
 * Look. This costs one system call while the file has its name; it allocates nothing.
 * map      where this process has mapped the file
 */
ipm_naming ipm_named(const char *path, dev_t device, ino_t inode, const void *map);

#endif
