/*
 * The core's transactions, notifications and lock, compiled for the machine of weak.h.
 */
#include "weak.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/core/clock.h"
#include "../../src/core/word.h"

#define VALUE_OF(p) __typeof__((void)0, *(p))

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_or_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_thread_fence
#define atomic_load_explicit(p, order) ((VALUE_OF(p))weak_load((p), sizeof *(p), (order)))
#define atomic_store_explicit(p, value, order) weak_store((p), sizeof *(p), (value), (order))
#define atomic_fetch_add_explicit(p, value, order) weak_add((p), sizeof *(p), (value), (order))
#define atomic_fetch_or_explicit(p, bits, order)                                                   \
    ((VALUE_OF(p))weak_or((p), sizeof *(p), (bits), (order)))
#define atomic_compare_exchange_weak_explicit(p, expected, desired, order, otherwise)              \
    weak_swap((p), sizeof *(p), (expected), (desired), (order))
#define atomic_compare_exchange_strong_explicit(p, expected, desired, order, otherwise)            \
    weak_swap((p), sizeof *(p), (expected), (desired), (order))
#define atomic_thread_fence(order) weak_fence(order)

#define ipm_copy_from_shared weak_copy
#define ipm_copy_shared weak_copy

#define pthread_mutex_trylock weak_trylock
#define pthread_mutex_clocklock(mutex, clock, until) ((void)(until), weak_waitlock(mutex))
#define pthread_mutex_consistent weak_consistent
#define pthread_mutex_unlock weak_unlock

static int64_t ticks(void) { /* time passes at each look at the clock */
    static int64_t now;
    return now += IPM_MS;
}
static int64_t no_deadline(int64_t timeout_ns) {
    return timeout_ns;
}
#define ipm_clock_now ticks
#define ipm_clock_deadline no_deadline

/* The only system call that the core makes here is a futex. */
static long weak_syscall(long number, const volatile void *word, int operation, uint32_t value,
                         void *timeout, void *other, int mask) {
    (void)number, (void)timeout, (void)other, (void)mask;
    if (operation != 1) /* not FUTEX_WAKE */
        return (errno = weak_sleep(word, value)) == 0 ? 0 : -1;
    weak_wake();
    return 0;
}
#define syscall weak_syscall

/* The touch that notifies event loops. Here the path is the address of a counter of touches. */
static int weak_touch(const char *path) {
    weak_add((void *)(uintptr_t)path, sizeof(uint32_t), 1, memory_order_relaxed);
    weak_wake();
    return 0;
}
#define utimensat(directory, path, times, flags) weak_touch(path)

/* The core's inline functions in headers are also compiled for the machine, but only here. */
#include "../../src/core/listeners.c"
#include "../../src/core/mutex.c"
#include "../../src/core/notify.c"
#include "../../src/core/queue.c"
#include "../../src/core/rwlock.c"
#include "../../src/core/transaction.c"

#include "weak_core.h"

void weak_change(ipm_transaction *transaction, uint64_t offset, uint64_t size) {
    ipm_transaction_change(transaction, offset, size);
}
