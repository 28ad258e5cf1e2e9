/*
 * The readers that queue at the gate of the lock, and the courtesy of letting them go first:
 * mutexes are not fair, and beside a writer that locks again at once a reader was measured to wait
 * for seconds. So a writer that finds some waits until there are none, for 10 ms at most.
 *
 * A reader that is killed there stays counted, and nobody is told. So readers are counted by turns:
 * each in the turn in which it comes, so that the count of the turn before can only fall. A turn is
 * over when that count is 0, or when writers have waited in vain for 80 ms in this turn: whom it
 * still counts has died, and is forgotten. It does not matter who else comes and goes meanwhile.
 * How long they have waited stands beside the counts: one sum for all, since a writer may live for
 * a single lock. Of waits that overlap only the one that ends first is added, so that nobody is
 * taken for dead because of a wait that had begun before it came.
 *
 * A living reader that is taken for dead, because the system did not let it run for so long, loses
 * the courtesy, or has another reader lose it, and no more. Model-checked, see proof/.
 */
#ifndef IPM_CORE_SLOW_READERS_H
#define IPM_CORE_SLOW_READERS_H

#include "rare.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* In shared memory: part of the lock file's format. */
typedef _Atomic uint64_t ipm_slow_readers;

/* What is in that word. */
typedef union ipm_slow_word {
    uint64_t all;
    struct {
        union {
            uint16_t count[2]; /* readers that came in even turns, and in odd ones */
            uint32_t any;      /* 0: there are none */
        };
        uint16_t waited; /* in vain by writers in this turn, in units of 50 us */
        uint16_t turn;   /* its number, modulo 2^16 */
    };
} ipm_slow_word;

static inline bool ipm_slow_readers_any(const ipm_slow_readers *readers) {
    ipm_slow_word now = {atomic_load_explicit(readers, memory_order_relaxed)};
    return now.any != 0;
}

/* A reader comes. returns  the turn, to be given to ipm_slow_readers_leave */
uint16_t ipm_slow_readers_enter(ipm_slow_readers *readers);

/* A reader goes: it has got in, or has given up. */
void ipm_slow_readers_leave(ipm_slow_readers *readers, uint16_t turn);

/*
 * Wait until there are none, for 10 ms at most, and not beyond the deadline.
 * retired  when this becomes 1, waiting is over
 */
IPM_RARE void ipm_slow_readers_go_first(ipm_slow_readers *readers, int64_t deadline,
                                        const _Atomic uint32_t *retired);

#endif
