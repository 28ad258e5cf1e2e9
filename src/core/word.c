#include "word.h"

#include <string.h>

/* Bytes before the next multiple of 8, so that what follows can be copied by words. */
static size_t misalignment(const void *shared, size_t size) {
    size_t bytes = -(uintptr_t)shared & 7;
    return bytes < size ? bytes : size;
}

void ipm_copy_from_shared(void *restrict to, const void *restrict from, size_t size) {
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
    unsigned char *t = to;
    for (size_t head = misalignment(t, size); head > 0; head--, size--)
        ipm_store_u8(t++, 0);
    for (; size >= 8; size -= 8, t += 8)
        ipm_store_u64(t, 0);
    for (; size > 0; size--)
        ipm_store_u8(t++, 0);
}
