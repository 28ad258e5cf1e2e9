/*
 * Loads, stores and copies of memory that other processes change at the same time.
 *
 * They are relaxed atomics of whole words, so the C memory model defines them and ThreadSanitizer
 * sees no race; word.c explains the exception, long copies. The reader finds out afterwards, by the
 * sequence, whether the words that it read belong to one commit (see transaction.h).
 */
#ifndef IPM_CORE_WORD_H
#define IPM_CORE_WORD_H

#include <stddef.h>
#include <stdint.h>

#define IPM_DEFINE_WORD(name, type)                                                                \
    static inline type ipm_load_##name(const void *from) {                                         \
        return __atomic_load_n((const type *)from, __ATOMIC_RELAXED);                              \
    }                                                                                              \
    static inline void ipm_store_##name(void *to, type value) {                                    \
        __atomic_store_n((type *)to, value, __ATOMIC_RELAXED);                                     \
    }

/* The addresses must be aligned to the word's size, as the fields of a layout are. */
IPM_DEFINE_WORD(u8, uint8_t)
IPM_DEFINE_WORD(u16, uint16_t)
IPM_DEFINE_WORD(u32, uint32_t)
IPM_DEFINE_WORD(u64, uint64_t)

#undef IPM_DEFINE_WORD

/*
 * Copy into or out of shared memory; the two ranges must not overlap.
 * from_shared: `from` is shared and `to` belongs to this process; to_shared: the reverse; shared:
 * both are shared. Any size, any alignment.
 */
void ipm_copy_from_shared(void *restrict to, const void *restrict from, size_t size);
void ipm_copy_to_shared(void *restrict to, const void *restrict from, size_t size);
void ipm_copy_shared(void *restrict to, const void *restrict from, size_t size);
void ipm_zero_shared(void *to, size_t size);

#endif
