#include "process.h"

#include "fork.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Read the beginning of a small file as text. returns  whether there is any */
static bool read_small_file(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, size - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* ---- Another process --------------------------------------------------------------------- */

/* What /proc/PID/stat says. */
typedef struct process_stat {
    bool is_zombie;
    uint64_t start;
} process_stat;

/*
 * The file has one line, "1234 (name) Z ...", of which the 20th word is the number of threads, and
 * the 22nd the start. The kernel says Z also of a process whose first thread has ended, while
 * others live.
 */
static bool parse_stat(const char *line, process_stat *stat) {
    const char *at = strrchr(line, ')'); /* the name may have any characters */
    if (at == NULL || at[1] != ' ')
        return false;
    bool is_ended = strncmp(at, ") Z ", 4) == 0;
    for (int word = 2; word < 20 && at != NULL; word++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        return false;
    stat->is_zombie = is_ended && strtol(at, NULL, 10) <= 1;
    for (int word = 20; word < 22 && at != NULL; word++)
        at = strchr(at + 1, ' ');
    stat->start = at == NULL ? 0 : strtoull(at, NULL, 10);
    return true;
}

static bool read_stat(int32_t pid, process_stat *stat) {
    char path[32], line[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    return read_small_file(path, line, sizeof line) && parse_stat(line, stat);
}

bool ipm_process_is_zombie(int32_t pid) {
    process_stat stat;
    return read_stat(pid, &stat) && stat.is_zombie;
}

bool ipm_process_lives(int32_t pid, uint64_t start) {
    process_stat stat;
    if (!ipm_process_is_alive(pid))
        return false;
    if (!read_stat(pid, &stat))
        return true;
    return !stat.is_zombie && (start == 0 || stat.start == 0 || stat.start == start);
}

ipm_life ipm_process_life(const ipm_identity *identity) {
    const ipm_identity self = ipm_process_self();
    if (identity->pid <= 0)
        return IPM_LIFE_UNKNOWN;
    if (identity->boot != 0 && self.boot != 0 && identity->boot != self.boot)
        return IPM_GONE;
    if (self.space == 0 || identity->space != self.space)
        return IPM_LIFE_UNKNOWN;
    return ipm_process_lives(identity->pid, identity->start) ? IPM_ALIVE : IPM_GONE;
}

/* ---- This process ------------------------------------------------------------------------ */

static ipm_identity look_up_self(void) {
    ipm_identity self = {.pid = (int32_t)getpid()};
    struct stat status;
    process_stat stat_line;
    char text[16];
    if (stat("/proc/self/ns/pid", &status) == 0)
        self.space = (uint32_t)status.st_ino;
    if (stat("/proc/self/ns/time", &status) == 0)
        self.clock = (uint32_t)status.st_ino;
    if (read_stat(self.pid, &stat_line))
        self.start = stat_line.start;
    if (read_small_file("/proc/sys/kernel/random/boot_id", text, 9))
        self.boot = (uint32_t)strtoul(text, NULL, 16);
    return self;
}

/* A process's identity never changes, and all threads find the same. */
ipm_identity ipm_process_self(void) {
    static _Atomic int32_t pid;
    static _Atomic uint32_t space, boot, clock;
    static _Atomic uint64_t start;
    static _Atomic uint32_t found_in; /* the fork generation */
    if (atomic_load_explicit(&found_in, memory_order_acquire) == ipm_fork_generation)
        return (ipm_identity){
            .pid = atomic_load_explicit(&pid, memory_order_relaxed),
            .space = atomic_load_explicit(&space, memory_order_relaxed),
            .start = atomic_load_explicit(&start, memory_order_relaxed),
            .boot = atomic_load_explicit(&boot, memory_order_relaxed),
            .clock = atomic_load_explicit(&clock, memory_order_relaxed),
        };
    const ipm_identity self = look_up_self();
    atomic_store_explicit(&pid, self.pid, memory_order_relaxed);
    atomic_store_explicit(&space, self.space, memory_order_relaxed);
    atomic_store_explicit(&start, self.start, memory_order_relaxed);
    atomic_store_explicit(&boot, self.boot, memory_order_relaxed);
    atomic_store_explicit(&clock, self.clock, memory_order_relaxed);
    /* If something failed, perhaps for lack of descriptors, look again next time. */
    if (self.space != 0 && self.start != 0 && self.boot != 0)
        atomic_store_explicit(&found_in, ipm_fork_generation, memory_order_release);
    return self;
}
