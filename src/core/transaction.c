#include "transaction.h"

#include "clock.h"
#include "cold.h"
#include "ring.h"
#include "word.h"

/*
 * A weak-memory checker showed that each order and fence below is needed: it rejected the removal
 * of any, under RC11 and IMM. "Pairs with" names the other side.
 */

/* ---- Tags -------------------------------------------------------------------------------- */

/* The number of tags of a level. */
static uint64_t level_count(uint64_t size, unsigned level) {
    return ((ipm_block_count(size) - 1) >> (IPM_FAN_SHIFT * level)) + 1;
}

static unsigned top_level(uint64_t size) {
    unsigned level = 0;
    while (level_count(size, level) > IPM_FAN)
        level++;
    return level;
}

uint64_t ipm_tag_count(uint64_t size) {
    uint64_t count = 0;
    for (unsigned level = 0; level <= top_level(size); level++)
        count += level_count(size, level);
    return count;
}

ipm_memory ipm_memory_at(ipm_state *state, _Atomic uint64_t *tags, unsigned char *data,
                         unsigned char *shadow, uint64_t size) {
    ipm_memory memory = {
        .state = state, .data = data, .shadow = shadow, .size = size, .top = top_level(size)};
    for (unsigned level = 0; level <= memory.top; level++) {
        memory.tags[level] = tags;
        tags += level_count(size, level);
    }
    return memory;
}

static inline uint64_t load_tag(const _Atomic uint64_t *tag) {
    /* Pairs with the release store of a block's tag in save. */
    return atomic_load_explicit(tag, memory_order_acquire);
}

uint64_t ipm_next_saved(const ipm_memory *memory, uint64_t since, uint64_t block, uint64_t end) {
    /* Where the blocks of a tag above begin, load that tag first. */
    unsigned level = block % IPM_FAN == 0 ? memory->top : 0;
    while (block < end) {
        const _Atomic uint64_t *tags = memory->tags[level];
        unsigned shift = IPM_FAN_SHIFT * level;
        uint64_t tag = block >> shift;
        uint64_t stop = (tag | (IPM_FAN - 1)) + 1; /* the next ones have another tag above */
        uint64_t last = (end - 1) >> shift;
        if (stop > last)
            stop = last + 1;
        while (tag < stop && load_tag(&tags[tag]) < since)
            block = ++tag << shift;
        if (tag == stop)
            level = memory->top;
        else if (level-- == 0)
            return block;
    }
    return end;
}

/* ---- Writing ----------------------------------------------------------------------------- */

static uint64_t block_length(const ipm_memory *memory, uint64_t block) {
    uint64_t left = memory->size - (block << IPM_BLOCK_SHIFT);
    return left < IPM_BLOCK_SIZE ? left : IPM_BLOCK_SIZE;
}

/* The sequence and the version skip as many steps, so that each version has its own sequence. */
static IPM_OFTEN void begin(ipm_transaction *transaction, uint64_t skipped) {
    ipm_state *state = transaction->memory->state;
    uint64_t sequence =
        atomic_load_explicit(&state->sequence, memory_order_relaxed) + 1 + 2 * skipped;
    uint64_t version = atomic_load_explicit(&state->version, memory_order_relaxed);
    /* Pairs with the fence in has_gone_on: a reader that sees this version_before sees that the
     * previous transaction is over. */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&state->version_before, version, memory_order_relaxed);
    if (skipped != 0)
        atomic_store_explicit(&state->version_undone, version + 1, memory_order_relaxed);
    if (transaction->memory->ring != NULL)
        ipm_ring_begin(transaction->memory);
    /* Pairs with ipm_snapshot_turn's acquire: a reader that sees it odd sees version_before. */
    atomic_store_explicit(&state->sequence, sequence, memory_order_release);
    /* Pairs with the fence in has_gone_on: a reader that sees a change sees the odd sequence. */
    atomic_thread_fence(memory_order_release);
    transaction->sequence = sequence;
}

bool ipm_transaction_may_make(const ipm_memory *memory, uint64_t version) {
    uint64_t now = atomic_load_explicit(&memory->state->version, memory_order_relaxed);
    uint64_t sequence = atomic_load_explicit(&memory->state->sequence, memory_order_relaxed);
    uint64_t most = UINT64_C(1) << 62; /* of the sequence there is twice as much */
    return version > now && version < most && version - now < most - sequence / 2 - 1;
}

