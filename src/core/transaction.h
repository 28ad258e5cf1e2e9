/*
 * The transaction: changes to a struct in shared memory that are committed together or rolled back
 * together; if their writer dies, the next writer rolls them back. And snapshots, which never wait.
 *
 * The sequence is even at rest and odd within a transaction. The first change to a block of the
 * struct saves the block: it copies the block to the shadow and tags it with the odd sequence. A
 * writer that takes the lock and finds the sequence odd copies the blocks with that tag back. A
 * reader that finds it odd takes those blocks from the shadow, and so has the last commit.
 *
 * Tags have levels. Level 0 has one tag for each block. Each higher level has one tag for each 64
 * of the level below: the last transaction that saved any of those blocks. The top level has at
 * most 64 tags. So finding the changed blocks costs what the changes cost, regardless of the
 * struct's size.
 *
 * This works on given memory. The caller's lock excludes writers from each other; readers of
 * snapshots need no lock, and only read.
 */
#ifndef IPM_CORE_TRANSACTION_H
#define IPM_CORE_TRANSACTION_H

#include "process.h"

#include "../ipmmap.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPM_BLOCK_SHIFT 8
_Static_assert(IPM_BLOCK_SIZE == UINT64_C(1) << IPM_BLOCK_SHIFT, "the size of a block");

/* When a version was committed, and by which process: see process.h. */
typedef struct ipm_signature {
    _Atomic int64_t time; /* Unix time in nanoseconds */
    _Atomic uint64_t start;
    _Atomic int32_t pid;
    _Atomic uint32_t space;
} ipm_signature;

/* The state of a struct's transactions, shared by all processes: part of the file format. */
typedef struct ipm_state {
    _Atomic uint64_t sequence;
    _Atomic uint64_t version;        /* commits; counts while the sequence is even. While it is odd,
                                      * one less than the version that the commit will make */
    _Atomic uint64_t version_before; /* the same; counts while the sequence is odd */
    _Atomic uint64_t recoveries;     /* transactions undone because their writer died */
    _Atomic uint32_t retired;        /* an ipm_retired, see datafile.h; 0: in use */
    uint32_t unused;
    /* The ring (ring.h). The head has two copies, as the version has. */
    _Atomic uint64_t feed_head;
    _Atomic uint64_t feed_head_before;
    _Atomic uint64_t feed_tail;
    /* The next cache line: only commits and rollbacks store to it. */
    /* The version when a transaction was last rolled back, or one more than that from which
     * versions were last skipped: to the versions before it, see ipm_sequence_after. */
    _Atomic uint64_t version_undone;
    /* Who committed the last two versions: the even one first. All zeros: not known. */
    ipm_signature signatures[2];
    _Atomic uint32_t boots[2]; /* of their processes */
} ipm_state;

_Static_assert(offsetof(ipm_state, retired) == 32, "file format");
_Static_assert(offsetof(ipm_state, feed_head) == 40, "file format");
_Static_assert(offsetof(ipm_state, version_undone) == 64, "a cache line, and file format");
_Static_assert(offsetof(ipm_state, signatures) == 72, "file format");
_Static_assert(offsetof(ipm_state, boots) == 120, "file format");
_Static_assert(sizeof(ipm_state) == 128, "two cache lines");

#define IPM_FAN_SHIFT 6
#define IPM_FAN (UINT64_C(1) << IPM_FAN_SHIFT) /* as many tags have one tag in the level above */
#define IPM_LEVELS 6                           /* at most: enough for 2^44 bytes */

/* The ring that keeps what commits changed, for feeds: see ring.h. */
typedef struct ipm_ring ipm_ring;

/* The addresses of a struct, its shadow and its tags: see ipm_memory_at. */
typedef struct ipm_memory {
    ipm_state *state;
    unsigned char *data;
    unsigned char *shadow;
    uint64_t size;
    unsigned top; /* the highest level */
    _Atomic uint64_t *tags[IPM_LEVELS];
    ipm_ring *ring;      /* NULL: there is none */
    ipm_identity writer; /* this process, which signs the commits */
} ipm_memory;

/* A writer's transaction: private, valid while the write lock is held. */
typedef struct ipm_transaction {
    const ipm_memory *memory;
    uint64_t sequence; /* the odd sequence, or IPM_NOT_BEGUN */
    int64_t time;      /* of its commit, as in ipm_signature; 0: when it is made */
} ipm_transaction;

#define IPM_NOT_BEGUN UINT64_MAX

/* The number of blocks of a struct of that size. */
static inline uint64_t ipm_block_count(uint64_t size) {
    return (size + IPM_BLOCK_SIZE - 1) >> IPM_BLOCK_SHIFT;
}

/* The number of tags of a struct of that size, in all levels. */
uint64_t ipm_tag_count(uint64_t size);

/*
 * The struct at `data`, with its shadow and its tags, and without a ring.
 * tags    of level 0, followed by those of level 1, and so on
 * data    aligned to 8, as `shadow` is
 * size    of both; at least 1 byte
 */
ipm_memory ipm_memory_at(ipm_state *state, _Atomic uint64_t *tags, unsigned char *data,
                         unsigned char *shadow, uint64_t size);

/* Whether a transaction is open at that sequence: the sequence is odd. */
static inline bool ipm_sequence_is_odd(uint64_t sequence) {
    return (sequence & 1) != 0;
}

