/*
 * The core's transactions, feeds, notifications and lock, compiled for the machine of weak.h.
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
#define atomic_store_explicit(p, value, order)                                                     \
    weak_store((p), sizeof *(p), (uint64_t)(value), (order))
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
#include "../../src/core/ring.c"
#include "../../src/core/rwlock.c"
#include "../../src/core/share.c"
#include "../../src/core/transaction.c"

#include "weak_core.h"

static int version_now(ipm_segment *segment, uint64_t *version, ipm_error *error) {
    (void)error;
    *version = ipm_snapshot_version(&segment->data.memory);
    return IPM_OK;
}

static int look_for_news(ipm_segment *segment, uint64_t version, int64_t timeout_ns, uint64_t *now,
                         ipm_error *error) {
    (void)timeout_ns;
    version_now(segment, now, error);
    return *now > version ? IPM_OK : IPM_ETIMEOUT;
}

static void take_turns(ipm_segment *segment, ipm_snapshot *snapshot) {
    (void)segment;
    while (!ipm_snapshot_turn(snapshot))
        ;
}

#define ipm_segment_version version_now
#define ipm_segment_wait look_for_news
#define ipm_segment_take take_turns
#include "../../src/core/feed.c"

void weak_segment(ipm_segment *segment, const ipm_memory *memory) {
    memset(segment, 0, sizeof *segment);
    segment->data.memory = *memory;
    segment->data.geometry.struct_size = memory->size;
    segment->name = "Weak";
}

void weak_begin(ipm_transaction *transaction, uint64_t version) {
    ipm_transaction_begin(transaction, version, 0);
}

ipm_share weak_share(const ipm_share_block *block) {
    return load_share(block).share;
}

void weak_set_share(ipm_share_block *block, const ipm_share *share) {
    const share_state state = {*share, 1, 1};
    store_share(block, &state);
}

void weak_change(ipm_transaction *transaction, uint64_t offset, uint64_t size) {
    ipm_transaction_change(transaction, offset, size);
}