void ipm_transaction_begin(ipm_transaction *transaction, uint64_t version, int64_t time) {
    ipm_state *state = transaction->memory->state;
    begin(transaction, version - 1 - atomic_load_explicit(&state->version, memory_order_relaxed));
    atomic_store_explicit(&state->version, version - 1, memory_order_relaxed);
    transaction->time = time;
}

void ipm_transaction_save(ipm_transaction *transaction, uint64_t first, uint64_t last) {
    const ipm_memory *memory = transaction->memory;
    if (transaction->sequence == IPM_NOT_BEGUN)
        begin(transaction, 0);
    for (uint64_t block = first; block <= last; block++) {
        if (ipm_block_is_saved(memory, block, transaction->sequence))
            continue;
        _Atomic uint64_t *tag = &memory->tags[0][block];
        uint64_t offset = block << IPM_BLOCK_SHIFT;
        ipm_copy_shared(memory->shadow + offset, memory->data + offset,
                        block_length(memory, block));
        for (unsigned level = memory->top; level > 0; level--)
            atomic_store_explicit(&memory->tags[level][block >> (IPM_FAN_SHIFT * level)],
                                  transaction->sequence, memory_order_relaxed);
        /* Pairs with load_tag: a reader that sees the tag sees the shadow. The block is unchanged
         * if the writer dies before this store. */
        atomic_store_explicit(tag, transaction->sequence, memory_order_release);
        if (memory->ring != NULL)
            ipm_ring_note(memory->ring, block);
    }
    /* Pairs with the fences in copy_committed and has_gone_on: a reader that sees a change sees the
     * tags. */
    atomic_thread_fence(memory_order_release);
}

/* Each version is signed in the place of the version before the last one. So until it is published
 * the last one keeps its signature, also if this process dies. */
static inline void sign(ipm_state *state, uint64_t version, int64_t time,
                        const ipm_identity *writer) {
    ipm_signature *signature = &state->signatures[version & 1];
    atomic_store_explicit(&signature->time, time, memory_order_relaxed);
    atomic_store_explicit(&signature->start, writer->start, memory_order_relaxed);
    atomic_store_explicit(&signature->pid, writer->pid, memory_order_relaxed);
    atomic_store_explicit(&signature->space, writer->space, memory_order_relaxed);
    atomic_store_explicit(&state->boots[version & 1], writer->boot, memory_order_relaxed);
}

void ipm_transaction_sign(ipm_state *state, const ipm_last *last) {
    sign(state, last->version, last->time, &last->writer);
}

static inline bool publish(ipm_transaction *transaction, int64_t time) {
    ipm_state *state = transaction->memory->state;
    uint64_t version = atomic_load_explicit(&state->version, memory_order_relaxed) + 1;
    sign(state, version, time, &transaction->memory->writer);
    atomic_store_explicit(&state->version, version, memory_order_relaxed);
    /* Pairs with ipm_snapshot_turn's acquire: a reader that sees it even sees every change, the
     * record and the signature. */
    atomic_store_explicit(&state->sequence, transaction->sequence + 1, memory_order_release);
    transaction->sequence = IPM_NOT_BEGUN;
    return true;
}

static inline int64_t time_of(const ipm_transaction *transaction) {
    return transaction->time != 0 ? transaction->time : ipm_clock_coarse();
}

/* A function of its own, so that a commit without a ring saves no registers for it. */
static IPM_APART bool publish_with_record(ipm_transaction *transaction) {
    int64_t time = time_of(transaction);
    ipm_ring_write(transaction->memory, time);
    return publish(transaction, time);
}

bool ipm_transaction_commit(ipm_transaction *transaction) {
    if (transaction->sequence == IPM_NOT_BEGUN)
        return false;
    return transaction->memory->ring == NULL ? publish(transaction, time_of(transaction))
                                             : publish_with_record(transaction);
}

/* Copy back the blocks that the transaction with that odd sequence saved. Until the last store this
 * can be repeated. */
