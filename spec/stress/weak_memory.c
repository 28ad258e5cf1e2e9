/*
 * usage: weak_memory [RUNS [SEED]]
 *
 * Runs the core's transactions, snapshots and feeds, its notifications and its lock on a simulated
 * machine with memory as weak as C allows. Each runs RUNS times, each time with another order of
 * events. Reports in TAP.
 */
#include "stress.h"
#include "weak.h"
#include "weak_core.h"

#include "../core/tap.h"

#include "../../src/core/listeners.h"
#include "../../src/core/notify.h"
#include "../../src/core/rwlock.h"

static unsigned runs = 20000;
static uint64_t first_seed = 1;
static const char *fault; /* what was wrong in this run, or NULL */

static void expect(bool good, const char *what) {
    if (!good)
        fault = what;
}

/* returns  WEAK_DIE_NEVER, or the access before which a thread dies */
static uint32_t maybe_dies(unsigned accesses) {
    return weak_random(2) == 0 ? WEAK_DIE_NEVER : (uint32_t)weak_random(accesses);
}

static void run_all(void (*prepare)(void)) {
    for (uint64_t seed = first_seed; seed < first_seed + runs; seed++) {
        fault = NULL;
        weak_reset(seed);
        prepare();
        if (!weak_run() && fault == NULL)
            fault = "it does not end";
        if (!CHECK(fault == NULL)) {
            printf("# %s: seed %llu\n", fault, (unsigned long long)seed);
            return;
        }
    }
}

/* ---- Transactions and snapshots ---------------------------------------------------------- */

/* Two blocks with different tags in the upper level. A word of each holds the version. */
#define BLOCKS 65
#define FIRST 8
#define SECOND (64 * IPM_BLOCK_SIZE)
#define SIZE (SECOND + 8)

static struct {
    ipm_state state;
    _Atomic uint64_t tags[BLOCKS + 2];
    _Alignas(8) unsigned char data[SIZE], shadow[SIZE];
} shared;

static char lock;

static ipm_memory memory(void) {
    return ipm_memory_at(&shared.state, shared.tags, shared.data, shared.shadow, SIZE);
}

static void write_word(ipm_transaction *transaction, uint64_t offset, uint64_t value) {
    weak_change(transaction, offset, 8);
    weak_store(shared.data + offset, 8, value, memory_order_relaxed);
}

static void transact(void) {
    ipm_transaction transaction;
    ipm_memory mem = memory();
    weak_waitlock(&lock);
    ipm_transaction_recover(&mem);
    weak_consistent(&lock);
    uint64_t version = weak_load(shared.data + FIRST, 8, memory_order_relaxed);
    expect(weak_load(shared.data + SECOND, 8, memory_order_relaxed) == version,
           "a writer finds it torn");
    expect(ipm_snapshot_version(&mem) == version, "a writer finds another version");
    ipm_transaction_open(&transaction, &mem);
    bool commits = weak_random(4) != 0;
    uint64_t next = version + 1;
    if (weak_random(3) == 0)
        weak_begin(&transaction, next += weak_random(3));
    if (weak_random(2) == 0)
        write_word(&transaction, FIRST, next);
    write_word(&transaction, SECOND, next);
    write_word(&transaction, FIRST, next);
    if (commits)
        ipm_transaction_commit(&transaction);
    else
        ipm_transaction_rollback(&transaction);
    weak_unlock(&lock);
}

static void transact_twice(void) {
    transact();
    transact();
}

/* Whether the list of what was changed since a version has the block of that word. */
static bool is_listed(const ipm_memory *mem, uint64_t version, uint64_t offset) {
    uint64_t since = ipm_sequence_after(mem, version), block = offset >> IPM_BLOCK_SHIFT;
    return since != 0 && ipm_next_saved(mem, since, block, block + 1) == block;
}

/* In half of the runs the reader starts after all writers: it may still see older values. */
static void take_snapshots(void) {
    ipm_memory mem = memory();
    uint64_t seen = 0;
    if (weak_random(2) == 0)
        while (!weak_is_last())
            weak_yield();
    for (unsigned i = 0; i < 3; i++) {
        uint64_t copy[SIZE / 8];
        uint64_t version = ipm_snapshot_take(&mem, 0, SIZE, copy);
        expect(copy[FIRST / 8] == copy[SECOND / 8], "a snapshot is torn");
        expect(copy[FIRST / 8] == version, "a snapshot says another version");
        expect(version >= seen, "a snapshot is older than the one before");
        expect(version == seen || is_listed(&mem, seen, FIRST), "a change is not listed");
        expect(version == seen || is_listed(&mem, seen, SECOND), "a change is not listed");
        seen = version;
    }
}

