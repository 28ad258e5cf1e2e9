/*
 * The readers that queue at the gate of the lock, and the courtesy of letting them go first:
 * mutexes are not fair, and beside a writer that locks again at once a reader was measured to wait
 * for seconds.
 *
 * The word: the lower half is the count, the upper half numbers their arrivals, so that a count
 * which only looks like an earlier one is not mistaken for it. Else, of two writers that take the
 * same reader for dead, the later one could wipe out a living reader that has counted itself after
 * the earlier one's reset. Model-checked, see proof/.
 */
#ifndef IPM_CORE_SLOW_READERS_H
#define IPM_CORE_SLOW_READERS_H

#include "rwlock.h"

#define IPM_SLOW_READERS 0xFFFFU /* the count */

/* A reader comes, or goes: it has got in, or has given up. */
void ipm_slow_readers_enter(ipm_rwlock *lock);
void ipm_slow_readers_leave(ipm_rwlock *lock);

/*
 * Wait until none is left, for a while at most. Should their count not move for some such waits in
 * a row, those that it counts have died, and are forgotten.
 * first  the word, as it was just found
 */
IPM_RARE void ipm_slow_readers_go_first(ipm_rwlock *lock, uint32_t first, int64_t deadline);

#endif
