#include "name.h"

#include "error.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_DIR "./.mmap"

static int check_tag(const char *struct_name, const char *tag, ipm_error *error) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-";
    size_t length = strlen(tag);
    if (length > IPM_MAX_TAG)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: the tag '%.40s...' is longer than %d bytes",
                        struct_name, tag, IPM_MAX_TAG);
    if (strspn(tag, allowed) != length || strstr(tag, "..") != NULL)
        return ipm_fail(error, IPM_EINVALID, 0,
                        "%s: the tag '%s' is not made of letters, digits, '.', '_' and '-' "
                        "without '..'",
                        struct_name, tag);
    return IPM_OK;
}

/* "dir///" under the working directory /home/ada: "/home/ada/dir". */
static char *absolute(const char *dir) {
    char here[PATH_MAX] = "";
    while (dir[0] == '.' && dir[1] == '/')
        dir += 1 + strspn(dir + 1, "/");
    if (strcmp(dir, ".") == 0)
        dir = "";
    if (dir[0] != '/' && getcwd(here, sizeof here) == NULL)
        return NULL;
    size_t size = strlen(here) + strlen(dir) + 2;
    char *path = malloc(size);
    if (path == NULL)
        return NULL;
    snprintf(path, size, "%s%s%s", here, dir[0] == '/' || dir[0] == '\0' ? "" : "/", dir);
    for (size_t end = strlen(path); end > 1 && path[end - 1] == '/'; end--)
        path[end - 1] = '\0';
    return path;
}

static char *join_path(const char *dir, const char *struct_name, const char *tag,
                       const char *suffix) {
    size_t size = strlen(dir) + strlen(struct_name) + strlen(tag) + strlen(suffix) + 3;
    char *path = malloc(size);
    if (path != NULL)
        snprintf(path, size, "%s%s%s_%s%s", dir, strcmp(dir, "/") == 0 ? "" : "/", struct_name, tag,
                 suffix);
    return path;
}

static int make_names(const char *struct_name, const char *tag, const char *mmap_dir,
                      const char *lock_dir, ipm_names *names, ipm_error *error) {
    int code = check_tag(struct_name, tag, error);
    if (code != IPM_OK)
        return code;
    errno = ENOMEM;
    if ((names->tag = strdup(tag)) == NULL || (names->mmap_dir = absolute(mmap_dir)) == NULL ||
        (names->lock_dir = absolute(lock_dir)) == NULL ||
        (names->path = join_path(names->mmap_dir, struct_name, tag, ".mmap")) == NULL ||
        (names->lock_path = join_path(names->lock_dir, struct_name, tag, ".lock")) == NULL) {
        code = ipm_fail_errno(error, errno,
                              errno == ENOMEM
                                  ? "cannot name the files of %s"
                                  : "the files of %s are looked for from the current directory, "
                                    "which has no path (give an absolute one for the files)",
                              struct_name);
        ipm_names_free(names);
    }
    return code;
}

/* Split "/x/Demo_left.mmap" in place. returns  the tag; NULL: the file has another name */
static const char *split(char *path, const char *struct_name, const char **dir) {
    static const char suffix[] = "_.mmap";
    char *slash = strrchr(path, '/');
    char *name = slash == NULL ? path : slash + 1;
    size_t length = strlen(name), stem = strlen(struct_name);
    if (length < stem + strlen(suffix) || memcmp(name, struct_name, stem) != 0 ||
        name[stem] != '_' || strcmp(name + length - strlen(suffix) + 1, suffix + 1) != 0)
        return NULL;
    name[length - strlen(suffix) + 1] = '\0';
    *dir = slash == NULL ? "." : slash == path ? "/" : path;
    if (slash != NULL)
        *slash = '\0';
    return name + stem + 1;
}

static int make_from_path(const char *struct_name, const ipm_options *options, ipm_names *names,
                          ipm_error *error) {
    const char *dir;
    char *copy = strdup(options->path);
    if (copy == NULL)
        return ipm_fail_errno(error, ENOMEM, "cannot name the files of %s", struct_name);
    const char *tag = split(copy, struct_name, &dir);
    int code = tag == NULL
                   ? ipm_fail(error, IPM_EINVALID, 0,
                              "%s: %s could be opened if it were called %s_<tag>.mmap", struct_name,
                              options->path, struct_name)
                   : make_names(struct_name, tag, dir,
                                options->lock_dir != NULL ? options->lock_dir : dir, names, error);
    free(copy);
    return code;
}

int ipm_names_make(const char *struct_name, const ipm_options *options, ipm_names *names,
                   ipm_error *error) {
    const char *mmap_dir = options->mmap_dir != NULL ? options->mmap_dir : DEFAULT_DIR;
    memset(names, 0, sizeof *names);
    if (options->path != NULL)
        return make_from_path(struct_name, options, names, error);
    return make_names(struct_name, options->tag != NULL ? options->tag : "", mmap_dir,
                      options->lock_dir != NULL ? options->lock_dir : mmap_dir, names, error);
}

void ipm_names_free(ipm_names *names) {
    free(names->tag);
    free(names->mmap_dir);
    free(names->lock_dir);
    free(names->path);
    free(names->lock_path);
    memset(names, 0, sizeof *names);
}