static void prepare_transactions(void) {
    memset(&shared, 0, sizeof shared);
    weak_watch(shared.data + FIRST);
    weak_watch(shared.data + SECOND);
    weak_watch(shared.shadow + FIRST);
    weak_watch(shared.shadow + SECOND);
    weak_thread(transact_twice, maybe_dies(100));
    weak_thread(transact, maybe_dies(50));
    weak_thread(take_snapshots, WEAK_DIE_NEVER);
}

static void snapshots_are_whole(void) {
    run_all(prepare_transactions);
}

/* ---- Feeds ------------------------------------------------------------------------------- */

/* A struct of three words, of which one or two are changed at a time, and a ring for two records.
 */
#define FED_SIZE 24
#define RING_SIZE 128

static uint64_t ring_size;

static struct {
    ipm_state state;
    _Atomic uint64_t tag;
    _Atomic uint64_t words[RING_SIZE / 8];
    _Alignas(8) unsigned char data[FED_SIZE], shadow[FED_SIZE];
} fed;

/* Each thread has a side of its own. */
static struct {
    ipm_ring ring;
    uint64_t saved;
} sides[WEAK_THREADS];

static ipm_memory fed_memory(void) {
    ipm_memory mem = ipm_memory_at(&fed.state, &fed.tag, fed.data, fed.shadow, FED_SIZE);
    ipm_ring *ring = &sides[weak_self()].ring;
    *ring = (ipm_ring){.words = fed.words, .size = ring_size, .saved = &sides[weak_self()].saved};
    mem.ring = ring;
    return mem;
}

static void write_fed(ipm_transaction *transaction, uint64_t offset, uint64_t value) {
    weak_change(transaction, offset, 8);
    weak_store(fed.data + offset, 8, value, memory_order_relaxed);
}

/* The first word holds the version, the last one the last multiple of three up to it. */
static void transact_fed(void) {
    ipm_transaction transaction;
    ipm_memory mem = fed_memory();
    for (unsigned i = 0; i < 4; i++) {
        weak_waitlock(&lock);
        ipm_transaction_recover(&mem);
        weak_consistent(&lock);
        uint64_t version = weak_load(fed.data, 8, memory_order_relaxed) + 1;
        uint64_t third = weak_load(fed.data + 16, 8, memory_order_relaxed);
        ipm_transaction_open(&transaction, &mem);
        if (weak_random(3) == 0)
            weak_begin(&transaction, version += weak_random(3));
        if (version / 3 * 3 != third)
            write_fed(&transaction, 16, version / 3 * 3);
        write_fed(&transaction, 0, version);
        weak_settle(fed.data, FED_SIZE);
        weak_settle(fed.shadow, FED_SIZE);
        if (weak_random(4) != 0)
            ipm_transaction_commit(&transaction);
        else
            ipm_transaction_rollback(&transaction);
        weak_unlock(&lock);
    }
}

static void follow(void) {
    ipm_memory mem = fed_memory();
    static ipm_segment segment;
    ipm_feed *feed;
    uint64_t version, missed, told = weak_random(2) == 0 ? 0 : IPM_LATEST;
    if (weak_random(2) == 0)
        while (!weak_is_last())
            weak_yield();
    weak_segment(&segment, &mem);
    if (ipm_feed_open(&segment, told, &feed, NULL) != IPM_OK)
        stress_die("no feed");
    uint64_t words[FED_SIZE / 8];
    memcpy(words, ipm_feed_value(feed), FED_SIZE);
    if (told == IPM_LATEST)
        told = words[0];
    for (unsigned i = 0; i < 8; i++) {
        if (ipm_feed_next(feed, 0, &version, &missed, NULL) != IPM_OK)
            continue;
        memcpy(words, ipm_feed_value(feed), FED_SIZE);
        expect(version == told + missed + 1, "a feed miscounts");
        expect(words[0] == version, "a feed tells another version");
        expect(words[2] == version / 3 * 3, "a feed tells a torn version");
        told = version;
    }
    ipm_feed_close(feed);
}

