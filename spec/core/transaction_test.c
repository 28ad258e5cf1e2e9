/* Transactions and snapshots, on plain memory. */
#include "../../src/core/transaction.h"
#include "../../src/core/word.h"
#include "fixture.h"

#define SIZE (UINT64_C(5) * IPM_BLOCK_SIZE + 40) /* the last block is not full */
#define BLOCKS 6

static ipm_state state;
static _Atomic uint64_t tags[BLOCKS];
static _Alignas(8) unsigned char data[SIZE], shadow[SIZE], copy[SIZE], before[SIZE];
static const ipm_memory memory = {
    .state = &state, .tags = tags, .data = data, .shadow = shadow, .size = SIZE};
static ipm_transaction t;

static void fresh(void) {
    memset(&state, 0, sizeof state);
    memset(tags, 0, sizeof tags);
    memset(shadow, 0, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(i * 7);
    memcpy(before, data, SIZE);
    ipm_transaction_open(&t, &memory);
}

static void change(uint64_t offset, uint64_t size, unsigned char value) {
    ipm_transaction_change(&t, offset, size);
    memset(data + offset, value, size);
}

static bool same(const void *a, const void *b) {
    return memcmp(a, b, SIZE) == 0;
}

static void stores_nothing_without_a_change(void) {
    fresh();
    CHECK(!ipm_transaction_commit(&t));
    ipm_transaction_rollback(&t);
    CHECK_INT(state.sequence, 0);
    CHECK_INT(ipm_snapshot_version(&memory), 0);
}

static void counts_commits(void) {
    fresh();
    for (uint64_t i = 1; i <= 5; i++) {
        change(0, 8, (unsigned char)i);
        CHECK(ipm_transaction_commit(&t));
        CHECK_INT(ipm_snapshot_version(&memory), i);
        CHECK_INT(state.sequence, 2 * i);
    }
}

static void rolls_back_every_range(void) {
    static const struct {
        uint64_t offset, size;
    } ranges[] = {{0, 1},       {255, 1},      {255, 2},        {256, 256},
                  {100, 0x200}, {SIZE - 1, 1}, {SIZE - 41, 41}, {0, SIZE}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        fresh();
        change(ranges[i].offset, ranges[i].size, 0xEE);
        CHECK(!same(data, before));
        ipm_transaction_rollback(&t);
        CHECK(same(data, before));
        CHECK_INT(state.sequence, 2);
        CHECK_INT(ipm_snapshot_version(&memory), 0);
    }
}

static void goes_on_after_a_rollback(void) {
    fresh();
    change(0, SIZE, 1);
    ipm_transaction_rollback(&t);
    change(300, 8, 2);
    CHECK(ipm_transaction_commit(&t));
    memset(before + 300, 2, 8);
    CHECK(same(data, before));
    CHECK_INT(ipm_snapshot_version(&memory), 1);
}

static void saves_a_block_once(void) {
    fresh();
    change(0, 8, 1);
    change(8, 8, 2);
    change(0, 16, 3);
    CHECK(memcmp(shadow, before, IPM_BLOCK_SIZE) == 0);
    CHECK_INT(tags[0], 1);
    CHECK_INT(tags[1], 0);
}

static void recovers_what_a_dead_writer_left(void) {
    fresh();
    change(0, 700, 9);
    CHECK(ipm_transaction_recover(&memory)); /* as by another process: `t` plays the dead one */
    CHECK(same(data, before));
    CHECK_INT(state.recoveries, 1);
    CHECK_INT(state.sequence, 2);
    CHECK(!ipm_transaction_recover(&memory));
    CHECK_INT(state.recoveries, 1);
}

static void forgets_a_version_that_was_stored_before_a_death(void) {
    fresh();
    change(0, 8, 1);
    state.version = 1; /* the commit's first store, and no more */
    CHECK(ipm_transaction_recover(&memory));
    CHECK_INT(ipm_snapshot_version(&memory), 0);
    CHECK_INT(state.version, 0);
}

static void recovers_again_after_a_death_in_the_recovery(void) {
    fresh();
    change(0, SIZE, 9);
    memcpy(data, shadow, 2 * IPM_BLOCK_SIZE); /* half of it was copied back */
    CHECK(ipm_transaction_recover(&memory));
    CHECK(same(data, before));
}

static void shows_the_committed_struct_in_mid_transaction(void) {
    fresh();
    change(0, 300, 9);
    change(SIZE - 4, 4, 9);
    memset(copy, 0, SIZE);
    CHECK_INT(ipm_snapshot(&memory, 0, SIZE, copy), 0);
    CHECK(same(copy, before));
    CHECK(ipm_transaction_commit(&t));
    CHECK_INT(ipm_snapshot(&memory, 0, SIZE, copy), 1);
    CHECK(same(copy, data));
}

static void copies_any_part(void) {
    fresh();
    change(0, SIZE, 9);
    for (uint64_t offset = 0; offset < SIZE; offset += 37)
        for (uint64_t size = 1; offset + size <= SIZE; size += 101) {
            memset(copy, 0, SIZE);
            ipm_snapshot(&memory, offset, size, copy);
            if (!CHECK(memcmp(copy, before + offset, size) == 0))
                return;
        }
}

static void keeps_before_images_apart_over_many_transactions(void) {
    unsigned seed = 1;
    fresh();
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1103515245 + 12345;
        uint64_t offset = (seed >> 8) % SIZE;
        uint64_t size = 1 + (seed >> 20) % (SIZE - offset < 400 ? SIZE - offset : 400);
        change(offset, size, (unsigned char)(seed >> 12));
        ipm_snapshot(&memory, 0, SIZE, copy);
        if (!CHECK(same(copy, before)))
            return;
        if ((seed >> 16) % 3 == 0) {
            ipm_transaction_rollback(&t);
            if (!CHECK(same(data, before)))
                return;
        } else if ((seed >> 16) % 3 == 1) {
            ipm_transaction_commit(&t);
            memcpy(before, data, SIZE);
        }
    }
}

