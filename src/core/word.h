/*
 * Loads, stores and copies of memory that other processes change at the same time.
 *
 * Relaxed atomics of whole words, so that the C memory model has something to say of them and
 * ThreadSanitizer sees no race; but see word.c for long copies. Whether what was read belongs
 * together is found out afterwards, by the sequence (see transaction.h).
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
 * Copy into or out of shared memory; the two must not overlap.
 * from_shared: `from` is the shared one and `to` is this process's own; to_shared: the reverse;
 * shared: both are. Any size, any alignment.
 */
void ipm_copy_from_shared(void *restrict to, const void *restrict from, size_t size);
void ipm_copy_to_shared(void *restrict to, const void *restrict from, size_t size);
void ipm_copy_shared(void *restrict to, const void *restrict from, size_t size);
void ipm_zero_shared(void *to, size_t size);

#endif
