/* Transactions and snapshots, on plain memory. */
#include "../../src/core/transaction.h"
#include "../../src/core/word.h"
#include "fixture.h"

#define SIZE (UINT64_C(5) * IPM_BLOCK_SIZE + 40) /* the last block is not full */
#define BLOCKS 6

static ipm_state state;
static _Atomic uint64_t tags[BLOCKS];
static _Alignas(8) unsigned char data[SIZE], shadow[SIZE], copy[SIZE], before[SIZE];
static ipm_memory memory;
static ipm_transaction t;

static void fresh(void) {
    memory = ipm_memory_at(&state, tags, data, shadow, SIZE);
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
    CHECK(ipm_transaction_recover(&memory)); /* as another process; `t` stands for the dead one */
    CHECK(same(data, before));
    CHECK_INT(state.recoveries, 1);
    CHECK_INT(state.sequence, 2);
    CHECK(!ipm_transaction_recover(&memory));
    CHECK_INT(state.recoveries, 1);
}

static void forgets_a_version_that_was_stored_before_a_death(void) {
    fresh();
    change(0, 8, 1);
    state.version = 1; /* only the first store of the commit */
    CHECK(ipm_transaction_recover(&memory));
    CHECK_INT(ipm_snapshot_version(&memory), 0);
    CHECK_INT(state.version, 0);
}

static void recovers_again_after_a_death_in_the_recovery(void) {
    fresh();
    change(0, SIZE, 9);
    memcpy(data, shadow, 2 * IPM_BLOCK_SIZE); /* half of the block was copied back before */
    CHECK(ipm_transaction_recover(&memory));
    CHECK(same(data, before));
}

static void shows_the_committed_struct_in_mid_transaction(void) {
    fresh();
    change(0, 300, 9);
    change(SIZE - 4, 4, 9);
    memset(copy, 0, SIZE);
    CHECK_INT(ipm_snapshot_take(&memory, 0, SIZE, copy), 0);
    CHECK(same(copy, before));
    CHECK(ipm_transaction_commit(&t));
    CHECK_INT(ipm_snapshot_take(&memory, 0, SIZE, copy), 1);
    CHECK(same(copy, data));
}

