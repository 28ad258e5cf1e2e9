#include "process.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The file has one line, "1234 (name) Z ...". The 20th word is the number of threads. Of a process
 * whose first thread has ended the kernel says Z too, while others live. */
bool ipm_process_is_zombie(int32_t pid) {
    char path[32], line[1024], state;
    long threads;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, line, sizeof line - 1);
    close(fd);
    line[got > 0 ? got : 0] = '\0';
    const char *name_end = strrchr(line, ')'); /* the name may have any characters */
    return name_end != NULL &&
           sscanf(name_end,
                  ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld",
                  &state, &threads) == 2 &&
           state == 'Z' && threads <= 1;
}
