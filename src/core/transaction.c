#include "transaction.h"

#include "word.h"

/*
 * The orders and fences below are those that a weak-memory checker showed to be needed (each
 * removal was rejected, under RC11 and IMM). "Pairs with" names the other side.
 */

static uint64_t block_length(const ipm_memory *memory, uint64_t block) {
    uint64_t left = memory->size - (block << IPM_BLOCK_SHIFT);
    return left < IPM_BLOCK_SIZE ? left : IPM_BLOCK_SIZE;
}

static void begin(ipm_transaction *transaction) {
    ipm_state *state = transaction->memory->state;
    uint64_t sequence = atomic_load_explicit(&state->sequence, memory_order_relaxed) + 1;
    uint64_t version = atomic_load_explicit(&state->version, memory_order_relaxed);
    /* Pairs with the fence in version_at: who sees this version_before sees that the transaction
     * before is over. */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&state->version_before, version, memory_order_relaxed);
    /* Pairs with the acquire in snapshot: who sees it odd sees version_before. */
    atomic_store_explicit(&state->sequence, sequence, memory_order_release);
    /* Pairs with the fence in unchanged: who sees a change sees the odd sequence. */
    atomic_thread_fence(memory_order_release);
    transaction->sequence = sequence;
}

void ipm_transaction_save(ipm_transaction *transaction, uint64_t first, uint64_t last) {
    const ipm_memory *memory = transaction->memory;
    if (transaction->sequence == IPM_NOT_BEGUN)
        begin(transaction);
    for (uint64_t block = first; block <= last; block++) {
        _Atomic uint64_t *tag = &memory->tags[block];
        if (atomic_load_explicit(tag, memory_order_relaxed) == transaction->sequence)
            continue;
        uint64_t offset = block << IPM_BLOCK_SHIFT;
        ipm_copy_shared(memory->shadow + offset, memory->data + offset,
                        block_length(memory, block));
        /* Pairs with the acquire loads of the tag: who sees it sees the shadow. */
        atomic_store_explicit(tag, transaction->sequence, memory_order_release);
    }
    /* Pairs with the fence before the second look at the tag: who sees a change sees the tag. */
    atomic_thread_fence(memory_order_release);
}

bool ipm_transaction_commit(ipm_transaction *transaction) {
    ipm_state *state = transaction->memory->state;
    if (transaction->sequence == IPM_NOT_BEGUN)
        return false;
    uint64_t before = atomic_load_explicit(&state->version_before, memory_order_relaxed);
    atomic_store_explicit(&state->version, before + 1, memory_order_relaxed);
    /* Pairs with the acquire in snapshot: who sees it even sees every change. */
    atomic_store_explicit(&state->sequence, transaction->sequence + 1, memory_order_release);
    transaction->sequence = IPM_NOT_BEGUN;
    return true;
}

/* Copy back what the transaction with that odd sequence saved. Repeatable, until the last store. */
static void undo(const ipm_memory *memory, uint64_t sequence) {
    ipm_state *state = memory->state;
    uint64_t blocks = ipm_block_count(memory->size);
    /* Pairs with the fence in unchanged: who sees a block copied back sees the odd sequence,
     * which this process may have from a dead one and never stored itself. */
    atomic_thread_fence(memory_order_release);
    for (uint64_t block = 0; block < blocks; block++) {
        uint64_t offset = block << IPM_BLOCK_SHIFT;
        if (atomic_load_explicit(&memory->tags[block], memory_order_relaxed) == sequence)
            ipm_copy_shared(memory->data + offset, memory->shadow + offset,
                            block_length(memory, block));
    }
    /* A commit that died before its last store has counted itself already. */
    uint64_t before = atomic_load_explicit(&state->version_before, memory_order_relaxed);
    atomic_store_explicit(&state->version, before, memory_order_relaxed);
    atomic_store_explicit(&state->sequence, sequence + 1, memory_order_release);
}

bool ipm_transaction_recover(const ipm_memory *memory) {
    ipm_state *state = memory->state;
    uint64_t sequence = atomic_load_explicit(&state->sequence, memory_order_relaxed);
    if ((sequence & 1) == 0)
        return false;
    atomic_fetch_add_explicit(&state->recoveries, 1, memory_order_relaxed);
    undo(memory, sequence);
    return true;
}

void ipm_transaction_rollback(ipm_transaction *transaction) {
    if (transaction->sequence == IPM_NOT_BEGUN)
        return;
    undo(transaction->memory, transaction->sequence);
    transaction->sequence = IPM_NOT_BEGUN;
}

/*
 * Copy the part of each block that lies in the range, as it was committed before or at
 * `sequence`, leaving out the blocks that no transaction from `since` on has saved.
 */
static void copy_blocks(const ipm_memory *memory, uint64_t sequence, uint64_t since,
                        uint64_t offset, uint64_t size, unsigned char *into) {
    uint64_t end = offset + size;
    for (uint64_t next; offset < end; into += next - offset, offset = next) {
        uint64_t block = offset >> IPM_BLOCK_SHIFT;
        next = (block + 1) << IPM_BLOCK_SHIFT;
        if (next > end)
            next = end;
        uint64_t tag = atomic_load_explicit(&memory->tags[block], memory_order_acquire);
        if (tag < since)
            continue;
        if (tag != sequence) {
            ipm_copy_from_shared(into, memory->data + offset, next - offset);
            atomic_thread_fence(memory_order_acquire);
            tag = atomic_load_explicit(&memory->tags[block], memory_order_acquire);
        }
        if (tag == sequence)
            ipm_copy_from_shared(into, memory->shadow + offset, next - offset);
    }
}

/* Whether what was read since `sequence` was loaded is of one commit. */
static bool unchanged(const ipm_memory *memory, uint64_t sequence) {
    /* Pairs with the release fences of begin and undo. */
    atomic_thread_fence(memory_order_acquire);
    uint64_t now = atomic_load_explicit(&memory->state->sequence, memory_order_relaxed);
    return now == sequence || ((sequence & 1) != 0 && now == sequence + 1);
}

/* The version that belongs to the sequence. returns  false: too late, the sequence went on */
static bool version_at(const ipm_state *state, uint64_t sequence, uint64_t *version) {
    if ((sequence & 1) == 0) { /* whether that was in time is for unchanged to say */
        *version = atomic_load_explicit(&state->version, memory_order_relaxed);
        return true;
    }
    *version = atomic_load_explicit(&state->version_before, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&state->sequence, memory_order_relaxed) == sequence;
}

uint64_t ipm_snapshot(const ipm_memory *memory, uint64_t offset, uint64_t size, void *into) {
    uint64_t since = 0;
    for (;;) {
        uint64_t version;
        uint64_t sequence = atomic_load_explicit(&memory->state->sequence, memory_order_acquire);
        if (!version_at(memory->state, sequence, &version))
            continue;
        if (since == 0 && (sequence & 1) == 0)
            ipm_copy_from_shared(into, memory->data + offset, size);
        else
            copy_blocks(memory, sequence, since, offset, size, into);
        if (unchanged(memory, sequence))
            return version;
        /* What the next turn can leave as it is: a block that was changed while it was being
         * copied, or was copied from the shadow, has a tag from here on. Without this, a big
         * struct beside a writer that never rests would never be copied. */
        since = sequence | 1;
    }
}

uint64_t ipm_snapshot_version(const ipm_memory *memory) {
    for (;;) {
        uint64_t version;
        uint64_t sequence = atomic_load_explicit(&memory->state->sequence, memory_order_acquire);
        if (version_at(memory->state, sequence, &version) && unchanged(memory, sequence))
            return version;
    }
}