static void copies_any_part(void) {
    fresh();
    change(0, SIZE, 9);
    for (uint64_t offset = 0; offset < SIZE; offset += 37)
        for (uint64_t size = 1; offset + size <= SIZE; size += 101) {
            memset(copy, 0, SIZE);
            ipm_snapshot_take(&memory, offset, size, copy);
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
        ipm_snapshot_take(&memory, 0, SIZE, copy);
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

/* ---- Levels of tags ---------------------------------------------------------------------- */

#define WIDE_BLOCKS 4101 /* 65 tags above them, and 2 above those */
#define WIDE (UINT64_C(4100) * IPM_BLOCK_SIZE + 40)

static _Atomic uint64_t wide_tags[WIDE_BLOCKS + 65 + 2];
static _Alignas(8) unsigned char wide_data[WIDE], wide_shadow[WIDE], wide_copy[WIDE],
    wide_before[WIDE];
static ipm_memory wide;

static void fresh_wide(void) {
    memset(&state, 0, sizeof state);
    memset(wide_tags, 0, sizeof wide_tags);
    memset(wide_data, 0, WIDE);
    memset(wide_before, 0, WIDE);
    wide = ipm_memory_at(&state, wide_tags, wide_data, wide_shadow, WIDE);
    ipm_transaction_open(&t, &wide);
}

static void change_wide(uint64_t block, unsigned char value) {
    ipm_transaction_change(&t, block * IPM_BLOCK_SIZE, 8);
    memset(wide_data + block * IPM_BLOCK_SIZE, value, 8);
}

static void commit_wide(void) {
    CHECK(ipm_transaction_commit(&t));
    memcpy(wide_before, wide_data, WIDE);
}

/* A snapshot that counts as complete up to that sequence. `wide_copy` is filled with 0xCC, which
 * shows the bytes that a turn does not copy. */
static ipm_snapshot later_turn(uint64_t since) {
    memset(wide_copy, 0xCC, WIDE);
    return (ipm_snapshot){.memory = &wide, .size = WIDE, .into = wide_copy, .since = since};
}

static bool is_copied(uint64_t block) {
    return wide_copy[block * IPM_BLOCK_SIZE] != 0xCC;
}

static unsigned blocks_copied(void) {
    unsigned count = 0;
    for (uint64_t block = 0; block < WIDE_BLOCKS; block++)
        count += is_copied(block);
    return count;
}

static void has_a_level_for_each_64_tags(void) {
    static const struct {
        uint64_t size, tags;
        unsigned top;
    } sizes[] = {
        {1, 1, 0},
        {64 << 8, 64, 0},
        {(64 << 8) + 1, 65 + 2, 1},
        {4096 << 8, 4096 + 64, 1},
        {(4096 << 8) + 1, 4097 + 65 + 2, 2},
        {WIDE, WIDE_BLOCKS + 65 + 2, 2},
        {IPM_MAX_SIZE, (UINT64_C(1) << 32) + (1 << 26) + (1 << 20) + (1 << 14) + 256 + 4, 5}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ipm_memory made = ipm_memory_at(&state, wide_tags, wide_data, wide_shadow, sizes[i].size);
        CHECK_INT(ipm_tag_count(sizes[i].size), sizes[i].tags);
        CHECK_INT(made.top, sizes[i].top);
    }
    fresh_wide();
    CHECK_INT(wide.tags[1] - wide.tags[0], WIDE_BLOCKS);
    CHECK_INT(wide.tags[2] - wide.tags[1], 65);
}

static void tags_what_is_saved_on_each_level(void) {
    fresh_wide();
    change_wide(4099, 1);
    CHECK_INT(wide.tags[0][4099], 1);
    CHECK_INT(wide.tags[1][64], 1);
    CHECK_INT(wide.tags[2][1], 1);
    commit_wide();
    change_wide(70, 2);
    uint64_t set = 0;
    for (size_t i = 0; i < sizeof wide_tags / sizeof *wide_tags; i++)
        set += wide_tags[i] != 0;
    CHECK_INT(set, 6);
    CHECK_INT(wide.tags[1][1], 3);
    CHECK_INT(wide.tags[2][0], 3);
}

static void undoes_what_was_saved_wherever_it_lies(void) {
    static const uint64_t blocks[] = {0, 1, 63, 64, 4031, 4032, 4095, 4096, 4100};
    fresh_wide();
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        change_wide(blocks[i], 9);
        CHECK(ipm_transaction_recover(&wide));
        ipm_transaction_open(&t, &wide);
        CHECK(memcmp(wide_data, wide_before, WIDE) == 0);
    }
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        change_wide(blocks[i], 9);
    ipm_transaction_rollback(&t);
    CHECK(memcmp(wide_data, wide_before, WIDE) == 0);
}

static void copies_in_a_later_turn_what_was_changed_since(void) {
    fresh_wide();
    for (unsigned i = 1; i <= 4; i++) {
        change_wide(1000 + i, 1);
        commit_wide();
    }
    change_wide(3, 2); /* sequence 9 */
    change_wide(4100, 2);
    commit_wide();
    change_wide(2000, 3); /* 11 */
    commit_wide();
    ipm_snapshot later = later_turn(9);
    CHECK(ipm_snapshot_turn(&later));
    CHECK_INT(later.version, 6);
    CHECK_INT(blocks_copied(), 3);
    CHECK(is_copied(3) && is_copied(2000) && is_copied(4100));
    CHECK_INT(wide_copy[2000 * IPM_BLOCK_SIZE], 3);
    later = later_turn(13);
    CHECK(ipm_snapshot_turn(&later));
    CHECK_INT(blocks_copied(), 0);
}

static void looks_only_below_tags_that_were_set_since(void) {
    fresh_wide();
    change_wide(100, 1);
    commit_wide();
    wide.tags[0][0] = wide.tags[0][3000] = UINT64_MAX >> 1; /* no transaction sets only these */
    ipm_snapshot later = later_turn(1);
    CHECK(ipm_snapshot_turn(&later));
    CHECK_INT(blocks_copied(), 1);
}

static void copies_a_half_transaction_from_the_shadow_in_any_turn(void) {
    fresh_wide();
    change_wide(10, 1); /* sequence 1 */
    change_wide(4000, 1);
    commit_wide();
    change_wide(4000, 2);
    change_wide(4001, 2);
    ipm_snapshot_take(&wide, 0, WIDE, wide_copy);
    CHECK(memcmp(wide_copy, wide_before, WIDE) == 0);
    ipm_snapshot later = later_turn(1);
    CHECK(ipm_snapshot_turn(&later));
    CHECK_INT(blocks_copied(), 3);
    CHECK_INT(wide_copy[10 * IPM_BLOCK_SIZE], 1);
    CHECK_INT(wide_copy[4000 * IPM_BLOCK_SIZE], 1);
    CHECK_INT(wide_copy[4001 * IPM_BLOCK_SIZE], 0);
}

static void copies_nothing_where_nothing_is_asked_for(void) {
    fresh_wide();
    change_wide(0, 1);
    change_wide(4100, 1);
    for (uint64_t offset = 0; offset <= WIDE; offset += WIDE / 4) {
        memset(wide_copy, 0xCC, WIDE);
        ipm_snapshot_take(&wide, offset, 0, wide_copy);
        CHECK_INT(blocks_copied(), 0);
    }
}

static void keeps_to_before_images_in_a_wide_struct(void) {
    unsigned seed = 7;
    fresh_wide();
    for (int i = 0; i < 300; i++) {
        for (int changes = 0; changes < 5; changes++) {
            seed = seed * 1103515245 + 12345;
            change_wide((seed >> 8) % WIDE_BLOCKS, (unsigned char)(seed >> 3));
        }
        uint64_t offset = (seed >> 5) % WIDE;
        uint64_t size = 1 + (seed >> 9) % (WIDE - offset);
        ipm_snapshot_take(&wide, offset, size, wide_copy);
        if (!CHECK(memcmp(wide_copy, wide_before + offset, size) == 0))
            return;
        if (seed >> 31 == 0) {
            ipm_transaction_rollback(&t);
            if (!CHECK(memcmp(wide_data, wide_before, WIDE) == 0))
                return;
        } else {
            commit_wide();
        }
    }
}

/* ---- Words ------------------------------------------------------------------------------- */

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
    run("rolls back the transaction of a dead writer, and counts that",
        recovers_what_a_dead_writer_left);
    run("restores the version if a writer died after it had stored the new one",
        forgets_a_version_that_was_stored_before_a_death);
    run("recovers again after a death in the recovery",
        recovers_again_after_a_death_in_the_recovery);
    run("shows the committed struct during a transaction",
        shows_the_committed_struct_in_mid_transaction);
    run("copies any part of it", copies_any_part);
    run("shows committed bytes during 20,000 random changes",
        keeps_before_images_apart_over_many_transactions);
    run("has a level of tags for each 64 tags, up to 64", has_a_level_for_each_64_tags);
    run("tags what is saved on each level", tags_what_is_saved_on_each_level);
    run("rolls back every saved block, wherever it lies", undoes_what_was_saved_wherever_it_lies);
    run("copies in a later turn only the blocks that were changed since",
        copies_in_a_later_turn_what_was_changed_since);
    run("searches only below tags that were set since", looks_only_below_tags_that_were_set_since);
    run("copies the blocks of an open transaction from the shadow in every turn",
        copies_a_half_transaction_from_the_shadow_in_any_turn);
    run("copies nothing if no bytes are asked for", copies_nothing_where_nothing_is_asked_for);
    run("shows committed bytes during 300 random transactions in a large struct",
        keeps_to_before_images_in_a_wide_struct);
    run("copies words at any alignment", copies_words_at_any_alignment);
    return done();
}