static void prepare_feeds(void) {
    static const uint64_t sizes[] = {64, 96, RING_SIZE};
    ring_size = sizes[weak_random(3)];
    memset(&fed, 0, sizeof fed);
    for (uint64_t offset = 0; offset < FED_SIZE; offset += 8) {
        weak_watch(fed.data + offset);
        weak_watch(fed.shadow + offset);
    }
    weak_thread(transact_fed, maybe_dies(200));
    weak_thread(transact_fed, maybe_dies(200));
    weak_thread(follow, WEAK_DIE_NEVER);
}

static void feeds_tell_each_commit(void) {
    run_all(prepare_feeds);
}

/* ---- What several machines share --------------------------------------------------------- */

static ipm_share_block block;

/* The numbers of a share are equal, and so is its deadline, if it has one. Only a home's token is
 * told. */
static void set_shares(void) {
    for (unsigned i = 0; i < 3; i++) {
        weak_waitlock(&lock);
        weak_consistent(&lock);
        uint64_t next = weak_share(&block).epoch + 1 + IPM_LAPSED;
        ipm_share share = {.place = IPM_REPLICA, .epoch = next, .ahead = next, .token = next};
        if (weak_random(3) != 0)
            share.place = IPM_HOME, share.deadline = (int64_t)next;
        weak_set_share(&block, &share);
        weak_unlock(&lock);
    }
}

static void look_at_shares(void) {
    uint64_t seen = 0;
    for (unsigned i = 0; i < 4; i++) {
        ipm_share share = weak_share(&block);
        bool has_lapsed = share.place == IPM_HOME && share.deadline == IPM_LAPSED;
        uint64_t token = share.place == IPM_HOME ? share.epoch : 0;
        expect(share.epoch == share.ahead && share.token == token, "a share is torn");
        expect(share.place != IPM_HOME || has_lapsed || (uint64_t)share.deadline == share.epoch,
               "a home has the deadline of another one");
        expect(share.epoch >= seen, "a share is older than the one before");
        seen = share.epoch;
    }
}

static void prepare_shares(void) {
    memset(&block, 0, sizeof block);
    weak_thread(set_shares, maybe_dies(40));
    weak_thread(set_shares, maybe_dies(40));
    weak_thread(look_at_shares, WEAK_DIE_NEVER);
}

static void shares_are_whole(void) {
    run_all(prepare_shares);
}

/* ---- Notification ------------------------------------------------------------------------ */

static struct {
    _Atomic uint64_t news;
    _Atomic uint32_t word;
} board;

#define NEWS 3

static void tell(void) {
    for (uint64_t news = 1; news <= NEWS; news++) {
        weak_store(&board.news, 8, news, memory_order_release);
        ipm_notify_all(&board.word);
    }
}

static void hear(void) {
    for (uint64_t heard = 0; heard < NEWS;) {
        uint32_t seen = ipm_notify_announce(&board.word);
        uint64_t news = weak_load(&board.news, 8, memory_order_acquire);
        if (news > heard)
            heard = news;
        else
            ipm_notify_wait(&board.word, seen, INT64_MAX);
    }
}

static void prepare_news(void) {
    memset(&board, 0, sizeof board);
    weak_thread(tell, WEAK_DIE_NEVER);
    weak_thread(hear, WEAK_DIE_NEVER);
    weak_thread(hear, WEAK_DIE_NEVER);
}

static void news_wake_all(void) {
    run_all(prepare_news);
}

/* ---- Notification of event loops --------------------------------------------------------- */

static struct {
    _Atomic uint64_t news;
    _Atomic uint32_t word, listening, touches;
} loop;

static void touch(void) {
    for (uint64_t news = 1; news <= NEWS; news++) {
        weak_store(&loop.news, 8, news, memory_order_release);
        ipm_notify_all(&loop.word);
        ipm_listeners_notify(&loop.listening, (const char *)&loop.touches);
    }
}

/* Drains, asks, looks, and sleeps until the next touch, as an event loop does. */
static void listen(void) {
    for (uint64_t heard = 0; heard < NEWS;) {
        uint32_t drained = (uint32_t)weak_add(&loop.touches, 4, 0, memory_order_relaxed);
        ipm_listeners_ask(&loop.listening);
        uint64_t news = weak_load(&loop.news, 8, memory_order_acquire);
        if (news > heard)
            heard = news;
        else
            weak_sleep(&loop.touches, drained);
    }
}

