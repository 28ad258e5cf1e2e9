#include "notify.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* From the kernel's interface: its header is not there with every libc. */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

/*
 * A waiter sets the flag and then looks for news; a teller stores the news and then looks at the
 * flag: with a full fence between the two on both sides, one of them sees the other.
 *
 * The teller clears the flag before it raises the word, and the waiter looks at the flag once more
 * after it has loaded the word: a flag that a teller of older news cleared in between is noticed,
 * and one that is cleared later comes with a word that has moved on. Were the word raised first,
 * a waiter could sleep on the raised word with its flag cleared, and the next news would not wake
 * it.
 */
uint32_t ipm_notify_prepare(const _Atomic uint32_t *word, _Atomic uint32_t *waiting) {
    uint32_t seen;
    do {
        if (waiting != NULL)
            atomic_store_explicit(waiting, 1, memory_order_seq_cst);
        seen = atomic_load_explicit(word, memory_order_seq_cst);
    } while (waiting != NULL && atomic_load_explicit(waiting, memory_order_seq_cst) == 0);
    atomic_thread_fence(memory_order_seq_cst);
    return seen;
}

int ipm_notify_sleep(const _Atomic uint32_t *word, uint32_t seen, int64_t timeout_ns) {
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000,
                               .tv_nsec = timeout_ns % 1000000000};
    if (syscall(SYS_futex, word, FUTEX_WAIT, seen, &timeout, NULL, 0) == 0 || errno == EAGAIN)
        return 0;
    return errno;
}

void ipm_notify_all(_Atomic uint32_t *word) {
    atomic_fetch_add_explicit(word, 1, memory_order_seq_cst);
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void ipm_notify_tell(_Atomic uint32_t *word, _Atomic uint32_t *waiting) {
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(waiting, memory_order_seq_cst) == 0)
        return;
    atomic_store_explicit(waiting, 0, memory_order_seq_cst);
    ipm_notify_all(word);
}