/* Whether the transaction with that odd sequence has saved the block. This orders no memory. */
static inline bool ipm_block_is_saved(const ipm_memory *memory, uint64_t block, uint64_t sequence) {
    return atomic_load_explicit(&memory->tags[0][block], memory_order_relaxed) == sequence;
}

/* Whether a transaction has begun and not ended. With the lock held it is a dead writer's. */
static inline bool ipm_transaction_is_open(const ipm_memory *memory) {
    return ipm_sequence_is_odd(
        atomic_load_explicit(&memory->state->sequence, memory_order_acquire));
}

/*
 * Roll back a dead writer's transaction. Call with the write lock held, before anything else.
 * returns  whether there was one
 */
bool ipm_transaction_recover(const ipm_memory *memory);

/* Open a transaction. Shared memory stays as it is until the first change. */
static inline void ipm_transaction_open(ipm_transaction *transaction, const ipm_memory *memory) {
    transaction->memory = memory;
    transaction->sequence = IPM_NOT_BEGUN;
    transaction->time = 0;
}

/* Whether a transaction may make that version. It is above the present one, and neither the version
 * nor the sequence comes near its end. */
bool ipm_transaction_may_make(const ipm_memory *memory, uint64_t version);

/*
 * Begin a transaction that is open, and has no change yet. Its commit makes that version, which it
 * may make, and has that time, even if it changes nothing.
 */
void ipm_transaction_begin(ipm_transaction *transaction, uint64_t version, int64_t time);

/* Save those of the blocks from first to last that the transaction has not saved yet. */
void ipm_transaction_save(ipm_transaction *transaction, uint64_t first, uint64_t last);

/*
 * Make `size` bytes (at least 1) at `offset`, all of them inside the struct, ready to be changed.
 * The caller then changes them by relaxed stores: see word.h.
 */
static inline void ipm_transaction_change(ipm_transaction *transaction, uint64_t offset,
                                          uint64_t size) {
    uint64_t first = offset >> IPM_BLOCK_SHIFT;
    uint64_t last = (offset + size - 1) >> IPM_BLOCK_SHIFT;
    if (first != last || !ipm_block_is_saved(transaction->memory, first, transaction->sequence))
        ipm_transaction_save(transaction, first, last);
}

/* returns  whether there was a change; without a change nothing is stored */
bool ipm_transaction_commit(ipm_transaction *transaction);

/* Undo all changes. Afterwards the transaction is as if it was just opened. */
void ipm_transaction_rollback(ipm_transaction *transaction);

/*
 * A copy of `size` bytes at `offset` as of one commit, the last one. It is taken in turns. A turn
 * succeeds unless a whole commit goes by while it copies, so it succeeds beside writers that are
 * dead, stopped, slow, or kept out by a lock. The next turn copies only what was changed since.
 */
typedef struct ipm_snapshot {
    const ipm_memory *memory;
    uint64_t offset;
    uint64_t size;
    unsigned char *into;
    uint64_t since;   /* blocks last changed before this sequence are copied already; 0: none */
    uint64_t version; /* of the copy, once a turn has succeeded */
    uint64_t head;    /* the ring's, at that version */
} ipm_snapshot;

/* Nothing is copied yet. */
static inline void ipm_snapshot_start(ipm_snapshot *snapshot, const ipm_memory *memory,
                                      uint64_t offset, uint64_t size, void *into) {
    snapshot->memory = memory;
    snapshot->offset = offset;
    snapshot->size = size;
    snapshot->into = into;
    snapshot->since = 0;
}

/* returns  true: `into` has the copy, and `version` its version; false: take another turn */
bool ipm_snapshot_turn(ipm_snapshot *snapshot);

/* Take turns until one succeeds. The caller keeps writers out. returns  the version */
uint64_t ipm_snapshot_take(const ipm_memory *memory, uint64_t offset, uint64_t size, void *into);

/* The last commit. */
typedef struct ipm_last {
    uint64_t version;
    int64_t time; /* Unix time in nanoseconds; 0: no commit yet, or not known */
    ipm_identity writer;
} ipm_last;

/* returns  a commit and its own time and writer, even beside one that dies in the next commit */
ipm_last ipm_snapshot_last(const ipm_memory *memory);

/* Sign a version that is not published yet. */
void ipm_transaction_sign(ipm_state *state, const ipm_last *last);

/* The number of commits. */
uint64_t ipm_snapshot_version(const ipm_memory *memory);

/* The same, and the ring's head at that version. */
uint64_t ipm_snapshot_head(const ipm_memory *memory, uint64_t *head);

/* The sequence of the open transaction, or else of the next one. */
static inline uint64_t ipm_sequence_now(const ipm_memory *memory) {
    return atomic_load_explicit(&memory->state->sequence, memory_order_acquire) | 1;
}

/*
 * The sequence of the first transaction after the commit of a version; all blocks that were changed
 * since then have this tag or a later one. It is exact for versions since the last rollback, and
 * since the last commit that skipped versions. For an older version it is too small, so more blocks
 * have such a tag.
 * returns  0: there is no such version yet
 */
uint64_t ipm_sequence_after(const ipm_memory *memory, uint64_t version);

/* The first block from `block` on that was saved at the sequence `since` or later; or `end`. */
uint64_t ipm_next_saved(const ipm_memory *memory, uint64_t since, uint64_t block, uint64_t end);

#endif
