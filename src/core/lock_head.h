/*
 * The first page of a lock file: it says which processes may share the file.
 */
#ifndef IPM_CORE_LOCK_HEAD_H
#define IPM_CORE_LOCK_HEAD_H

#include "waiters.h"

#include "../ipmmap.h"

#include <pthread.h>
#include <stddef.h>

typedef struct ipm_lock_head {
    char magic[8]; /* written last */
    uint32_t format;
    uint32_t byte_order;
    char abi[32];       /* libc and architecture */
    uint64_t pid_space; /* the inode of the pid namespace; 0: unknown, and shared with nobody */
    uint64_t size;      /* of the file */
    uint32_t slots;
    uint32_t mutex_size;
    unsigned char mutex[56];              /* a fresh one */
    _Alignas(64) _Atomic uint32_t notify; /* the futex of those who wait for a commit: notify.h */
    _Atomic uint32_t listening;           /* someone asks for the data file to be touched */
    _Alignas(64) ipm_waiters waiters;     /* who waits for the lock */
} ipm_lock_head;

_Static_assert(offsetof(ipm_lock_head, abi) == 16, "file format");
_Static_assert(offsetof(ipm_lock_head, slots) == 64, "file format");
_Static_assert(offsetof(ipm_lock_head, notify) == 128, "file format");
_Static_assert(offsetof(ipm_lock_head, waiters) == 192, "file format");
_Static_assert(sizeof(ipm_lock_head) <= 4096, "the first page");
_Static_assert(sizeof(pthread_mutex_t) <= 56, "the mutex fits");

/*
 * Describe a lock file that this process would make, but for the magic.
 * returns  IPM_EINCOMPATIBLE: nothing can be shared, since the pid namespace is unknown;
 * IPM_ESYSTEM
 */
int ipm_lock_head_make(ipm_lock_head *head, uint32_t slots, const char *path, ipm_error *error);

/*
 * Whether this process may use a lock file that is in use.
 * head       a copy: nothing in it changes any more
 * real_size  of the file
 * returns    IPM_EINCOMPATIBLE, IPM_ESYSTEM
 */
int ipm_lock_head_check(const ipm_lock_head *head, uint64_t real_size, const char *path,
                        ipm_error *error);

#endif
