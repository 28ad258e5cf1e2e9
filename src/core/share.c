/*
 * Segments that several machines share: what their files say, and who may write.
 */
#include "share.h"

#include "clock.h"
#include "error.h"
#include "process.h"
#include "segment.h"

/* What a block says at one moment. */
typedef struct share_state {
    ipm_share share;
    uint32_t boot, clock;
} share_state;

static ipm_place place_by(int64_t deadline) {
    return deadline == 0 ? IPM_UNSHARED : deadline == IPM_AT_REPLICA ? IPM_REPLICA : IPM_HOME;
}

static share_state load_share(const ipm_share_block *block) {
    for (;;) {
        int64_t deadline = atomic_load_explicit(&block->deadline, memory_order_acquire);
        uint64_t turn = atomic_load_explicit(&block->turn, memory_order_acquire);
        const ipm_share_copy *copy = &block->copies[turn & 1];
        const ipm_place place = place_by(deadline);
        const share_state state = {
            .share =
                {
                    .place = place,
                    .deadline = place == IPM_HOME ? deadline : 0,
                    .epoch = atomic_load_explicit(&copy->epoch, memory_order_relaxed),
                    .ahead = atomic_load_explicit(&copy->ahead, memory_order_relaxed),
                    .token = place == IPM_HOME
                                 ? atomic_load_explicit(&copy->token, memory_order_relaxed)
                                 : 0,
                },
            .boot = atomic_load_explicit(&copy->boot, memory_order_relaxed),
            .clock = atomic_load_explicit(&copy->clock, memory_order_relaxed),
        };
        /* Pairs with the fence in store_share: who reads a copy that is filled in anew sees that
         * `turn` has chosen the other one. */
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&block->turn, memory_order_relaxed) == turn &&
            atomic_load_explicit(&block->deadline, memory_order_relaxed) == deadline)
            return state;
    }
}

static void fill_copy(ipm_share_copy *copy, const share_state *state) {
    atomic_store_explicit(&copy->epoch, state->share.epoch, memory_order_relaxed);
    atomic_store_explicit(&copy->ahead, state->share.ahead, memory_order_relaxed);
    atomic_store_explicit(&copy->token, state->share.token, memory_order_relaxed);
    atomic_store_explicit(&copy->boot, state->boot, memory_order_relaxed);
    atomic_store_explicit(&copy->clock, state->clock, memory_order_relaxed);
}

/* Until the last store nobody may write, unless the segment is unshared: then until that store
 * nothing has changed. */
