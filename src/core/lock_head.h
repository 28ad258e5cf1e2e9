/*
 * The first page of a lock file: it says which processes may share the file.
 */
#ifndef IPM_CORE_LOCK_HEAD_H
#define IPM_CORE_LOCK_HEAD_H

#include "attached.h"
#include "page.h"
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
    _Alignas(64) _Atomic uint32_t notify; /* the futex of waits for a commit: notify.h */
    _Atomic uint32_t listening;           /* a listener wants the data file to be touched */
    _Alignas(64) ipm_waiters waiters;     /* the threads that wait for the lock */
    ipm_attachments attached;             /* the handles on the segment */
} ipm_lock_head;

_Static_assert(offsetof(ipm_lock_head, abi) == 16, "file format");
_Static_assert(offsetof(ipm_lock_head, slots) == 64, "file format");
_Static_assert(offsetof(ipm_lock_head, notify) == 128, "file format");
_Static_assert(offsetof(ipm_lock_head, waiters) == 192, "file format");
_Static_assert(offsetof(ipm_lock_head, attached) == 1216, "file format");
_Static_assert(sizeof(ipm_lock_head) <= IPM_PAGE, "the first page");
_Static_assert(sizeof(pthread_mutex_t) <= 56, "the mutex fits");

/*
 * Fill in the head of a lock file that this process would make, except for the magic.
 * returns  IPM_EINCOMPATIBLE: the pid namespace is unknown, so the file could not be shared;
 *          IPM_ESYSTEM
 */
int ipm_lock_head_make(ipm_lock_head *head, uint32_t slots, const char *path, ipm_error *error);

/*
 * Whether this process may use a lock file that is in use.
 * head       a private copy, which other processes cannot change
 * real_size  of the file
 * returns    IPM_EINCOMPATIBLE, IPM_ESYSTEM
 */
int ipm_lock_head_check(const ipm_lock_head *head, uint64_t real_size, const char *path,
                        ipm_error *error);

#endif
