/*
 * Sleeping until there is news, and waking those who sleep: a futex, and a flag that tells whether
 * anyone sleeps on it, so that news costs no system call when nobody does.
 */
#ifndef IPM_CORE_NOTIFY_H
#define IPM_CORE_NOTIFY_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Announce that one will sleep: to be called before a last look at what one waits for.
 * waiting  the flag; NULL where this process may not write to it
 * returns  what to sleep on
 */
uint32_t ipm_notify_prepare(const _Atomic uint32_t *word, _Atomic uint32_t *waiting);

/*
 * Sleep while the word is still `seen`.
 * word     may lie in memory that is mapped read-only
 * returns  0 (look again: there may be news), ETIMEDOUT or EINTR
 */
int ipm_notify_sleep(const _Atomic uint32_t *word, uint32_t seen, int64_t timeout_ns);

/* Tell the news, which is stored already, to those who announced that they sleep. Fences fully. */
void ipm_notify_tell(_Atomic uint32_t *word, _Atomic uint32_t *waiting);

/* Wake all, announced or not. */
void ipm_notify_all(_Atomic uint32_t *word);

#endif
