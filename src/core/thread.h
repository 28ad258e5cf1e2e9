/*
 * The calling thread's own data: its number, and the locks that it holds.
 */
#ifndef IPM_CORE_THREAD_H
#define IPM_CORE_THREAD_H

#include "cold.h"

#include <stdint.h>

struct ipm_rwlock;

/*
 * One struct, since finding a thread's data costs as much as a call. The number identifies a thread
 * for ever; an address or the system's thread id would be reused after the thread has ended.
 */
typedef struct ipm_thread {
    uint64_t number;
    struct ipm_rwlock *held; /* the list of its locks; in a fork's child the parent's locks */
    void (*abandon)(struct ipm_rwlock *held); /* unlocks one of them at the thread's end */
    uint32_t generation; /* the fork generation of the list; 0: the thread is not prepared */
} ipm_thread;

/*
 * A module that is loaded later finds its thread-local variables by a call. In the block of the
 * program's own variables it finds them by one instruction; glibc keeps room there for a few, musl
 * does not. The room may be lost when the module is unloaded, so the module is linked with
 * nodelete.
 */
#ifdef __GLIBC__
#define IPM_NEAR __attribute__((tls_model("initial-exec")))
#else
#define IPM_NEAR
#endif

extern _Thread_local IPM_NEAR ipm_thread ipm_this_thread;

static inline ipm_thread *ipm_thread_self(void) {
    ipm_thread *thread = &ipm_this_thread;
    __asm__("" : "+r"(thread)); /* otherwise the compiler finds it anew for each use */
    return thread;
}

/*
 * Prepare a thread for its locks: give it a number, forget the parent's locks, and have the locks
 * that the thread holds at its end abandoned. Call it before the thread takes a lock, if the
 * thread's generation is not ipm_fork_generation.
 *
 * abandon  takes a lock off the thread's list, and unlocks it
 * returns  0 or an errno
 */
IPM_COLD int ipm_thread_prepare(ipm_thread *thread, void (*abandon)(struct ipm_rwlock *held));

#endif
