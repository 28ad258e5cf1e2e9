/*
 * A robust mutex between processes: locking it reports that the last owner died.
 *
 * It is libc's own mutex, of the error-checking kind, in memory that other processes can damage.
 * libc aborts on mutexes of some other kinds, so the kind is checked before each lock. Unlocking,
 * and making it consistent after a death, are libc's functions.
 */
#ifndef IPM_CORE_MUTEX_H
#define IPM_CORE_MUTEX_H

#include "cold.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where libc keeps the kind of a mutex, which never changes, and the word that the kernel knows. */
#ifdef __GLIBC__
#define IPM_MUTEX_KIND_OFFSET offsetof(pthread_mutex_t, __data.__kind)
#define IPM_MUTEX_WORD_OFFSET offsetof(pthread_mutex_t, __data.__lock)
#else
#define IPM_MUTEX_KIND_OFFSET 0 /* musl */
#define IPM_MUTEX_WORD_OFFSET 4
#endif

/* FUTEX_TID_MASK of linux/futex.h, which not every libc comes with. */
#define IPM_TID_MASK 0x3fffffff

/* Each mutex has a cache line of its own. */
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

/* The id of the thread that holds the mutex, for diagnosis; 0: none. For robust mutexes the kernel
 * says where in the word it is. */
static inline int32_t ipm_mutex_owner(const pthread_mutex_t *mutex) {
    const void *word = (const char *)mutex + IPM_MUTEX_WORD_OFFSET;
    return (int32_t)(__atomic_load_n((const uint32_t *)word, __ATOMIC_RELAXED) & IPM_TID_MASK);
}

/* The kind of a fresh mutex; 0: none can be made. */
IPM_COLD uint32_t ipm_mutex_find_kind(void);

/* Whether the mutex has the kind of a fresh one. */
static inline bool ipm_mutex_is_sound(const pthread_mutex_t *mutex) {
    static _Atomic uint32_t known;
    uint32_t kind = atomic_load_explicit(&known, memory_order_relaxed);
    if (kind == 0) {
        kind = ipm_mutex_find_kind();
        atomic_store_explicit(&known, kind, memory_order_relaxed);
    }
    return ipm_mutex_kind(mutex) == kind;
}

/* returns  0 or EOWNERDEAD: locked; EBUSY; EUCLEAN: it is no mutex; or why it is unusable */
static inline int ipm_mutex_try(pthread_mutex_t *mutex) {
    return ipm_mutex_is_sound(mutex) ? pthread_mutex_trylock(mutex) : EUCLEAN;
}

/*
 * How long a caller waits: in slices. Between two slices other events may end the wait. A slice
 * also ends a sleep whose wake-up was lost, because the process to be woken, or the holder, died at
 * the wrong moment. The first slices are short, so that such a loss costs little.
 */
typedef struct ipm_patience {
    int64_t deadline; /* by ipm_clock_now */
    /* Called before each slice, with whether there was one before: 0, or an errno that ends the
     * wait. */
    int (*go_on)(void *waiter, bool has_waited);
    void *waiter;
    int64_t slice_ns; /* of the next slice; each one is twice as long as the one before */
    bool has_waited;
} ipm_patience;

/*
 * Lock the mutex, waiting for at most one slice.
 * returns  0 or EOWNERDEAD: locked; EAGAIN: the slice is over; ETIMEDOUT; the result of go_on;
 *          EUCLEAN: it is no mutex; another errno: it is unusable
 */
int ipm_mutex_wait(pthread_mutex_t *mutex, ipm_patience *patience);

#endif