static void prepare_loops(void) {
    memset(&loop, 0, sizeof loop);
    weak_thread(touch, WEAK_DIE_NEVER);
    weak_thread(listen, WEAK_DIE_NEVER);
    weak_thread(listen, WEAK_DIE_NEVER);
}

static void news_reach_event_loops(void) {
    run_all(prepare_loops);
}

/* ---- The lock ---------------------------------------------------------------------------- */

#define SLOTS 2

static union {
    ipm_rwlock_shared lock;
    char bytes[sizeof(ipm_rwlock_shared) + SLOTS * 64];
} rw;

static struct {
    uint64_t first, second; /* equal, except while a thread writes */
    unsigned readers, writers;
} guarded;

static const _Atomic uint32_t never_retired;

/* A lock object for one thread. Its inode differs from the others': to libc all are one thread. */
static ipm_rwlock own_lock(void) {
    return (ipm_rwlock){
        .shared = &rw.lock,
        .retired = &never_retired,
        .slots = SLOTS,
        .slot = weak_self() % SLOTS,
        .pid = 1,
        .inode = weak_self() + 1,
    };
}

static void write_guarded(void) {
    ipm_rwlock own = own_lock();
    for (unsigned i = 0; i < 2; i++) {
        expect(ipm_rwlock_write(&own, IPM_FOREVER) == IPM_OK, "a writer is refused");
        ipm_rwlock_repaired(&own);
        expect(guarded.readers == 0 && guarded.writers == 0, "a writer is not alone");
        guarded.writers++;
        uint64_t value = weak_load(&guarded.first, 8, memory_order_relaxed);
        weak_store(&guarded.first, 8, value + 1, memory_order_relaxed);
        weak_store(&guarded.second, 8, value + 1, memory_order_relaxed);
        guarded.writers--;
        expect(ipm_rwlock_unlock(&own) == IPM_OK, "a writer cannot unlock");
    }
}

static void read_guarded(void) {
    ipm_rwlock own = own_lock();
    for (unsigned i = 0; i < 2; i++) {
        expect(ipm_rwlock_read(&own, IPM_FOREVER) == IPM_OK, "a reader is refused");
        expect(guarded.writers == 0, "a reader is beside a writer");
        guarded.readers++;
        uint64_t first = weak_load(&guarded.first, 8, memory_order_relaxed);
        uint64_t second = weak_load(&guarded.second, 8, memory_order_relaxed);
        expect(first == second, "a reader finds it torn");
        guarded.readers--;
        expect(ipm_rwlock_unlock(&own) == IPM_OK, "a reader cannot unlock");
    }
}

static void prepare_lock(void) {
    if (ipm_rwlock_size(SLOTS) > sizeof rw || ipm_rwlock_init(&rw.lock, SLOTS) != 0)
        stress_die("no lock");
    memset(&guarded, 0, sizeof guarded);
    weak_thread(write_guarded, WEAK_DIE_NEVER);
    weak_thread(read_guarded, WEAK_DIE_NEVER);
    weak_thread(weak_random(2) == 0 ? write_guarded : read_guarded, WEAK_DIE_NEVER);
}

static void the_lock_excludes(void) {
    run_all(prepare_lock);
}

int main(int argc, char **argv) {
    if (argc > 1 && (runs = (unsigned)strtoul(argv[1], NULL, 10)) == 0)
        stress_die("usage: weak_memory [RUNS [SEED]]");
    if (argc > 2)
        first_seed = strtoull(argv[2], NULL, 10);
    int64_t start = stress_now();
    run("snapshots show one whole commit and its version", snapshots_are_whole);
    run("feeds tell each commit, in order, or count it", feeds_tell_each_commit);
    run("a segment says what it is, home or replica, as a whole", shares_are_whole);
    run("a commit wakes all processes that wait for it", news_wake_all);
    run("a commit notifies all event loops that listen", news_reach_event_loops);
    run("the lock keeps readers and writers apart", the_lock_excludes);
    printf("# %u runs of each, from seed %llu on; %.1f s\n", runs, (unsigned long long)first_seed,
           (double)(stress_now() - start) / 1e9);
    return done();
}
