/*
 * A robust mutex between processes: it tells who locks it that its last owner has died.
 *
 * libc's own, of the kind that checks for errors, in memory that others can damage: so its kind is
 * looked at before each locking, since libc aborts on some others. Unlocked, and made consistent
 * after a death, by libc's functions.
 */
#ifndef IPM_CORE_MUTEX_H
#define IPM_CORE_MUTEX_H

#include "rare.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where libc keeps what never changes in a mutex: its kind. */
#ifdef __GLIBC__
#define IPM_MUTEX_KIND_OFFSET offsetof(pthread_mutex_t, __data.__kind)
#else
#define IPM_MUTEX_KIND_OFFSET 0 /* musl */
#endif

/* Locks of different processes each have a cache line of their own. */
#define IPM_CACHE_LINE 64

/*
 * Make mutexes that lie `stride` bytes apart.
 * returns  0 or an errno
 */
int ipm_mutex_init(pthread_mutex_t *first, size_t stride, uint32_t count);

/*
 * A freshly initialised mutex, for comparing.
 * returns  0 or an errno
 */
int ipm_mutex_template(pthread_mutex_t *mutex);

static inline uint32_t ipm_mutex_kind(const pthread_mutex_t *mutex) {
    const void *kind = (const char *)mutex + IPM_MUTEX_KIND_OFFSET;
    return __atomic_load_n((const uint32_t *)kind, __ATOMIC_RELAXED);
}

/* The kind of a fresh one; 0 when none can be made. */
IPM_RARE uint32_t ipm_mutex_find_kind(void);

/* Whether it has the constant parts of a fresh one. */
static inline bool ipm_mutex_is_sound(const pthread_mutex_t *mutex) {
    static _Atomic uint32_t known;
    uint32_t kind = atomic_load_explicit(&known, memory_order_relaxed);
    if (kind == 0) {
        kind = ipm_mutex_find_kind();
        atomic_store_explicit(&known, kind, memory_order_relaxed);
    }
    return ipm_mutex_kind(mutex) == kind;
}

/* returns  0 or EOWNERDEAD: locked; EBUSY; or what makes it unusable, EUCLEAN: it is no mutex */
static inline int ipm_mutex_try(pthread_mutex_t *mutex) {
    return ipm_mutex_is_sound(mutex) ? pthread_mutex_trylock(mutex) : EUCLEAN;
}

/*
 * How long somebody waits. In slices: other things may end the wait, and a wake-up may be
 * lost when the one that was to be woken, or that held the mutex, dies at the wrong moment. The
 * first slices are short, so that this costs little.
 */
typedef struct ipm_patience {
    int64_t deadline; /* by ipm_clock_now */
    /* Asked before each slice, and whether there was one before: 0, or an errno that ends it. */
    int (*go_on)(void *waiter, bool has_waited);
    void *waiter;
    int64_t slice_ns; /* the next one; each is twice as long as the one before */
    bool has_waited;
} ipm_patience;

/*
 * Lock, and wait for that for one slice.
 * returns  0 or EOWNERDEAD: locked; EAGAIN: the slice is over; ETIMEDOUT; what go_on said; or
 *          what makes it unusable, EUCLEAN: it is no mutex
 */
int ipm_mutex_wait(pthread_mutex_t *mutex, ipm_patience *patience);

#endif