static void undo(const ipm_memory *memory, uint64_t sequence) {
    ipm_state *state = memory->state;
    uint64_t end = ipm_block_count(memory->size);
    /* Pairs with the fence in has_gone_on: a reader that sees a block copied back sees the odd
     * sequence. A dead process, and not this one, may have stored that sequence. */
    atomic_thread_fence(memory_order_release);
    for (uint64_t block = 0; (block = ipm_next_saved(memory, sequence, block, end)) < end;
         block++) {
        uint64_t offset = block << IPM_BLOCK_SHIFT;
        ipm_copy_shared(memory->data + offset, memory->shadow + offset,
                        block_length(memory, block));
    }
    /* A writer that died before the last store of its commit has counted the commit already, and
     * its record with it. */
    uint64_t before = atomic_load_explicit(&state->version_before, memory_order_relaxed);
    atomic_store_explicit(&state->version, before, memory_order_relaxed);
    atomic_store_explicit(&state->version_undone, before, memory_order_relaxed);
    if (memory->ring != NULL)
        ipm_ring_undo(memory);
    /* Pairs with ipm_snapshot_turn's acquire: a reader that sees it even sees the blocks. */
    atomic_store_explicit(&state->sequence, sequence + 1, memory_order_release);
}

bool ipm_transaction_recover(const ipm_memory *memory) {
    ipm_state *state = memory->state;
    uint64_t sequence = atomic_load_explicit(&state->sequence, memory_order_relaxed);
    if (!ipm_sequence_is_odd(sequence))
        return false;
    atomic_fetch_add_explicit(&state->recoveries, 1, memory_order_relaxed);
    undo(memory, sequence);
    return true;
}

void ipm_transaction_rollback(ipm_transaction *transaction) {
    if (transaction->sequence == IPM_NOT_BEGUN)
        return;
    undo(transaction->memory, transaction->sequence);
    ipm_transaction_open(transaction, transaction->memory);
}

/* ---- Snapshots --------------------------------------------------------------------------- */

/* Copy from `from` those bytes of the snapshot that lie in the blocks from `first` to `end` - 1. */
static void copy_part(const ipm_snapshot *snapshot, const unsigned char *from, uint64_t first,
                      uint64_t end) {
    uint64_t at = first << IPM_BLOCK_SHIFT;
    uint64_t until = end << IPM_BLOCK_SHIFT;
    if (at < snapshot->offset)
        at = snapshot->offset;
    if (until > snapshot->offset + snapshot->size)
        until = snapshot->offset + snapshot->size;
    if (at < until)
        ipm_copy_from_shared(snapshot->into + (at - snapshot->offset), from + at, until - at);
}

/* The end of the run that begins with `block`: blocks saved at `since` or later, all of them by the
 * transaction with that odd sequence, or all by others. */
static uint64_t end_of_run(const ipm_memory *memory, uint64_t since, uint64_t odd, bool saved,
                           uint64_t block, uint64_t end) {
    for (block++; block < end; block++) {
        uint64_t tag = load_tag(&memory->tags[0][block]);
        if (tag < since || (tag == odd) != saved)
            break;
    }
    return block;
}

/*
 * Copy the state before the transaction with that odd sequence, except for the blocks that earlier
 * turns have copied. The blocks that the transaction has saved come from the shadow. The others
 * come from the struct; of these, the blocks saved meanwhile come from the shadow after that.
 */
static void copy_committed(const ipm_snapshot *snapshot, uint64_t odd) {
    const ipm_memory *memory = snapshot->memory;
    uint64_t since = snapshot->since;
    uint64_t block = snapshot->offset >> IPM_BLOCK_SHIFT;
    uint64_t end = ipm_block_count(snapshot->offset + snapshot->size);
    for (uint64_t stop; (block = ipm_next_saved(memory, since, block, end)) < end; block = stop) {
        bool saved = load_tag(&memory->tags[0][block]) == odd;
        stop = end_of_run(memory, since, odd, saved, block, end);
        copy_part(snapshot, saved ? memory->shadow : memory->data, block, stop);
        if (saved)
            continue;
        /* Pairs with ipm_transaction_save's fence: a reader that has read a change sees the tag. */
        atomic_thread_fence(memory_order_acquire);
        for (; (block = ipm_next_saved(memory, odd, block, stop)) < stop; block++)
            copy_part(snapshot, memory->shadow, block, block + 1);
    }
}

/* The version and the ring's head at that sequence, unless the sequence has gone on. */
static inline uint64_t version_at(const ipm_state *state, uint64_t sequence, uint64_t *head) {
    bool odd = ipm_sequence_is_odd(sequence);
    *head = atomic_load_explicit(odd ? &state->feed_head_before : &state->feed_head,
                                 memory_order_relaxed);
    return atomic_load_explicit(odd ? &state->version_before : &state->version,
                                memory_order_relaxed);
}

