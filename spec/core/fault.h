/*
 * System calls that fail on demand. The linker's --wrap redirects them: the core's call of `open`
 * calls `__wrap_open` here, and `__real_open` is the C library's function. This file also counts
 * open descriptors, mappings and allocated blocks.
 */
#ifndef FAULT_H
#define FAULT_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <search.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* Which call is to fail: its name, its number among the calls of this name (from 1), the errno. */
typedef struct fault_plan {
    const char *call;
    unsigned at;
    int error;
    int64_t stall_ns; /* how long the call takes until it fails */
} fault_plan;

/* How many of each resource the core holds and must release. */
typedef struct fault_balance {
    int descriptors, mappings, blocks;
} fault_balance;

static fault_balance fault_now;
static const fault_plan *fault_armed;
static unsigned fault_seen;
static bool fault_fired;

static void fault_arm(const fault_plan *plan) {
    fault_seen = 0;
    fault_fired = false;
    fault_armed = plan;
}

/* returns  whether the armed fault has happened */
static bool fault_disarm(void) {
    fault_armed = NULL;
    return fault_fired;
}

static bool fault(const char *call) {
    if (fault_armed == NULL || strcmp(fault_armed->call, call) != 0 ||
        ++fault_seen != fault_armed->at)
        return false;
    fault_fired = true;
    clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = fault_armed->stall_ns}, NULL);
    errno = fault_armed->error;
    return true;
}

static int count_if(bool good, int *counter, int by) {
    *counter += good ? by : 0;
    return 0;
}

/* ---- Calls that return -1 and set errno -------------------------------------------------- */

#define WRAP(type, name, parameters, arguments)                                                    \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters {                                                                \
        return fault(#name) ? -1 : __real_##name arguments;                                        \
    }

WRAP(int, access, (const char *path, int mode), (path, mode))
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode))
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, fstat, (int fd, struct stat *status), (fd, status))
WRAP(int, getrlimit, (int resource, struct rlimit *limit), (resource, limit))
WRAP(off_t, lseek, (int fd, off_t at, int whence), (fd, at, whence))
WRAP(int, lchown, (const char *path, uid_t owner, gid_t group), (path, owner, group))
WRAP(int, lstat, (const char *path, struct stat *status), (path, status))
WRAP(int, madvise, (void *at, size_t size, int advice), (at, size, advice))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, mlock, (const void *at, size_t size), (at, size))
WRAP(int, msync, (void *at, size_t size, int flags), (at, size, flags))
WRAP(int, nanosleep, (const struct timespec *time, struct timespec *left), (time, left))
WRAP(ssize_t, pread, (int fd, void *into, size_t size, off_t at), (fd, into, size, at))
WRAP(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at))
WRAP(ssize_t, read, (int fd, void *into, size_t size), (fd, into, size))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, stat, (const char *path, struct stat *status), (path, status))
WRAP(int, unlink, (const char *path), (path))

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    int fd = fault("open") ? -1 : __real_open(path, flags, mode);
    count_if(fd >= 0, &fault_now.descriptors, 1);
    return fd;
}

#define WRAP_DESCRIPTOR(name, parameters, arguments)                                               \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters {                                                                 \
        int made = fault(#name) ? -1 : __real_##name arguments;                                    \
        count_if(made >= 0, &fault_now.descriptors, 1);                                            \
        return made;                                                                               \
    }

WRAP_DESCRIPTOR(epoll_create1, (int flags), (flags))
WRAP(int, epoll_ctl, (int fd, int what, int other, struct epoll_event *event),
     (fd, what, other, event))
WRAP_DESCRIPTOR(eventfd, (unsigned initial, int flags), (initial, flags))
WRAP_DESCRIPTOR(inotify_init1, (int flags), (flags))
WRAP_DESCRIPTOR(timerfd_create, (int clock, int flags), (clock, flags))
WRAP(int, inotify_add_watch, (int fd, const char *path, uint32_t events), (fd, path, events))

/* The file system type that fstatfs reports for each file. 0: the real one. */
static uint32_t fault_file_system;

int __real_fstatfs(int fd, struct statfs *status);
int __wrap_fstatfs(int fd, struct statfs *status);
int __wrap_fstatfs(int fd, struct statfs *status) {
    int rc = fault("fstatfs") ? -1 : __real_fstatfs(fd, status);
    if (fault_file_system != 0)
        status->f_type = fault_file_system;
    return rc;
}

