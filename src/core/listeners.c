#include "listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

/* The flag is the lowest bit; the other bits count how often it was set. */
#define ASKED 1U
#define ONE_LISTENER 2U

/*
 * As in notify.c, a listener sets the flag and then looks for a commit; a committer stores the
 * commit and then looks at the flag. One of them sees the other.
 *
 * The committer clears the flag only after it has touched the file. So the flag of a committer that
 * dies in between, or that may not touch the file since it changed its user, stays set, and the
 * next commit notifies. Meanwhile a listener may have been notified, have looked, and have set the
 * flag again, and that must not be cleared: setting it changes the count, and the committer clears
 * the flag only with the count that it has found.
 */
void ipm_listeners_ask(_Atomic uint32_t *listening) {
    uint32_t seen = atomic_load_explicit(listening, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(listening, &seen, (seen + ONE_LISTENER) | ASKED,
                                                  memory_order_seq_cst, memory_order_relaxed))
        ;
    atomic_thread_fence(memory_order_seq_cst); /* pairs with the one in ipm_notify_all */
}

bool ipm_listeners_notify(_Atomic uint32_t *listening, const char *path) {
    uint32_t seen = atomic_load_explicit(listening, memory_order_seq_cst);
    if ((seen & ASKED) == 0)
        return true;
    if (utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT;
    atomic_compare_exchange_strong_explicit(listening, &seen, seen & ~ASKED, memory_order_seq_cst,
                                            memory_order_relaxed);
    return true;
}
