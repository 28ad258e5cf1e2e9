#include "ring.h"

#include "cold.h"
#include "word.h"

#include <string.h>

#define HEADER_WORDS (sizeof(ipm_record) / 8)
#define SIZE_WORD 3  /* of the header: the size */
#define LINE_WORDS 8 /* words that are compared at once */

/* The index of the word at a position. `known` is where it was looked for last. */
static uint64_t index_of(const ipm_ring *ring, uint64_t position, ipm_spot *known) {
    if (known->position != position)
        *known = (ipm_spot){position, position % ring->size / 8};
    return known->index;
}

/* The index of the word that lies `words` behind that one; at most the size of the ring. */
static uint64_t index_after(const ipm_ring *ring, uint64_t index, uint64_t words) {
    uint64_t end = ring->size / 8;
    return index + words < end ? index + words : index + words - end;
}

/* The number of words of a block. Only the last block of a struct has fewer than the others. */
static uint64_t words_in(uint64_t struct_size, uint64_t block) {
    uint64_t left = (struct_size - (block << IPM_BLOCK_SHIFT)) / 8;
    return left < IPM_BLOCK_WORDS ? left : IPM_BLOCK_WORDS;
}

/* ---- Writing ----------------------------------------------------------------------------- */

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

/* Two words, which the machine can compare at once. */
typedef uint64_t plain_pair __attribute__((vector_size(16), aligned(8), may_alias));

static uint32_t mask_of(const plain_word *now, const plain_word *then, uint64_t words) {
    uint32_t mask = 0;
    for (uint64_t i = 0; i < words; i++)
        mask |= (uint32_t)(now[i] != then[i]) << i;
    return mask;
}

/* Which of the words of a block differ, as a mask. Most lines are equal, so they are compared as a
 * whole first. */
static uint32_t compare_block(const plain_word *now, const plain_word *then, uint64_t words) {
    uint32_t mask = 0;
    uint64_t line = 0;
    for (; line + LINE_WORDS <= words; line += LINE_WORDS) {
        const plain_pair *a = (const plain_pair *)(now + line);
        const plain_pair *b = (const plain_pair *)(then + line);
        plain_pair differ = (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]);
        if ((differ[0] | differ[1]) != 0)
            mask |= mask_of(now + line, then + line, LINE_WORDS) << line;
    }
    return line == words ? mask : mask | mask_of(now + line, then + line, words - line) << line;
}

static uint64_t count_bits(uint32_t mask) { /* without an instruction that older machines lack */
    mask = mask - (mask >> 1 & 0x55555555);
    mask = (mask & 0x33333333) + (mask >> 2 & 0x33333333);
    return ((mask + (mask >> 4)) & 0x0F0F0F0F) * UINT32_C(0x01010101) >> 24;
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
                          words_in(memory->size, block));
        if (mask == 0)
            continue;
        ring->saved[kept++] = block << 32 | mask;
        words += count_bits(mask);
    }
    ring->saved_count = kept;
    return sizeof(ipm_record) + (kept + words) * 8;
}

static uint64_t load_word(const ipm_ring *ring, uint64_t index) {
    return atomic_load_explicit(&ring->words[index], memory_order_relaxed);
}

/* The size of the record at the tail; 0: there is none, or it is damaged. */
static uint64_t oldest_size(ipm_ring *ring, uint64_t tail, uint64_t head) {
    uint64_t index = index_of(ring, tail, &ring->tail);
    uint64_t position = load_word(ring, index);
    uint64_t size = load_word(ring, index_after(ring, index, SIZE_WORD));
    if (position != tail || size < sizeof(ipm_record) || size % 8 != 0 || size > head - tail)
        return 0;
    ring->tail = (ipm_spot){tail + size, index_after(ring, index, size / 8)};
    return size;
}

/* Move the tail over the oldest records until `size` bytes at the head are free. */
static void make_room(const ipm_memory *memory, uint64_t head, uint64_t size) {
    ipm_ring *ring = memory->ring;
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
    /* Pairs with the fence in ipm_ring_copy: a reader that has read what is written over a record
     * sees that the tail has passed it. */
    atomic_thread_fence(memory_order_release);
}