static void store_share(ipm_share_block *block, const share_state *state) {
    static const int64_t closed[] = {[IPM_HOME] = IPM_LAPSED, [IPM_REPLICA] = IPM_AT_REPLICA};
    const ipm_share *share = &state->share;
    uint64_t turn = atomic_load_explicit(&block->turn, memory_order_relaxed) + 1;
    if (share->place != IPM_UNSHARED)
        atomic_store_explicit(&block->deadline, closed[share->place], memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    fill_copy(&block->copies[turn & 1], state);
    atomic_store_explicit(&block->turn, turn, memory_order_release);
    if (share->place != IPM_REPLICA)
        atomic_store_explicit(&block->deadline, share->deadline, memory_order_release);
}

void ipm_share_carry(ipm_share_block *to, const ipm_share_block *from) {
    const share_state state = load_share(from);
    store_share(to, &state);
}

/* ---- Who may write ----------------------------------------------------------------------- */

static bool is_of_this_clock(const share_state *state, const ipm_identity *self) {
    return state->boot != 0 && state->boot == self->boot && state->clock == self->clock;
}

static const char *why_not_home(const share_state *state, const ipm_identity *self) {
    if (state->share.place == IPM_REPLICA)
        return "this is a replica; its home is another machine";
    if (state->boot != self->boot)
        return "this machine is no longer its home: its lease is from before a reboot";
    if (state->clock != self->clock)
        return "this process cannot tell whether this machine is its home: the lease counts in "
               "another time namespace";
    return "this machine is no longer its home: its lease has ended";
}

int ipm_share_check(const ipm_share_block *block, const char *name, ipm_error *error) {
    const share_state state = load_share(block);
    const ipm_identity self = ipm_process_self();
    if (state.share.place == IPM_UNSHARED)
        return IPM_OK;
    if (state.share.place == IPM_HOME && is_of_this_clock(&state, &self) &&
        ipm_boottime() < state.share.deadline)
        return IPM_OK;
    return ipm_fail(error, IPM_ENOTHOME, 0, "%s: %s", name, why_not_home(&state, &self));
}

int ipm_segment_check_home(const ipm_segment *segment, ipm_error *error) {
    const ipm_memory *memory = &segment->data.memory;
    return ipm_is_shared(memory) && segment->role != IPM_READER && !segment->options.shares
               ? ipm_share_check(ipm_share_of(memory), segment->name, error)
               : IPM_OK;
}

/* ---- The interface ----------------------------------------------------------------------- */

int ipm_segment_share(ipm_segment *segment, ipm_share *share, ipm_error *error) {
    int code = ipm_segment_check(segment, error);
    if (code != IPM_OK)
        return code;
    const share_state state = load_share(ipm_share_of(&segment->data.memory));
    const ipm_identity self = ipm_process_self();
    *share = state.share;
    if (!is_of_this_clock(&state, &self))
        share->deadline = 0;
    return IPM_OK;
}

static int check_share(const ipm_segment *segment, const ipm_share *share, ipm_error *error) {
    if (!segment->options.shares)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: the handle needs the option shares",
                        segment->name);
    if ((unsigned)share->place > IPM_REPLICA)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: place %d is not an ipm_place", segment->name,
                        (int)share->place);
    if (share->place == IPM_HOME ? share->deadline <= IPM_AT_REPLICA : share->deadline != 0)
        return ipm_fail(error, IPM_EINVALID, 0,
                        "%s: a home has a deadline above 1, and what is no home has none, not %lld",
                        segment->name, (long long)share->deadline);
    return IPM_OK;
}

/* Whether the two differ at most in the deadline of a home. */
static bool moves_deadline(const share_state *before, const share_state *after) {
    const ipm_share *a = &before->share, *b = &after->share;
    return a->place == IPM_HOME && b->place == IPM_HOME && a->epoch == b->epoch &&
           a->ahead == b->ahead && a->token == b->token && before->boot == after->boot &&
           before->clock == after->clock;
}

static int set_share(ipm_segment *segment, const ipm_share *share, ipm_error *error) {
    ipm_share_block *block = ipm_share_of(&segment->data.memory);
    const share_state before = load_share(block);
    const ipm_identity self = ipm_process_self();
    const bool is_home = share->place == IPM_HOME;
    const share_state after = {*share, is_home ? self.boot : 0, is_home ? self.clock : 0};
    if (is_home && self.boot == 0)
        return ipm_fail(error, IPM_ESYSTEM, 0,
                        "%s cannot have a home here: /proc/sys/kernel/random/boot_id cannot be "
                        "read",
                        segment->name);
    if (moves_deadline(&before, &after)) {
        atomic_store_explicit(&block->deadline, share->deadline, memory_order_release);
        return IPM_OK;
    }
    int code = ipm_segment_check_locked(segment, error);
    if (code != IPM_OK)
        return code;
    store_share(block, &after);
    if (before.share.place == IPM_UNSHARED) /* so it was when the lock was taken */
        segment->edited = false;
    return IPM_OK;
}

int ipm_segment_set_share(ipm_segment *segment, const ipm_share *share, ipm_error *error) {
    int code = check_share(segment, share, error);
    if (code == IPM_OK)
        code = ipm_segment_check(segment, error);
    return code == IPM_OK ? set_share(segment, share, error) : code;
}
