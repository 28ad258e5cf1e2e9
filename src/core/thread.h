/*
 * What a thread knows of itself: its number, and the locks that it holds.
 */
#ifndef IPM_CORE_THREAD_H
#define IPM_CORE_THREAD_H

#include "rare.h"

#include <stdint.h>

struct ipm_rwlock;

/*
 * All in one place: finding it costs as much as a call. The number tells threads apart, which an
 * address, or what the system gives, cannot: those come back once a thread has ended.
 */
typedef struct ipm_thread {
    uint64_t number;
    struct ipm_rwlock *held; /* the list of its locks; in a fork's child they are the parent's */
    void (*abandon)(struct ipm_rwlock *held); /* unlocks one of them at the thread's end */
    uint32_t generation; /* the fork generation in which it took them; 0: none yet */
} ipm_thread;

/*
 * A module that is loaded later finds its threads' variables by a call, unless they lie among the
 * program's own, by an instruction. glibc keeps room there for some; musl has none. Freed room is
 * lost if another module came to lie behind it, so what has this inside is linked with nodelete.
 */
#ifdef __GLIBC__
#define IPM_NEAR __attribute__((tls_model("initial-exec")))
#else
#define IPM_NEAR
#endif

extern _Thread_local IPM_NEAR ipm_thread ipm_this_thread;

static inline ipm_thread *ipm_thread_self(void) {
    ipm_thread *thread = &ipm_this_thread;
    __asm__("" : "+r"(thread)); /* or the compiler finds it anew for each use */
    return thread;
}

/*
 * To be called before the thread takes a lock, when its generation is not ipm_fork_generation: give
 * it a number, forget the parent's locks, and see to it that the locks which the thread still holds
 * when it ends are abandoned then.
 *
 * abandon  takes a lock off the thread's list, and unlocks it
 * returns  0 or an errno
 */
IPM_RARE int ipm_thread_prepare(ipm_thread *thread, void (*abandon)(struct ipm_rwlock *held));

#endif
