#include "slow_readers.h"

#include "clock.h"

#define ARRIVAL 0x10001U
#define COUNT IPM_SLOW_READERS
#define NAP_NS (50 * 1000)        /* of a writer that lets them go first */
#define COURTESY_NS (10 * IPM_MS) /* the most it waits for them each time */
#define STUCK_WAITS 8             /* after which they are taken for dead */

void ipm_slow_readers_enter(ipm_rwlock *lock) {
    atomic_fetch_add_explicit(&lock->shared->slow_readers, ARRIVAL, memory_order_relaxed);
}

void ipm_slow_readers_leave(ipm_rwlock *lock) {
    _Atomic uint32_t *count = &lock->shared->slow_readers;
    uint32_t seen = atomic_load_explicit(count, memory_order_relaxed);
    /* A writer may have set it to 0 meanwhile, taking this reader for dead. */
    while ((seen & COUNT) != 0 &&
           !atomic_compare_exchange_weak_explicit(count, &seen, seen - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

void ipm_slow_readers_go_first(ipm_rwlock *lock, uint32_t first, int64_t deadline) {
    _Atomic uint32_t *count = &lock->shared->slow_readers;
    uint32_t seen = first;
    int64_t now = ipm_clock_now();
    int64_t until = deadline - now < COURTESY_NS ? deadline : now + COURTESY_NS;
    while ((seen & COUNT) != 0 && now < until &&
           atomic_load_explicit(lock->retired, memory_order_acquire) == 0) {
        ipm_clock_nap(NAP_NS);
        seen = atomic_load_explicit(count, memory_order_relaxed);
        now = ipm_clock_now();
    }
    if ((seen & COUNT) == 0 || seen != first || seen != lock->stuck_at)
        lock->stuck = 0;
    lock->stuck_at = seen;
    if ((seen & COUNT) != 0 && ++lock->stuck >= STUCK_WAITS) {
        atomic_compare_exchange_strong_explicit(count, &seen, seen & ~COUNT, memory_order_relaxed,
                                                memory_order_relaxed);
        lock->stuck = 0;
    }
}
