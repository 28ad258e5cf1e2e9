/*
 * The transaction: changes to a struct in shared memory that are committed together, undone
 * together, or undone by the next writer when theirs died; and snapshots that never wait.
 *
 * The sequence is even at rest and odd within a transaction. The first change to a block of the
 * struct copies the block to the shadow and tags it with the odd sequence; whoever finds the
 * sequence odd and has the write lock copies the blocks of that tag back. A reader that finds it
 * odd takes those blocks from the shadow, and so has the struct as it was last committed.
 *
 * Tags have levels. Level 0 has one tag for each block; every further level has one for each 64 of
 * the level below, and says which transaction saved any of those blocks last; the top level has at
 * most 64. So looking for what was changed costs what was changed, whatever the struct's size.
 *
 * Works on given memory. Writers exclude each other by a lock that is not this file's business;
 * readers of snapshots need none, and only read.
 */
#ifndef IPM_CORE_TRANSACTION_H
#define IPM_CORE_TRANSACTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPM_BLOCK_SHIFT 8
#define IPM_BLOCK_SIZE (UINT64_C(1) << IPM_BLOCK_SHIFT)

/* What all processes share about a struct's transactions: part of the file format. */
typedef struct ipm_state {
    _Atomic uint64_t sequence;
    _Atomic uint64_t version;        /* commits; counts while the sequence is even */
    _Atomic uint64_t version_before; /* the same; counts while the sequence is odd */
    _Atomic uint64_t recoveries;     /* transactions undone because their writer died */
    _Atomic uint32_t retired;        /* 1: replaced or destroyed */
    unsigned char reserved[28];
} ipm_state;

_Static_assert(sizeof(ipm_state) == 64, "a cache line");
_Static_assert(offsetof(ipm_state, retired) == 32, "file format");

#define IPM_FAN_SHIFT 6
#define IPM_FAN (UINT64_C(1) << IPM_FAN_SHIFT) /* as many tags have one tag in the level above */
#define IPM_LEVELS 6                           /* at most: enough for 2^44 bytes */

/* Where a struct and its guards lie: see ipm_memory_at. */
typedef struct ipm_memory {
    ipm_state *state;
    unsigned char *data;
    unsigned char *shadow;
    uint64_t size;
    unsigned top; /* the highest level */
    _Atomic uint64_t *tags[IPM_LEVELS];
} ipm_memory;

/* A writer's side of it: private, valid while the write lock is held. */
typedef struct ipm_transaction {
    const ipm_memory *memory;
    uint64_t sequence; /* the odd one, or IPM_NOT_BEGUN */
} ipm_transaction;

#define IPM_NOT_BEGUN UINT64_MAX

/* The number of blocks of a struct of that size. */
static inline uint64_t ipm_block_count(uint64_t size) {
    return (size + IPM_BLOCK_SIZE - 1) >> IPM_BLOCK_SHIFT;
}

/* The number of tags of a struct of that size, those of all levels. */
uint64_t ipm_tag_count(uint64_t size);

/*
 * A struct of at least 1 byte at `data`, and its guards.
 * tags    those of level 0, behind them those of level 1, and so on
 * data    aligned to 8, as `shadow` is, which has as many bytes
 */
ipm_memory ipm_memory_at(ipm_state *state, _Atomic uint64_t *tags, unsigned char *data,
                         unsigned char *shadow, uint64_t size);

/* Whether a transaction is open at that sequence. */
static inline bool ipm_sequence_is_odd(uint64_t sequence) {
    return (sequence & 1) != 0;
}

/* Whether the transaction with that odd sequence has saved the block. Nothing is ordered by it. */
static inline bool ipm_block_is_saved(const ipm_memory *memory, uint64_t block, uint64_t sequence) {
    return atomic_load_explicit(&memory->tags[0][block], memory_order_relaxed) == sequence;
}

/* Whether a transaction has begun and not ended: with the lock held, a dead writer's. */
static inline bool ipm_transaction_is_open(const ipm_memory *memory) {
    return ipm_sequence_is_odd(
        atomic_load_explicit(&memory->state->sequence, memory_order_acquire));
}

/*
 * Undo what a dead writer left. Call with the write lock held, before anything else.
 * returns  whether there was something to undo
 */
bool ipm_transaction_recover(const ipm_memory *memory);

/* Nothing is stored before the first change. */
static inline void ipm_transaction_open(ipm_transaction *transaction, const ipm_memory *memory) {
    transaction->memory = memory;
    transaction->sequence = IPM_NOT_BEGUN;
}

/* Save what was not saved yet of the blocks from first to last. */
void ipm_transaction_save(ipm_transaction *transaction, uint64_t first, uint64_t last);

/*
 * Make `size` bytes (at least 1) at `offset`, both inside the struct, ready to be changed.
 * The changes themselves are relaxed stores: see word.h.
 */
static inline void ipm_transaction_change(ipm_transaction *transaction, uint64_t offset,
                                          uint64_t size) {
    uint64_t first = offset >> IPM_BLOCK_SHIFT;
    uint64_t last = (offset + size - 1) >> IPM_BLOCK_SHIFT;
    if (first != last || !ipm_block_is_saved(transaction->memory, first, transaction->sequence))
        ipm_transaction_save(transaction, first, last);
}

/* returns  whether there was a change; without one nothing is stored */
bool ipm_transaction_commit(ipm_transaction *transaction);

/* Undo all changes. The transaction can go on afterwards as if just opened. */
void ipm_transaction_rollback(ipm_transaction *transaction);

/*
 * A copy of `size` bytes at `offset` as last committed, all of one commit, taken in turns. A turn
 * succeeds unless whole commits go by meanwhile, so beside writers that are dead, stopped or slow,
 * or kept out by a lock. The next one copies again only what was changed since.
 */
typedef struct ipm_snapshot {
    const ipm_memory *memory;
    uint64_t offset;
    uint64_t size;
    unsigned char *into;
    uint64_t since;   /* what earlier transactions changed last is copied; 0: nothing is */
    uint64_t version; /* that was copied, once a turn has succeeded */
} ipm_snapshot;

/* returns  whether `into` now has it, and `version` its version; else take another turn */
bool ipm_snapshot_turn(ipm_snapshot *snapshot);

/* Take turns until one succeeds: for who knows that writers are kept out. returns  the version */
uint64_t ipm_snapshot_take(const ipm_memory *memory, uint64_t offset, uint64_t size, void *into);

/* The number of commits. */
uint64_t ipm_snapshot_version(const ipm_memory *memory);

#endif
