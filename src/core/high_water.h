/*
 * The high-water mark of the reader slots. Every slot with a reader in it lies below the mark, so a
 * writer looks only at the slots below.
 *
 * The mark and the writer's flag are a Dekker pair: a reader raises the mark and then loads the
 * flag, a writer sets the flag and then loads the mark, and one of them must see the other. So all
 * these accesses are sequentially consistent. Clearing the flag and lowering the mark are not: the
 * gate orders them from one writer to the next.
 *
 * A writer that has found all slots below the mark free lowers the mark by one, so slots that are
 * no longer in use soon cost nothing. A reader that uses a higher slot raises the mark again. A
 * reader that loads the mark before a writer lowers it, and the flag after that writer clears it,
 * would miss both. So the word counts the lowerings, and the reader compares the count after it has
 * loaded the flag.
 *
 * Model-checked, see proof/.
 */
#ifndef IPM_CORE_HIGH_WATER_H
#define IPM_CORE_HIGH_WATER_H

#include "../ipmmap.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The mark in the lowest 8 bits; the number of lowerings, modulo 2^24, in the other bits. */
typedef _Atomic uint32_t ipm_high_water;

#define IPM_LOWERED 0x100U

_Static_assert(IPM_MAX_READERS < IPM_LOWERED, "the mark fits");

static inline uint32_t ipm_high_water_look(const ipm_high_water *word) {
    return atomic_load_explicit(word, memory_order_seq_cst);
}

/* The mark in a word that was loaded: the number of slots below it. */
static inline uint32_t ipm_high_water_mark(uint32_t seen) {
    return seen % IPM_LOWERED;
}

/* Raise the mark above a slot. returns  the word after that */
static inline uint32_t ipm_high_water_raise(ipm_high_water *word, uint32_t slot) {
    uint32_t seen = ipm_high_water_look(word);
    while (ipm_high_water_mark(seen) <= slot) {
        uint32_t raised = seen - ipm_high_water_mark(seen) + slot + 1;
        if (atomic_compare_exchange_weak_explicit(word, &seen, raised, memory_order_seq_cst,
                                                  memory_order_seq_cst))
            return raised;
    }
    return seen;
}

/* Whether the mark was not lowered after `seen` was loaded. */
static inline bool ipm_high_water_stands(const ipm_high_water *word, uint32_t seen) {
    return (ipm_high_water_look(word) ^ seen) < IPM_LOWERED;
}

/* Lower the mark by one from `seen`, as the writer that holds the gate. A reader that raises the
 * mark at the same time sees the flag, or that the mark was lowered. */
static inline void ipm_high_water_lower(ipm_high_water *word, uint32_t seen) {
    atomic_store_explicit(word, seen + IPM_LOWERED - 1, memory_order_relaxed);
}

#endif