/* Linux closes the descriptor even if close returns an error. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
    count_if(fd >= 0, &fault_now.descriptors, -1);
    int rc = __real_close(fd);
    return fault("close") ? -1 : rc;
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return fault("fcntl") ? -1 : __real_fcntl(fd, command, argument);
}

/* A signal comes after this many bytes: a longer fallocate is interrupted and undone. 0: none. */
static off_t fault_signals_after;
static unsigned fault_interruptions;

int __real_fallocate(int fd, int mode, off_t at, off_t size);
int __wrap_fallocate(int fd, int mode, off_t at, off_t size);
int __wrap_fallocate(int fd, int mode, off_t at, off_t size) {
    if (fault_signals_after != 0 && size > fault_signals_after) {
        errno = ++fault_interruptions < 1000 ? EINTR : ENOSPC;
        return -1;
    }
    return fault("fallocate") ? -1 : __real_fallocate(fd, mode, at, size);
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return fault("ioctl") ? -1 : __real_ioctl(fd, request, argument);
}

/* The core uses syscall() for two calls: futex and renameat2. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...) {
    long a[6];
    va_list rest;
    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(rest, long);
    va_end(rest);
    if (fault(number == SYS_futex ? "futex" : "renameat2"))
        return -1;
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- Calls that report failures in another way ------------------------------------------- */

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t from);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t from);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t from) {
    void *map = fault("mmap") ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, from);
    count_if(map != MAP_FAILED, &fault_now.mappings, 1);
    return map;
}

int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size) {
    int rc = __real_munmap(at, size);
    count_if(rc == 0, &fault_now.mappings, -1);
    return rc;
}

char *__real_getcwd(char *into, size_t size);
char *__wrap_getcwd(char *into, size_t size);
char *__wrap_getcwd(char *into, size_t size) {
    return fault("getcwd") ? NULL : __real_getcwd(into, size);
}

#define WRAP_RC(name, parameters, arguments)                                                       \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters {                                                                 \
        return fault(#name) ? fault_armed->error : __real_##name arguments;                        \
    }

WRAP_RC(pthread_mutexattr_init, (pthread_mutexattr_t * attributes), (attributes))
WRAP_RC(pthread_mutex_init, (pthread_mutex_t * mutex, const pthread_mutexattr_t *attributes),
        (mutex, attributes))
WRAP_RC(pthread_mutex_trylock, (pthread_mutex_t * mutex), (mutex))

#define WRAP_BLOCK(name, parameters, arguments)                                                    \
    void *__real_##name parameters;                                                                \
    void *__wrap_##name parameters;                                                                \
    void *__wrap_##name parameters {                                                               \
        void *block = fault(#name) ? NULL : __real_##name arguments;                               \
        count_if(block != NULL, &fault_now.blocks, 1);                                             \
        return block;                                                                              \
    }

WRAP_BLOCK(malloc, (size_t size), (size))
WRAP_BLOCK(calloc, (size_t count, size_t size), (count, size))

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size) {
    void *grown = fault("realloc") ? NULL : __real_realloc(block, size);
    count_if(grown != NULL && block == NULL, &fault_now.blocks, 1);
    return grown;
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text) {
    char *copy = fault("strdup") ? NULL : __real_strdup(text);
    count_if(copy != NULL, &fault_now.blocks, 1);
    return copy;
}

void __real_free(void *block);
void __wrap_free(void *block);
void __wrap_free(void *block) {
    count_if(block != NULL, &fault_now.blocks, -1);
    __real_free(block);
}

/* libc allocates the stream's buffer, and the caller frees it. */
FILE *__real_open_memstream(char **text, size_t *size);
FILE *__wrap_open_memstream(char **text, size_t *size);
FILE *__wrap_open_memstream(char **text, size_t *size) {
    FILE *stream = fault("open_memstream") ? NULL : __real_open_memstream(text, size);
    count_if(stream != NULL, &fault_now.blocks, 1);
    return stream;
}

int __real_fclose(FILE *stream);
int __wrap_fclose(FILE *stream);
int __wrap_fclose(FILE *stream) {
    int rc = __real_fclose(stream);
    return fault("fclose") ? EOF : rc;
}

void *__real_tsearch(const void *key, void **root, int (*compare)(const void *, const void *));
void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *));
void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *)) {
    return fault("tsearch") ? NULL : __real_tsearch(key, root, compare);
}

