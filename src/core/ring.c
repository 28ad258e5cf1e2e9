#include "ring.h"

#include "clock.h"

#include <string.h>

#define HEADER_WORDS (sizeof(ipm_record) / 8)
#define LINE_WORDS 8 /* words that are compared at once */

/* A place in the ring. */
typedef struct cursor {
    _Atomic uint64_t *words;
    uint64_t at, end;
} cursor;

static cursor cursor_at(const ipm_ring *ring, uint64_t position) {
    return (cursor){ring->words, position % ring->size / 8, ring->size / 8};
}

static void put_word(cursor *c, uint64_t word) {
    atomic_store_explicit(&c->words[c->at], word, memory_order_relaxed);
    if (++c->at == c->end)
        c->at = 0;
}

static uint64_t get_word(cursor *c) {
    uint64_t word = atomic_load_explicit(&c->words[c->at], memory_order_relaxed);
    if (++c->at == c->end)
        c->at = 0;
    return word;
}

/* The number of words of a block. Only the last block of a struct has fewer than the others. */
static uint64_t words_in(uint64_t struct_size, uint64_t block) {
    uint64_t left = (struct_size - (block << IPM_BLOCK_SHIFT)) / 8;
    return left < IPM_BLOCK_WORDS ? left : IPM_BLOCK_WORDS;
}

/* ---- Writing ----------------------------------------------------------------------------- */

void ipm_ring_begin(const ipm_memory *memory) {
    ipm_state *state = memory->state;
    memory->ring->saved_count = 0;
    atomic_store_explicit(&state->feed_head_before,
                          atomic_load_explicit(&state->feed_head, memory_order_relaxed),
                          memory_order_relaxed);
}

void ipm_ring_undo(const ipm_memory *memory) {
    ipm_state *state = memory->state;
    atomic_store_explicit(&state->feed_head,
                          atomic_load_explicit(&state->feed_head_before, memory_order_relaxed),
                          memory_order_relaxed);
}

/* Only the writer changes the struct and the shadow, so it may read them as plain memory. The words
 * have the type of the struct's fields, whatever those are. */
typedef uint64_t __attribute__((may_alias)) plain_word;

static const plain_word *words_of(const unsigned char *bytes, uint64_t block) {
    return (const plain_word *)(const void *)(bytes + (block << IPM_BLOCK_SHIFT));
}

/* Which words of a block differ, as a mask; adds their number to *count. */
static uint32_t compare_block(const plain_word *now, const plain_word *then, uint64_t words,
                              uint64_t *count) {
    uint32_t mask = 0;
    for (uint64_t line = 0; line < words; line += LINE_WORDS) {
        uint64_t end = line + LINE_WORDS < words ? line + LINE_WORDS : words, differ = 0;
        for (uint64_t i = line; i < end; i++)
            differ |= now[i] ^ then[i];
        if (differ == 0)
            continue;
        for (uint64_t i = line; i < end; i++) {
            uint32_t differs = now[i] != then[i];
            mask |= differs << i;
            *count += differs;
        }
    }
    return mask;
}

/*
 * Find out what the transaction has changed. Each saved block's number gets its mask, as they are
 * in a record: the number in the upper half. Blocks without a change are dropped. returns  the size
 * of the record
 */
static uint64_t find_changes(const ipm_memory *memory) {
    ipm_ring *ring = memory->ring;
    uint64_t kept = 0, words = 0;
    for (uint64_t i = 0; i < ring->saved_count; i++) {
        uint64_t block = ring->saved[i];
        uint32_t mask =
            compare_block(words_of(memory->data, block), words_of(memory->shadow, block),
                          words_in(memory->size, block), &words);
        if (mask != 0)
            ring->saved[kept++] = block << 32 | mask;
    }
    ring->saved_count = kept;
    return sizeof(ipm_record) + (kept + words) * 8;
}

/* The size of the record at the tail; 0: there is none, or it is damaged. */
static uint64_t oldest_size(const ipm_ring *ring, uint64_t tail, uint64_t head) {
    cursor c = cursor_at(ring, tail);
    uint64_t position = get_word(&c);
    c.at = (c.at + HEADER_WORDS - 2) % c.end;
    uint64_t size = get_word(&c);
    bool is_sound = position == tail && size >= sizeof(ipm_record) && size % 8 == 0;
    return is_sound && size <= head - tail ? size : 0;
}

/* Move the tail over the oldest records until `size` bytes at the head are free. */
static void make_room(const ipm_memory *memory, uint64_t head, uint64_t size) {
    const ipm_ring *ring = memory->ring;
    uint64_t tail = atomic_load_explicit(&memory->state->feed_tail, memory_order_relaxed);
    uint64_t used = head - tail;
    if (used <= ring->size - size && tail % 8 == 0)
        return;
    while (used > ring->size - size) {
        uint64_t oldest = tail % 8 == 0 && used <= ring->size ? oldest_size(ring, tail, head) : 0;
        tail = oldest != 0 ? tail + oldest : head;
        used = head - tail;
    }
    atomic_store_explicit(&memory->state->feed_tail, tail, memory_order_relaxed);
    /* Pairs with the fences in is_gone: a reader that has read what is written over a record sees
     * that the tail has passed it. */
    atomic_thread_fence(memory_order_release);
}

