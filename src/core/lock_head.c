#include "lock_head.h"

#include "error.h"
#include "mutex.h"
#include "page.h"
#include "process.h"
#include "rwlock.h"
#include "trailer.h"

#include <stdio.h>
#include <string.h>

#define FORMAT 2 /* format 1 did not list who has the segment open, nor the threads that wait */

/* The mutexes of different libcs have the same size and different contents. */
#ifdef __GLIBC__
#define LIBC "glibc"
#else
#define LIBC "musl"
#endif

#if defined(__x86_64__)
#define ARCHITECTURE "x86_64"
#elif defined(__aarch64__)
#define ARCHITECTURE "aarch64"
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE "riscv64"
#else
#error "an architecture that ipmmap was not ported to"
#endif

static uint64_t file_size(uint32_t slots) {
    return ipm_page_up(IPM_PAGE + ipm_rwlock_size(slots));
}

/* Fill in the head of a lock file that this process would make, except for the magic. */
static int describe_head(ipm_lock_head *head, uint32_t slots) {
    pthread_mutex_t mutex;
    int rc = ipm_mutex_template(&mutex);
    memset(head, 0, sizeof *head);
    head->format = FORMAT;
    head->byte_order = IPM_BYTE_ORDER_MARK;
    snprintf(head->abi, sizeof head->abi, "%s", LIBC " " ARCHITECTURE);
    /* Thread ids collide between pid namespaces, and robust mutexes are owned by thread id. */
    head->pid_space = ipm_process_self().space;
    head->size = file_size(slots);
    head->slots = slots;
    head->mutex_size = sizeof mutex;
    memcpy(head->mutex, &mutex, sizeof mutex);
    return rc;
}

static int fail_pid_space(const char *path, ipm_error *error) {
    return ipm_fail(error, IPM_EINCOMPATIBLE, 0,
                    "%s cannot be shared: without /proc/self/ns/pid, nobody can tell whose "
                    "thread ids are in it",
                    path);
}

int ipm_lock_head_make(ipm_lock_head *head, uint32_t slots, const char *path, ipm_error *error) {
    int rc = describe_head(head, slots);
    if (rc != 0)
        return ipm_fail_errno(error, rc, "cannot make the locks in %s", path);
    return head->pid_space == 0 ? fail_pid_space(path, error) : IPM_OK;
}

int ipm_lock_head_check(const ipm_lock_head *head, uint64_t real_size, const char *path,
                        ipm_error *error) {
    ipm_lock_head own;
    if (head->slots < 1 || head->slots > IPM_MAX_READERS)
        return ipm_fail(error, IPM_EINCOMPATIBLE, 0, "%s is in use and damaged", path);
    int rc = describe_head(&own, head->slots);
    if (rc != 0)
        return ipm_fail_errno(error, rc, "cannot make a lock like those in %s", path);
    if (head->format != own.format || head->byte_order != own.byte_order)
        return ipm_fail(error, IPM_EINCOMPATIBLE, 0,
                        "%s is in use by another version of ipmmap (format %u, here %u)", path,
                        head->format, own.format);
    if (memcmp(head->abi, own.abi, sizeof own.abi) != 0)
        return ipm_fail(error, IPM_EINCOMPATIBLE, 0,
                        "%s is in use by a process of another libc or architecture (%.31s, "
                        "here %s)",
                        path, head->abi, own.abi);
    if (head->mutex_size != own.mutex_size || memcmp(head->mutex, own.mutex, sizeof own.mutex) != 0)
        return ipm_fail(error, IPM_EINCOMPATIBLE, 0,
                        "%s is in use by a process with another kind of mutex", path);
    if (own.pid_space == 0)
        return fail_pid_space(path, error);
    if (head->pid_space != own.pid_space)
        return ipm_fail(error, IPM_EINCOMPATIBLE, 0,
                        "%s is in use by a process in another pid namespace", path);
    if (head->size != own.size || real_size < own.size)
        return ipm_fail(error, IPM_EINCOMPATIBLE, 0, "%s is in use and truncated", path);
    return IPM_OK;
}
