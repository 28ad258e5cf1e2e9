/*
 * Loads, stores and copies of memory that other processes change at the same time.
 *
 * They are relaxed atomics of whole words, so the C memory model defines them and ThreadSanitizer
 * sees no race; word.c explains the exception, long copies. The reader finds out afterwards, by the
 * sequence, whether the words that it read belong to one commit (see transaction.h).
 *
 * A field of a packed struct may be at any address, and the language's atomics may not. So outside
 * of ThreadSanitizer a load is a volatile access to a packed struct: on x86-64 and ARM64 the same
 * single instruction as the atomic one. It is as indivisible where the address is aligned; a torn
 * word elsewhere does as little harm as one in a long copy.
 */
#ifndef IPM_CORE_WORD_H
#define IPM_CORE_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define IPM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IPM_TSAN 1
#endif
#endif
#ifndef IPM_TSAN
#define IPM_TSAN 0
#endif

#if IPM_TSAN
#define IPM_DEFINE_WORD(name, type)                                                                \
    static inline type ipm_load_##name(const void *from) {                                         \
        if ((uintptr_t)from % sizeof(type) == 0)                                                   \
            return __atomic_load_n((const type *)from, __ATOMIC_RELAXED);                          \
        type value = 0;                                                                            \
        for (size_t i = 0; i < sizeof value; i++)                                                  \
            ((unsigned char *)&value)[i] =                                                         \
                __atomic_load_n((const unsigned char *)from + i, __ATOMIC_RELAXED);                \
        return value;                                                                              \
    }                                                                                              \
    static inline void ipm_store_##name(void *to, type value) {                                    \
        if ((uintptr_t)to % sizeof(type) == 0) {                                                   \
            __atomic_store_n((type *)to, value, __ATOMIC_RELAXED);                                 \
            return;                                                                                \
        }                                                                                          \
        for (size_t i = 0; i < sizeof value; i++)                                                  \
            __atomic_store_n((unsigned char *)to + i, ((unsigned char *)&value)[i],                \
                             __ATOMIC_RELAXED);                                                    \
    }
#else
#define IPM_DEFINE_WORD(name, type)                                                                \
    typedef struct __attribute__((packed, may_alias)) ipm_##name {                                 \
        type value;                                                                                \
    } ipm_##name;                                                                                  \
    static inline type ipm_load_##name(const void *from) {                                         \
        return ((const volatile ipm_##name *)from)->value;                                         \
    }                                                                                              \
    static inline void ipm_store_##name(void *to, type value) {                                    \
        ((volatile ipm_##name *)to)->value = value;                                                \
    }
#endif

/* The address may have any alignment. */
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