static uint64_t bits_of(double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

void ipm_ring_write(const ipm_memory *memory, uint64_t version) {
    ipm_state *state = memory->state;
    const ipm_ring *ring = memory->ring;
    /* Another process may have damaged it: a word must not wrap around. */
    uint64_t head = atomic_load_explicit(&state->feed_head, memory_order_relaxed) & ~UINT64_C(7);
    uint64_t size = find_changes(memory);
    make_room(memory, head, size);
    cursor c = cursor_at(ring, head);
    put_word(&c, head);
    put_word(&c, version);
    put_word(&c, bits_of(ipm_time_coarse()));
    put_word(&c, size);
    for (uint64_t i = 0; i < ring->saved_count; i++) {
        uint64_t block = ring->saved[i] >> 32;
        const plain_word *now = words_of(memory->data, block);
        const plain_word *then = words_of(memory->shadow, block);
        put_word(&c, ring->saved[i]);
        for (uint32_t mask = (uint32_t)ring->saved[i]; mask != 0; mask &= mask - 1) {
            int word = __builtin_ctz(mask);
            put_word(&c, now[word] ^ then[word]);
        }
    }
    atomic_store_explicit(&state->feed_head, head + size, memory_order_relaxed);
}

/* ---- Reading ----------------------------------------------------------------------------- */

uint64_t ipm_ring_tail(const ipm_memory *memory) {
    return atomic_load_explicit(&memory->state->feed_tail, memory_order_relaxed);
}

/* Whether the tail may have passed the position before the last of the copies was made. */
static bool is_gone(const ipm_memory *memory, uint64_t position) {
    /* Pairs with the fence in make_room. */
    atomic_thread_fence(memory_order_acquire);
    return ipm_ring_tail(memory) > position;
}

static ipm_reading read_header(const ipm_memory *memory, uint64_t position, uint64_t head,
                               ipm_record *record, cursor *c) {
    uint64_t header[HEADER_WORDS];
    *c = cursor_at(memory->ring, position & ~UINT64_C(7));
    for (size_t i = 0; i < HEADER_WORDS; i++)
        header[i] = get_word(c);
    if (is_gone(memory, position))
        return IPM_RECORD_GONE;
    memcpy(record, header, sizeof header);
    bool is_sound = record->position == position && record->size >= sizeof *record &&
                    record->size % 8 == 0 && record->size <= head - position &&
                    record->size <= ipm_record_most(memory->size);
    return is_sound ? IPM_RECORD_READ : IPM_RECORD_WRONG;
}

ipm_reading ipm_ring_look(const ipm_memory *memory, uint64_t position, uint64_t head,
                          ipm_record *record) {
    cursor c;
    return read_header(memory, position, head, record, &c);
}

ipm_reading ipm_ring_read(const ipm_memory *memory, uint64_t position, uint64_t head,
                          ipm_record *record) {
    cursor c;
    ipm_reading reading = read_header(memory, position, head, record, &c);
    if (reading != IPM_RECORD_READ)
        return reading;
    for (uint64_t i = 0; i < record->size / 8 - HEADER_WORDS; i++)
        record->changes[i] = get_word(&c);
    return is_gone(memory, position) ? IPM_RECORD_GONE : IPM_RECORD_READ;
}

/* Apply the words of one block. returns  how many there are; 0: the record is damaged */
static uint64_t apply_block(const uint64_t *changes, uint64_t left, uint64_t struct_size,
                            unsigned char *into) {
    uint64_t block = changes[0] >> 32, used = 1;
    uint32_t mask = (uint32_t)changes[0];
    if (block >= ipm_block_count(struct_size) || mask == 0 ||
        mask >> (words_in(struct_size, block) - 1) > 1)
        return 0;
    for (; mask != 0; mask &= mask - 1, used++) {
        unsigned char *at = into + (block << IPM_BLOCK_SHIFT) + 8 * (unsigned)__builtin_ctz(mask);
        uint64_t word;
        if (used == left)
            return 0;
        memcpy(&word, at, sizeof word);
        word ^= changes[used];
        memcpy(at, &word, sizeof word);
    }
    return used;
}

bool ipm_record_apply(const ipm_record *record, uint64_t struct_size, unsigned char *into,
                      uint64_t *flags, bool set) {
    uint64_t count = record->size / 8 - HEADER_WORDS;
    for (uint64_t i = 0; i < count;) {
        uint64_t used = apply_block(record->changes + i, count - i, struct_size, into);
        if (used == 0)
            return false;
        if (flags != NULL) {
            uint64_t block = record->changes[i] >> 32, bit = UINT64_C(1) << block % 64;
            flags[block / 64] = set ? flags[block / 64] | bit : flags[block / 64] & ~bit;
        }
        i += used;
    }
    return true;
}