/* A place to write at. If the record does not wrap around, `wraps` is the constant false. */
typedef struct cursor {
    _Atomic uint64_t *at, *first, *end;
} cursor;

static IPM_OFTEN void put_word(cursor *c, uint64_t word, bool wraps) {
    atomic_store_explicit(c->at, word, memory_order_relaxed);
    if (++c->at == c->end && wraps)
        c->at = c->first;
}

static IPM_OFTEN void write_record(const ipm_memory *memory, cursor c, const ipm_record *header,
                                   bool wraps) {
    const ipm_ring *ring = memory->ring;
    put_word(&c, header->position, wraps);
    put_word(&c, header->version, wraps);
    put_word(&c, (uint64_t)header->time, wraps);
    put_word(&c, header->size, wraps);
    for (uint64_t i = 0; i < ring->saved_count; i++) {
        const plain_word *now = words_of(memory->data, ring->saved[i] >> 32);
        const plain_word *then = words_of(memory->shadow, ring->saved[i] >> 32);
        put_word(&c, ring->saved[i], wraps);
        for (uint32_t mask = (uint32_t)ring->saved[i]; mask != 0; mask &= mask - 1) {
            int word = __builtin_ctz(mask);
            put_word(&c, now[word] ^ then[word], wraps);
        }
    }
}

static IPM_COLD void write_around(const ipm_memory *memory, cursor c, const ipm_record *header) {
    write_record(memory, c, header, true);
}

static uint64_t version_of_record(const ipm_state *state) {
    uint64_t before = atomic_load_explicit(&state->version_before, memory_order_relaxed);
    uint64_t version = atomic_load_explicit(&state->version, memory_order_relaxed) + 1;
    return version == before + 1 ? version : version | IPM_RECORD_SKIPS;
}

void ipm_ring_write(const ipm_memory *memory, int64_t time) {
    ipm_state *state = memory->state;
    ipm_ring *ring = memory->ring;
    /* Another process may have damaged it: a word must not wrap around. */
    uint64_t head = atomic_load_explicit(&state->feed_head, memory_order_relaxed) & ~UINT64_C(7);
    uint64_t size = find_changes(memory);
    const ipm_record header = {head, version_of_record(state), time, size};
    make_room(memory, head, size);
    uint64_t index = index_of(ring, head, &ring->head);
    cursor c = {ring->words + index, ring->words, ring->words + ring->size / 8};
    if (size / 8 <= ring->size / 8 - index)
        write_record(memory, c, &header, false);
    else
        write_around(memory, c, &header);
    ring->head = (ipm_spot){head + size, index_after(ring, index, size / 8)};
    atomic_store_explicit(&state->feed_head, head + size, memory_order_relaxed);
}

/* ---- Reading ----------------------------------------------------------------------------- */

uint64_t ipm_ring_tail(const ipm_memory *memory) {
    return atomic_load_explicit(&memory->state->feed_tail, memory_order_relaxed);
}

uint64_t ipm_ring_copy(const ipm_memory *memory, uint64_t position, void *into, uint64_t size) {
    const ipm_ring *ring = memory->ring;
    uint64_t at = position % ring->size, until_end = ring->size - at;
    uint64_t first = size < until_end ? size : until_end;
    const unsigned char *bytes = (const unsigned char *)ring->words;
    ipm_copy_from_shared(into, bytes + at, first);
    ipm_copy_from_shared((unsigned char *)into + first, bytes, size - first);
    /* Pairs with the fence in make_room. */
    atomic_thread_fence(memory_order_acquire);
    return ipm_ring_tail(memory);
}

bool ipm_record_is_at(const ipm_record *record, uint64_t position, uint64_t room) {
    return record->position == position && record->size >= sizeof *record &&
           record->size % 8 == 0 && record->size <= room;
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
