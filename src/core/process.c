#include "process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file has one line, "1234 (name) Z ...", of which the 20th word is the number of threads. The
 * kernel says Z also of a process whose first thread has ended, while others live. */
bool ipm_process_is_zombie(int32_t pid) {
    char path[32], line[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, line, sizeof line - 1);
    close(fd);
    line[got > 0 ? got : 0] = '\0';
    const char *at = strrchr(line, ')'); /* the name may have any characters */
    if (at == NULL || strncmp(at, ") Z ", 4) != 0)
        return false;
    for (int word = 2; word < 20 && at != NULL; word++)
        at = strchr(at + 1, ' ');
    return at != NULL && strtol(at, NULL, 10) <= 1;
}
