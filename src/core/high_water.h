/*
 * The high-water mark of the reader slots: below it lies every slot in which a reader is, so a
 * writer looks at no others.
 *
 * The mark and the writer's flag are a Dekker pair: a reader raises the mark and then looks at the
 * flag, a writer sets the flag and then reads the mark, and one of them must see the other. So
 * every load and store of both is sequentially consistent, but for clearing the flag and lowering
 * the mark, which follow one another in the order in which writers have the gate.
 *
 * A writer that found all slots below the mark free lowers it by one, so slots that are no longer
 * in use soon cost nothing; who uses one raises it again. A reader that looks at the mark before a
 * writer has lowered it, and at the flag after it was cleared, would miss both. So lowerings are
 * counted, and the reader looks at their count again after the flag.
 *
 * Model-checked, see proof/.
 */
#ifndef IPM_CORE_HIGH_WATER_H
#define IPM_CORE_HIGH_WATER_H

#include "../ipmmap.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The mark in the lowest 8 bits; in the others how often it was lowered, modulo 2^24. */
typedef _Atomic uint32_t ipm_high_water;

#define IPM_LOWERED 0x100U

_Static_assert(IPM_MAX_READERS < IPM_LOWERED, "the mark fits");

static inline uint32_t ipm_high_water_look(const ipm_high_water *word) {
    return atomic_load_explicit(word, memory_order_seq_cst);
}

/* The mark that was seen: as many slots lie below it. */
static inline uint32_t ipm_high_water_mark(uint32_t seen) {
    return seen % IPM_LOWERED;
}

/* Raise the mark over a slot. returns  the word as it is then */
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

/* Whether the mark was never lowered since the word was `seen`. */
static inline bool ipm_high_water_stands(const ipm_high_water *word, uint32_t seen) {
    return (ipm_high_water_look(word) ^ seen) < IPM_LOWERED;
}

/* Lower the mark from what was `seen`, as the writer who has the gate. Who raises it just then
 * sees the flag, or that it was lowered. */
static inline void ipm_high_water_lower(ipm_high_water *word, uint32_t seen) {
    atomic_store_explicit(word, seen + IPM_LOWERED - 1, memory_order_relaxed);
}

#endif
