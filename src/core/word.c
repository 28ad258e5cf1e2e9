#include "word.h"

#include "cold.h"

#include <string.h>

/*
 * Long copies are libc's, which moves 16 to 64 bytes at a time: three times as fast as by words.
 * To the C memory model that is a race, so it is hidden from the compiler: before the copy by
 * hide_from_compiler, after it by the return from this file and by the fence of every caller. The
 * fences around the copy order the machine's loads and stores as they order those of words. A torn
 * word does no harm: a copy made outside the lock is used only if the sequence shows that no writer
 * changed the memory meanwhile. Under ThreadSanitizer all copies are by words.
 */
#define LONG 64

/* libc copies much larger pieces past the cache: slower here, and weakly ordered. */
#define PIECE 65536

static inline bool is_long(size_t size) {
    return !IPM_TSAN && size >= LONG;
}

static inline void hide_from_compiler(void) {
    __asm__ volatile("" ::: "memory");
}

static IPM_APART void copy_pieces(void *restrict to, const void *restrict from, size_t size) {
    unsigned char *t = to;
    const unsigned char *f = from;
    for (; size > PIECE; size -= PIECE, t += PIECE, f += PIECE)
        memcpy(t, f, PIECE);
    memcpy(t, f, size);
}

static inline void copy_long(void *restrict to, const void *restrict from, size_t size) {
    hide_from_compiler();
    if (size <= PIECE)
        memcpy(to, from, size);
    else
        copy_pieces(to, from, size);
}

static inline void zero_long(void *to, size_t size) {
    unsigned char *t = to;
    for (; size > PIECE; size -= PIECE, t += PIECE)
        memset(t, 0, PIECE);
    hide_from_compiler();
    memset(t, 0, size);
}

/* The bytes before the next multiple of 8: from there on the copy is by words. */
static size_t misalignment(const void *shared, size_t size) {
    size_t bytes = -(uintptr_t)shared & 7;
    return bytes < size ? bytes : size;
}

void ipm_copy_from_shared(void *restrict to, const void *restrict from, size_t size) {
    if (is_long(size)) {
        copy_long(to, from, size);
        return;
    }
    unsigned char *t = to;
    const unsigned char *f = from;
    for (size_t head = misalignment(f, size); head > 0; head--, size--)
        *t++ = ipm_load_u8(f++);
    for (; size >= 8; size -= 8, t += 8, f += 8) {
        uint64_t word = ipm_load_u64(f);
        memcpy(t, &word, sizeof word);
    }
    for (; size > 0; size--)
        *t++ = ipm_load_u8(f++);
}

void ipm_copy_to_shared(void *restrict to, const void *restrict from, size_t size) {
    if (is_long(size)) {
        copy_long(to, from, size);
        return;
    }
    unsigned char *t = to;
    const unsigned char *f = from;
    for (size_t head = misalignment(t, size); head > 0; head--, size--)
        ipm_store_u8(t++, *f++);
    for (; size >= 8; size -= 8, t += 8, f += 8) {
        uint64_t word;
        memcpy(&word, f, sizeof word);
        ipm_store_u64(t, word);
    }
    for (; size > 0; size--)
        ipm_store_u8(t++, *f++);
}

void ipm_copy_shared(void *restrict to, const void *restrict from, size_t size) {
    if (is_long(size)) {
        copy_long(to, from, size);
        return;
    }
    unsigned char *t = to;
    const unsigned char *f = from;
    if ((((uintptr_t)t ^ (uintptr_t)f) & 7) == 0) {
        for (size_t head = misalignment(t, size); head > 0; head--, size--)
            ipm_store_u8(t++, ipm_load_u8(f++));
        for (; size >= 8; size -= 8, t += 8, f += 8)
            ipm_store_u64(t, ipm_load_u64(f));
    }
    for (; size > 0; size--)
        ipm_store_u8(t++, ipm_load_u8(f++));
}

void ipm_zero_shared(void *to, size_t size) {
    if (is_long(size)) {
        zero_long(to, size);
        return;
    }
    unsigned char *t = to;
    for (size_t head = misalignment(t, size); head > 0; head--, size--)
        ipm_store_u8(t++, 0);
    for (; size >= 8; size -= 8, t += 8)
        ipm_store_u64(t, 0);
    for (; size > 0; size--)
        ipm_store_u8(t++, 0);
}
