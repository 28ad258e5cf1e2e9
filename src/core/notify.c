#include "notify.h"

#include "clock.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From the kernel's interface: its header is not there with every libc. */
#define FUTEX_WAKE 1
#define FUTEX_WAIT_BITSET 9 /* unlike FUTEX_WAIT until a time: 90 ns less than for a while */
#define ANY_BIT (-1)

#define ASLEEP 1U

/*
 * A waiter sets the bit and then looks for news; a teller stores the news and then looks at the
 * bit: with a full fence between the two on both sides, one of them sees the other.
 *
 * The teller clears the bit and counts in one operation, so that who announced itself before it
 * does not fall asleep after it. Where that fails, another teller has just done it, and may die
 * before it wakes anyone.
 */
uint32_t ipm_notify_announce(_Atomic uint32_t *word) {
    uint32_t seen = atomic_fetch_or_explicit(word, ASLEEP, memory_order_seq_cst) | ASLEEP;
    atomic_thread_fence(memory_order_seq_cst);
    return seen;
}

int ipm_notify_sleep(_Atomic uint32_t *word, uint32_t seen, int64_t until_ns) {
    struct timespec until = ipm_clock_timespec(until_ns);
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, &until, NULL, ANY_BIT) == 0 ||
        errno == EAGAIN)
        return 0;
    return errno;
}

void ipm_notify_tell(_Atomic uint32_t *word) {
    atomic_thread_fence(memory_order_seq_cst);
    uint32_t seen = atomic_load_explicit(word, memory_order_seq_cst);
    if ((seen & ASLEEP) == 0)
        return;
    atomic_compare_exchange_strong_explicit(word, &seen, seen + 1, memory_order_seq_cst,
                                            memory_order_relaxed);
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
