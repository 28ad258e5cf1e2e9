/*
 * Whether a mapped file still has its name: what rm, or a cleaner of temporary files, took away
 * tells nobody.
 */
#ifndef IPM_CORE_NAMED_H
#define IPM_CORE_NAMED_H

#include <stdbool.h>
#include <sys/types.h>

typedef enum ipm_naming {
    IPM_NAMED,  /* or nobody can tell: a directory above was renamed, or may not be searched */
    IPM_TAKEN,  /* another file has the name, and this one may have another */
    IPM_REMOVED /* the file has no name any more, and no one can open it ever again */
} ipm_naming;

/*
 * Look. Costs one system call while all is well; allocates nothing.
 * map      where the file is mapped in this process
 */
ipm_naming ipm_named(const char *path, dev_t device, ino_t inode, const void *map);

#endif
