#include "notify.h"

#include "clock.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's numbers: not every libc comes with linux/futex.h. */
#define FUTEX_WAKE 1
#define FUTEX_WAIT_BITSET                                                                          \
    9 /* takes a point in time: 90 ns faster than FUTEX_WAIT, which takes a span */
#define ANY_BIT (-1)

#define ASLEEP 1U

/*
 * A waiter sets the bit and then looks for a commit. An editor commits and then loads the bit.
 * Both have a full fence in between, so one of them sees the other.
 *
 * The teller clears the bit and counts in one operation, so a waiter that announced itself before
 * that does not fall asleep after it. If the operation fails, another teller has just done it. That
 * one may die before it wakes the sleepers, so this one wakes them, too.
 */
uint32_t ipm_notify_announce(_Atomic uint32_t *word) {
    uint32_t seen = atomic_fetch_or_explicit(word, ASLEEP, memory_order_seq_cst) | ASLEEP;
    atomic_thread_fence(memory_order_seq_cst);
    return seen;
}

int ipm_notify_wait(_Atomic uint32_t *word, uint32_t seen, int64_t until_ns) {
    struct timespec until = ipm_clock_timespec(until_ns);
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, &until, NULL, ANY_BIT) == 0 ||
        errno == EAGAIN)
        return 0;
    return errno;
}

void ipm_notify_all(_Atomic uint32_t *word) {
    atomic_thread_fence(memory_order_seq_cst);
    uint32_t seen = atomic_load_explicit(word, memory_order_seq_cst);
    if ((seen & ASLEEP) == 0)
        return;
    atomic_compare_exchange_strong_explicit(word, &seen, seen + 1, memory_order_seq_cst,
                                            memory_order_relaxed);
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
