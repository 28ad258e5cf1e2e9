/*
 * The names of a segment's files.
 */
#ifndef IPM_CORE_NAME_H
#define IPM_CORE_NAME_H

#include "../ipmmap.h"

/* Absolute, so that a later change of the working directory has no effect. All are malloc'ed. */
typedef struct ipm_names {
    char *tag;
    char *mmap_dir;
    char *lock_dir;
    char *path;
    char *lock_path;
} ipm_names;

/*
 * Make the names, from the options' path if there is one. The tag is checked before it becomes part
 * of a path.
 * returns  IPM_EINVALID (a bad tag, a path that does not end in the struct's name and a tag),
 *          IPM_ESYSTEM
 */
int ipm_names_make(const char *struct_name, const ipm_options *options, ipm_names *names,
                   ipm_error *error);
void ipm_names_free(ipm_names *names);

#endif
