/*
 * The ring: what the last commits changed, for feeds.
 *
 * A commit writes a record: a header, then for each changed block one word with the block's number
 * and a mask of its changed words, then for each of these words the old value XOR the new one. So a
 * record leads from the version before it to its own, and back, and records may be applied in any
 * order.
 *
 * Positions in the ring only grow; a position modulo the ring's size is a place. All positions and
 * sizes are multiples of 8, so no word wraps around. The records lie between the tail and the head.
 * The head counts at an even sequence, and head_before at an odd one, as with the version. So a
 * record is published together with its commit, and the record of a writer that dies never was.
 *
 * Before a writer overwrites a record, it moves the tail past it. A reader looks at the tail after
 * it has copied records: those that the tail has not passed are whole.
 *
 * Nothing that the ring says is used before it is checked. A damaged ring loses commits, no more.
 */
#ifndef IPM_CORE_RING_H
#define IPM_CORE_RING_H

#include "transaction.h"

/* A position and the index of its word. Kept from one record to the next: a division is slow. */
typedef struct ipm_spot {
    uint64_t position;
    uint64_t index;
} ipm_spot;

struct ipm_ring {
    _Atomic uint64_t *words; /* shared */
    uint64_t size;           /* in bytes */
    uint64_t *saved;         /* a writer's: room for one word for each block; otherwise NULL */
    uint64_t saved_count;    /* the blocks that the open transaction has saved */
    ipm_spot head, tail;     /* as this process saw them last */
};

/* The start of a record, as it is in the ring. */
typedef struct ipm_record {
    uint64_t position; /* its own */
    uint64_t version;  /* perhaps with IPM_RECORD_SKIPS */
    int64_t time;      /* when it was made: Unix time in nanoseconds */
    uint64_t size;     /* in bytes, with this header */
    uint64_t changes[];
} ipm_record;

_Static_assert(offsetof(ipm_record, time) == 16, "file format");
_Static_assert(sizeof(ipm_record) == 32, "file format");

/* Set in the version: the commit skipped the versions between the one before and its own. */
#define IPM_RECORD_SKIPS (UINT64_C(1) << 63)

static inline uint64_t ipm_record_version(const ipm_record *record) {
    return record->version & ~IPM_RECORD_SKIPS;
}

static inline bool ipm_record_skips(const ipm_record *record) {
    return (record->version & IPM_RECORD_SKIPS) != 0;
}

/* Whether the record can lead from that version to its own. */
static inline bool ipm_record_follows(const ipm_record *record, uint64_t version) {
    return ipm_record_skips(record) ? ipm_record_version(record) > version
                                    : record->version == version + 1;
}

#define IPM_BLOCK_WORDS (IPM_BLOCK_SIZE / 8)

/* The size of the largest record of a struct of that size, which is a multiple of 8. */
static inline uint64_t ipm_record_most(uint64_t struct_size) {
    return sizeof(ipm_record) + ipm_block_count(struct_size) * 8 + struct_size;
}

/* ---- Writing, with the write lock held --------------------------------------------------- */

/* The part of begin: after its first fence. */
static inline void ipm_ring_begin(const ipm_memory *memory) {
    ipm_state *state = memory->state;
    memory->ring->saved_count = 0;
    atomic_store_explicit(&state->feed_head_before,
                          atomic_load_explicit(&state->feed_head, memory_order_relaxed),
                          memory_order_relaxed);
}

/* The part of undo. */
void ipm_ring_undo(const ipm_memory *memory);

/* The open transaction has saved a block. */
static inline void ipm_ring_note(ipm_ring *ring, uint64_t block) {
    ring->saved[ring->saved_count++] = block;
}

/* The part of commit: write the record of the open transaction, under its odd sequence. The time is
 * Unix time in nanoseconds. */
void ipm_ring_write(const ipm_memory *memory, int64_t time);

/* ---- Reading ------------------------------------------------------------------------------ */

/* The tail, which no record that can still be read lies before. */
uint64_t ipm_ring_tail(const ipm_memory *memory);

/*
 * Copy `size` bytes from a position on; both are multiples of 8. At most the size of the ring.
 * returns  the tail after that: what lies before it may have been overwritten
 */
uint64_t ipm_ring_copy(const ipm_memory *memory, uint64_t position, void *into, uint64_t size);

/* Whether a record's header can be one at that position, with at most `room` bytes until the head.
 */
bool ipm_record_is_at(const ipm_record *record, uint64_t position, uint64_t room);

/*
 * Apply a private copy of a record to a private copy of the struct: from the version before it to
 * its own, or back.
 * flags    a bit for each block, which is set or cleared for the record's blocks, or NULL
 * returns  false: the record is damaged, and the copy is spoiled
 */
bool ipm_record_apply(const ipm_record *record, uint64_t struct_size, unsigned char *into,
                      uint64_t *flags, bool set);

#endif
