/*
 * Sleeping until there is news, and waking those who sleep: a futex whose lowest bit tells whether
 * anyone sleeps on it, so that news costs no system call when nobody does. The other bits count
 * the wakings.
 */
#ifndef IPM_CORE_NOTIFY_H
#define IPM_CORE_NOTIFY_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Announce that one will sleep: to be called before a last look at what one waits for.
 * returns  what to sleep on
 */
uint32_t ipm_notify_announce(_Atomic uint32_t *word);

/*
 * Sleep while the word is still `seen`, at the latest until a time of ipm_clock_now.
 * returns  0 (look again: there may be news), ETIMEDOUT or EINTR
 */
int ipm_notify_sleep(_Atomic uint32_t *word, uint32_t seen, int64_t until_ns);

/* Tell the news, which is stored already, to those who announced that they sleep. Fences fully. */
void ipm_notify_tell(_Atomic uint32_t *word);

#endif