/* ---- For each call, the errors that the manual pages name for a correct program ------------ */

#define ERRORS(...) ((const int[]){__VA_ARGS__, 0})

static const struct {
    const char *name;
    const int *errors;
} fault_calls[] = {
    {"access", ERRORS(EACCES, EIO)},
    {"calloc", ERRORS(ENOMEM)},
    {"chmod", ERRORS(EPERM, EROFS, EIO, ENOMEM)},
    {"close", ERRORS(EIO, EINTR, ENOSPC, EDQUOT)},
    {"epoll_create1", ERRORS(EMFILE, ENFILE, ENOMEM)},
    {"epoll_ctl", ERRORS(ENOMEM, ENOSPC)},
    {"fallocate", ERRORS(ENOSPC, EDQUOT, EFBIG, EINTR, EIO, EOPNOTSUPP)},
    {"fchmod", ERRORS(EPERM, EROFS, EIO)},
    {"fclose", ERRORS(ENOMEM)},
    {"fcntl", ERRORS(EAGAIN, EACCES, EINTR, ENOLCK, EINVAL)},
    {"fstat", ERRORS(ENOMEM, EOVERFLOW, EIO)},
    {"fstatfs", ERRORS(EINTR, EIO, ENOMEM, ENOSYS)},
    {"futex", ERRORS(EINTR, EAGAIN, ETIMEDOUT)},
    {"getcwd", ERRORS(EACCES, ENOENT, ENOMEM)},
    {"getrlimit", ERRORS(EFAULT)},
    {"inotify_add_watch", ERRORS(EACCES, ENOMEM, ENOSPC)},
    {"inotify_init1", ERRORS(EMFILE, ENFILE, ENOMEM)},
    {"ioctl", ERRORS(EOPNOTSUPP, ENOTTY, EINTR, EPERM)},
    {"lchown", ERRORS(EPERM, EROFS, EIO)},
    {"lseek", ERRORS(ENXIO, EOVERFLOW)},
    {"lstat", ERRORS(EACCES, ENOMEM, EIO)},
    {"madvise", ERRORS(EINVAL, ENOMEM, EAGAIN)},
    {"malloc", ERRORS(ENOMEM)},
    {"mkdir", ERRORS(EACCES, EPERM, EROFS, ENOSPC, EDQUOT, EMLINK, ENOMEM, ENOTDIR)},
    {"mlock", ERRORS(ENOMEM, EPERM, EAGAIN)},
    {"mmap", ERRORS(ENOMEM, EAGAIN, ENFILE, EACCES, EPERM)},
    {"msync", ERRORS(EIO, EBUSY, ENOMEM)},
    {"nanosleep", ERRORS(EINTR)},
    {"open", ERRORS(EACCES, EPERM, EMFILE, ENFILE, ENOMEM, EROFS, ENOSPC, EDQUOT, ELOOP, ENXIO,
                    EINTR, EOVERFLOW, ETXTBSY)},
    {"open_memstream", ERRORS(ENOMEM)},
    {"pread", ERRORS(EIO, EINTR, EAGAIN)},
    {"pthread_mutex_init", ERRORS(ENOMEM, EAGAIN, EPERM)},
    {"pthread_mutex_trylock", ERRORS(EAGAIN, ENOTRECOVERABLE)},
    {"pthread_mutexattr_init", ERRORS(ENOMEM)},
    {"pwrite", ERRORS(ENOSPC, EDQUOT, EFBIG, EIO, EINTR)},
    {"read", ERRORS(EIO, EINTR)},
    {"realloc", ERRORS(ENOMEM)},
    {"rename", ERRORS(EACCES, EPERM, EROFS, ENOSPC, EDQUOT, EBUSY, ENOMEM, EIO)},
    {"renameat2", ERRORS(EACCES, EPERM, EROFS, ENOSPC, EDQUOT, EBUSY, ENOMEM, EIO)},
    {"stat", ERRORS(EACCES, ENOMEM)},
    {"strdup", ERRORS(ENOMEM)},
    {"timerfd_create", ERRORS(EMFILE, ENFILE, ENOMEM)},
    {"tsearch", ERRORS(ENOMEM)},
    {"unlink", ERRORS(EACCES, EPERM, EROFS, EBUSY, EIO, ENOMEM)},
};

static const size_t fault_call_count = sizeof fault_calls / sizeof *fault_calls;

#endif
