/*
 * Waiting for a commit, and notifying the waiters. The word is a futex. Its lowest bit says whether
 * a process sleeps on it, so a commit costs no system call when none does. The other bits count
 * the wake-ups.
 */
#ifndef IPM_CORE_NOTIFY_H
#define IPM_CORE_NOTIFY_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Announce that the caller will sleep. The caller then looks for a commit once more, and sleeps if
 * there is none.
 * returns  the value to give to ipm_notify_wait
 */
uint32_t ipm_notify_announce(_Atomic uint32_t *word);

/*
 * Sleep while the word is still `seen`, at the latest until a time of ipm_clock_now.
 * returns  0 (look again: there may be a commit), ETIMEDOUT or EINTR
 */
int ipm_notify_wait(_Atomic uint32_t *word, uint32_t seen, int64_t until_ns);

/* Wake the processes that announced that they sleep. The commit is stored before this call, which
 * begins with a full fence. */
void ipm_notify_all(_Atomic uint32_t *word);

#endif
