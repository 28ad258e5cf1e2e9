#include "slow_readers.h"

#include "clock.h"

#define NAP_NS (50 * 1000)               /* of a writer that waits, and the unit of `waited` */
#define COURTESY_NS (10 * IPM_MS)        /* the most that it waits each time */
#define STUCK (8 * COURTESY_NS / NAP_NS) /* after which those of the turn before are dead */

static ipm_slow_word look(const ipm_slow_readers *readers) {
    return (ipm_slow_word){atomic_load_explicit(readers, memory_order_relaxed)};
}

/* Nothing but the counting hangs on the word, so it orders nothing. */
static bool change(ipm_slow_readers *readers, ipm_slow_word *seen, ipm_slow_word next) {
    return atomic_compare_exchange_weak_explicit(readers, &seen->all, next.all,
                                                 memory_order_relaxed, memory_order_relaxed);
}

uint16_t ipm_slow_readers_enter(ipm_slow_readers *readers) {
    ipm_slow_word seen = look(readers), next;
    do {
        next = seen;
        next.count[next.turn % 2]++;
    } while (!change(readers, &seen, next));
    return next.turn;
}

void ipm_slow_readers_leave(ipm_slow_readers *readers, uint16_t turn) {
    ipm_slow_word seen = look(readers), next;
    do {
        next = seen;
        if (next.count[turn % 2] == 0)
            return; /* it was taken for dead meanwhile */
        next.count[turn % 2]--;
    } while (!change(readers, &seen, next));
}

/* Add a wait in vain, which began when the word was `first`. */
static void add_wait(ipm_slow_readers *readers, ipm_slow_word first, int64_t ns) {
    int64_t naps = (ns + NAP_NS - 1) / NAP_NS;
    ipm_slow_word seen = look(readers), next;
    do {
        if (seen.turn != first.turn || seen.waited != first.waited)
            return;
        next = seen;
        uint16_t *before = &next.count[(next.turn + 1) % 2]; /* those of the turn before */
        if (*before == 0 || next.waited + naps >= STUCK) {
            *before = 0;
            next.waited = 0;
            next.turn++;
        } else {
            next.waited = (uint16_t)(next.waited + naps);
        }
    } while (!change(readers, &seen, next));
}

void ipm_slow_readers_go_first(ipm_slow_readers *readers, int64_t deadline,
                               const _Atomic uint32_t *retired) {
    ipm_slow_word first = look(readers);
    int64_t start = ipm_clock_now();
    int64_t until = deadline - start < COURTESY_NS ? deadline : start + COURTESY_NS;
    for (int64_t now = start; now < until; now = ipm_clock_now()) {
        if (!ipm_slow_readers_any(readers) ||
            atomic_load_explicit(retired, memory_order_acquire) != 0)
            return;
        ipm_clock_nap(NAP_NS);
    }
    if (ipm_slow_readers_any(readers) && until > start)
        add_wait(readers, first, until - start);
}
