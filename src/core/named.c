#include "named.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether a line of /proc/self/maps, "7f01000-7f09000 rw-s ...", contains the address. */
static bool is_about(const char *line, const void *address) {
    char *end;
    unsigned long long from = strtoull(line, &end, 16);
    if (*end != '-')
        return false;
    unsigned long long to = strtoull(end + 1, NULL, 16);
    return from <= (uintptr_t)address && (uintptr_t)address < to;
}

static bool says_removed(const char *line) {
    static const char suffix[] = " (deleted)";
    size_t length = strlen(line);
    return length >= strlen(suffix) && strcmp(line + length - strlen(suffix), suffix) == 0;
}

/*
 * Whether the file mapped at an address has lost its last name. The handle keeps no descriptor of
 * the file, so this reads the kernel's list of mappings, which marks such a file with a suffix. No
 * name of a data file ends in that suffix: each ends in .mmap.
 */
static bool is_removed(const void *map) {
    char text[2 * PATH_MAX];
    size_t length = 0;
    ssize_t got;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool found = false, removed = false;
    while (!found && (got = read(fd, text + length, sizeof text - length)) > 0) {
        char *line = text, *end;
        length += (size_t)got;
        while (!found && (end = memchr(line, '\n', (size_t)(text + length - line))) != NULL) {
            *end = '\0';
            found = is_about(line, map);
            removed = found && says_removed(line);
            line = end + 1;
        }
        length = (size_t)(text + length - line);
        memmove(text, line, length);
    }
    close(fd);
    return removed;
}

ipm_naming ipm_named(const char *path, dev_t device, ino_t inode, const void *map) {
    struct stat status;
    bool there = lstat(path, &status) == 0;
    if (there && status.st_dev == device && status.st_ino == inode)
        return IPM_NAMED;
    if (is_removed(map))
        return IPM_REMOVED;
    return there ? IPM_TAKEN : IPM_NAMED;
}