static void copies_words_at_any_alignment(void) {
    _Alignas(8) unsigned char from[48], to[48];
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (unsigned char)(i + 1);
    for (size_t f = 0; f < 9; f++)
        for (size_t o = 0; o < 9; o++)
            for (size_t size = 0; size < 30; size++)
                for (int kind = 0; kind < 3; kind++) {
                    memset(to, 0, sizeof to);
                    (kind == 0   ? ipm_copy_from_shared
                     : kind == 1 ? ipm_copy_to_shared
                                 : ipm_copy_shared)(to + o, from + f, size);
                    bool good = memcmp(to + o, from + f, size) == 0 && to[o + size] == 0 &&
                                (o == 0 || to[o - 1] == 0);
                    memset(to, 1, sizeof to);
                    ipm_zero_shared(to + o, size);
                    for (size_t i = 0; i < sizeof to; i++)
                        good = good && (to[i] == 0) == (i >= o && i < o + size);
                    if (!CHECK(good))
                        return;
                }
}

int main(void) {
    run("stores nothing without a change", stores_nothing_without_a_change);
    run("counts commits", counts_commits);
    run("rolls back any range", rolls_back_every_range);
    run("goes on after a rollback, which does not count", goes_on_after_a_rollback);
    run("saves a block once in a transaction", saves_a_block_once);
    run("recovers what a dead writer left, and counts it", recovers_what_a_dead_writer_left);
    run("forgets a version that was stored before a death",
        forgets_a_version_that_was_stored_before_a_death);
    run("recovers again after a death in the recovery",
        recovers_again_after_a_death_in_the_recovery);
    run("shows the committed struct in mid-transaction",
        shows_the_committed_struct_in_mid_transaction);
    run("copies any part of it", copies_any_part);
    run("keeps before-images apart over 20,000 random changes",
        keeps_before_images_apart_over_many_transactions);
    run("copies words at any alignment", copies_words_at_any_alignment);
    return done();
}