/* Whether the sequence has gone on by more than so many steps since it was loaded. */
static bool has_gone_on(const ipm_state *state, uint64_t sequence, uint64_t steps) {
    /* Pairs with the release fences of begin and undo. */
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&state->sequence, memory_order_relaxed) - sequence > steps;
}

/* End a turn that began at that sequence. returns  whether what it copied belongs to one commit */
static bool end_turn(ipm_snapshot *snapshot, uint64_t sequence, uint64_t steps) {
    if (!has_gone_on(snapshot->memory->state, sequence, steps))
        return true;
    /* The next turn can skip blocks with an older tag. A block that was changed while it was
     * copied, or that was copied from the shadow, has this tag or a later one. */
    snapshot->since = sequence | 1;
    return false;
}

/* Take a turn that looks at the tags. */
static IPM_APART bool turn_by_tags(ipm_snapshot *snapshot, uint64_t sequence) {
    uint64_t odd = sequence | 1; /* of the transaction that is open, or the next one */
    if (has_gone_on(snapshot->memory->state, sequence, 0)) /* the version may be another one's */
        return false;
    copy_committed(snapshot, odd);
    return end_turn(snapshot, sequence, odd + 1 - sequence); /* until that transaction has ended */
}

bool ipm_snapshot_turn(ipm_snapshot *snapshot) {
    const ipm_memory *memory = snapshot->memory;
    uint64_t sequence = atomic_load_explicit(&memory->state->sequence, memory_order_acquire);
    snapshot->version = version_at(memory->state, sequence, &snapshot->head);
    if (snapshot->since > 0 || ipm_sequence_is_odd(sequence))
        return turn_by_tags(snapshot, sequence);
    ipm_copy_from_shared(snapshot->into, memory->data + snapshot->offset, snapshot->size);
    return end_turn(snapshot, sequence, 0);
}

uint64_t ipm_snapshot_take(const ipm_memory *memory, uint64_t offset, uint64_t size, void *into) {
    ipm_snapshot snapshot;
    ipm_snapshot_start(&snapshot, memory, offset, size, into);
    while (!ipm_snapshot_turn(&snapshot))
        ;
    return snapshot.version;
}

uint64_t ipm_snapshot_head(const ipm_memory *memory, uint64_t *head) {
    for (;;) {
        uint64_t sequence = atomic_load_explicit(&memory->state->sequence, memory_order_acquire);
        uint64_t version = version_at(memory->state, sequence, head);
        if (!has_gone_on(memory->state, sequence, 0))
            return version;
    }
}

ipm_last ipm_snapshot_last(const ipm_memory *memory) {
    ipm_state *state = memory->state;
    for (;;) {
        uint64_t head;
        uint64_t sequence = atomic_load_explicit(&state->sequence, memory_order_acquire);
        uint64_t version = version_at(state, sequence, &head);
        const ipm_signature *signature = &state->signatures[version & 1];
        const ipm_last last = {
            .version = version,
            .time = atomic_load_explicit(&signature->time, memory_order_relaxed),
            .writer =
                {
                    .pid = atomic_load_explicit(&signature->pid, memory_order_relaxed),
                    .space = atomic_load_explicit(&signature->space, memory_order_relaxed),
                    .start = atomic_load_explicit(&signature->start, memory_order_relaxed),
                    .boot = atomic_load_explicit(&state->boots[version & 1], memory_order_relaxed),
                },
        };
        if (!has_gone_on(state, sequence, 0))
            return version != 0 ? last : (ipm_last){0};
    }
}

uint64_t ipm_snapshot_version(const ipm_memory *memory) {
    uint64_t head;
    return ipm_snapshot_head(memory, &head);
}

/*
 * Each commit and each rollback adds two to the sequence, and only a commit counts as a version. So
 * since the last rollback the two grow together. Before it, the sequence was at least twice the
 * version. A transaction that skips versions skips their sequences, too, but the odd sequence does
 * so before the version: therefore the versions before it count as those before a rollback.
 */
uint64_t ipm_sequence_after(const ipm_memory *memory, uint64_t version) {
    const ipm_state *state = memory->state;
    for (;;) {
        uint64_t head;
        uint64_t sequence = atomic_load_explicit(&state->sequence, memory_order_acquire);
        uint64_t now = version_at(state, sequence, &head);
        uint64_t undone = atomic_load_explicit(&state->version_undone, memory_order_relaxed);
        if (has_gone_on(state, sequence, 0))
            continue;
        if (version > now)
            return 0;
        return version < undone ? 2 * version + 1 : (sequence | 1) - 2 * (now - version);
    }
}
