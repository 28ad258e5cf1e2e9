/*
 * Snapshots end beside writers that commit without a pause, are stopped or die. A test executes a
 * snapshot in single steps and commits after each instruction; it counts the instructions.
 */
#include "../../src/core/catch_up.h"
#include "../../src/core/word.h"
#include "lock_fixture.h"

#include <sys/ptrace.h>

/* ---- A commit after each instruction ----------------------------------------------------- */

static struct stepped {
    volatile bool is_done; /* the child has finished */
    bool is_good;
    unsigned failed; /* turns */
} * stepped;

/* The body of a child, whose instructions in `take` are counted. */
static void step_through(bool (*take)(void)) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        peer_die("PTRACE_TRACEME");
    raise(SIGSTOP);
    stepped->is_good = take();
    stepped->is_done = true;
    raise(SIGSTOP);
}

/*
 * The number of instructions in which a child's body ends, while this process commits after each of
 * the first `commits` ones. The result is `most` if the body does not end within so many.
 */
static unsigned instructions(void (*body)(peer *), void (*commit_one)(void), unsigned commits,
                             unsigned most) {
    unsigned count = 0;
    int status;
    memset(stepped, 0, sizeof *stepped);
    peer child = start(body);
    CHECK_INT(waitpid(child.pid, &status, 0), child.pid);
    while (!stepped->is_done && count < most && CHECK(WIFSTOPPED(status))) {
        if (ptrace(PTRACE_SINGLESTEP, child.pid, NULL, NULL) != 0 ||
            waitpid(child.pid, &status, 0) != child.pid)
            peer_die("PTRACE_SINGLESTEP");
        if (++count <= commits)
            commit_one();
    }
    CHECK(!stepped->is_done || stepped->is_good);
    kill_peer(&child);
    return count;
}

/* ---- Snapshots of plain memory ----------------------------------------------------------- */

#define BLOCKS 70 /* two levels of tags */
#define SIZE (BLOCKS * IPM_BLOCK_SIZE)
#define LAST (SIZE - 8)
#define LATER 20000   /* instructions: more than a later turn and the lock take, about 3,000 */
#define TRYING 300000 /* more than all turns with a try of the lock take */

static struct shared_memory {
    ipm_state state;
    _Atomic uint64_t tags[BLOCKS + 2];
    _Alignas(8) unsigned char data[SIZE], shadow[SIZE];
} * guarded;

static ipm_memory memory;

static void fresh_memory(void) {
    fresh();
    memset(guarded, 0, sizeof *guarded);
    memory = ipm_memory_at(&guarded->state, guarded->tags, guarded->data, guarded->shadow, SIZE);
}

static bool was_asked;

/* If this is called, a wait of the snapshot has consumed an interruption. */
static int go_on(ipm_rwlock *own, bool has_waited) {
    (void)own;
    (void)has_waited;
    was_asked = true;
    return 0;
}

static bool take_snapshot(void) {
    static _Alignas(8) unsigned char copy[SIZE];
    ipm_snapshot snapshot = {.memory = &memory, .size = SIZE, .into = copy};
    ipm_rwlock own = side(SLOTS);
    own.go_on = go_on;
    if (!ipm_snapshot_turn(&snapshot))
        ipm_snapshot_catch_up(&snapshot, &own);
    return !was_asked && own.go_on == go_on && ipm_load_u64(copy) == snapshot.version &&
           ipm_load_u64(copy + LAST) == snapshot.version && own.hold == IPM_HOLD_NONE;
}

static void takes_a_snapshot(peer *test) {
    (void)test;
    step_through(take_snapshot);
}

/* Store the commit's number in two words, which lie in two blocks. */
static void commit_words(void) {
    ipm_transaction transaction;
    uint64_t value = ipm_load_u64(memory.data) + 1;
    ipm_transaction_open(&transaction, &memory);
    ipm_transaction_change(&transaction, 0, 8);
    ipm_store_u64(memory.data, value);
    ipm_transaction_change(&transaction, LAST, 8);
    ipm_store_u64(memory.data + LAST, value);
    ipm_transaction_commit(&transaction);
}

static void commit_if_unlocked(void) {
    if (ipm_rwlock_write(&lock, 0) != IPM_OK)
        return;
    commit_words();
    ipm_rwlock_unlock(&lock);
}

static unsigned at_rest(void) {
    fresh_memory();
    return instructions(takes_a_snapshot, commit_words, 0, UINT32_MAX);
}

#define UNTAGGED 256 /* in a block that no commit changes */

static bool take_two_turns(void) {
    static _Alignas(8) unsigned char copy[SIZE];
    ipm_snapshot snapshot = {.memory = &memory, .size = SIZE, .into = copy};
    return !ipm_snapshot_turn(&snapshot) && ipm_snapshot_turn(&snapshot) && snapshot.version == 1 &&
           ipm_load_u64(copy) == 1 && ipm_load_u64(copy + LAST) == 1 &&
           ipm_load_u64(copy + UNTAGGED) == 0;
}

static void takes_two_turns(peer *test) {
    (void)test;
    step_through(take_two_turns);
}

static unsigned halfway; /* the number of instructions until the commit */

/* Also change a block without setting its tag. Only a turn that copies all blocks sees that. */
static void commit_halfway(void) {
    if (--halfway == 0) {
        commit_words();
        ipm_store_u64(memory.data + UNTAGGED, 7);
    }
}

static void copies_only_what_changed_in_a_later_turn(void) {
    unsigned rest = at_rest();
    fresh_memory();
    halfway = rest / 2;
    CHECK(instructions(takes_two_turns, commit_halfway, UINT32_MAX, 10 * rest) < 10 * rest);
}

static bool take_later_turn(void) {
    static _Alignas(8) unsigned char copy[SIZE];
    ipm_snapshot snapshot = {.memory = &memory, .size = SIZE, .into = copy, .since = 1};
    stepped->failed = !ipm_snapshot_turn(&snapshot);
    return stepped->failed || (ipm_load_u64(copy) == snapshot.version &&
                               ipm_load_u64(copy + LAST) == snapshot.version);
}

static void takes_a_later_turn(peer *test) {
    (void)test;
    step_through(take_later_turn);
}

#define STEP 13

/* Unless it goes by while the turn loads the sequence and the version. */
static void succeeds_in_a_later_turn_though_one_transaction_goes_by(void) {
    unsigned failed = 0, positions = 0;
    fresh_memory();
    commit_words();
    unsigned rest = instructions(takes_a_later_turn, commit_words, 0, UINT32_MAX);
    for (unsigned position = 1; position < rest; position += STEP) {
        fresh_memory();
        commit_words();
        halfway = position;
        if (!CHECK(instructions(takes_a_later_turn, commit_halfway, rest, 2 * rest) < 2 * rest))
            return;
        failed += stepped->failed;
        positions++;
    }
    CHECK(failed < positions / 2);
}

static void ends_beside_a_writer_that_never_rests(void) {
    unsigned most = at_rest() + 2 * LATER;
    fresh_memory();
    CHECK(instructions(takes_a_snapshot, commit_if_unlocked, most, most) < most);
}

/* The snapshot has tried the lock, waited for it in vain, and consumed no interruption. */
static void ends_though_the_lock_is_held_once_nobody_commits(void) {
    fresh_memory();
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
    unsigned ended = instructions(takes_a_snapshot, commit_words, TRYING, TRYING + 2 * LATER);
    CHECK(ended > TRYING && ended < TRYING + 2 * LATER);
    ipm_rwlock_unlock(&lock);
}

/* ---- Snapshots of a segment -------------------------------------------------------------- */

static ipm_segment *editor, *without_lock;

static bool take_segment(void) {
    unsigned char copy[DEMO_SIZE];
    return ipm_segment_snapshot(without_lock, copy, NULL, NULL) == IPM_OK &&
           memcmp(copy + A_OFFSET, copy + B_OFFSET, 8) == 0;
}

static void takes_a_segment(peer *test) {
    (void)test;
    without_lock = opened(IPM_READER, "");
    step_through(take_segment);
}

static void commit_both(void) {
    static int64_t value;
    CHECK_INT(commit(editor, value++), IPM_OK);
}

/* The number of turns has no bound if a writer commits after each instruction for ever. */
static void ends_without_a_lock_file_once_the_writer_rests(void) {
    editor = opened(IPM_MANAGER, "");
    int file = open(lock_path(""), O_RDWR);
    CHECK_INT(pwrite(file, "\x7f", 1, 8),
              1); /* an unknown format, so that a reader cannot use the lock file */
    close(file);
    without_lock = opened(IPM_READER, "");
    CHECK(!info_of(without_lock).lockable);
    ipm_segment_close(without_lock, NULL);
    unsigned rest = instructions(takes_a_segment, commit_both, 0, UINT32_MAX);
    CHECK_INT(instructions(takes_a_segment, commit_both, 10 * rest, 10 * rest), 10 * rest);
    unsigned ended = instructions(takes_a_segment, commit_both, 10 * rest, 13 * rest);
    CHECK(ended > 10 * rest && ended < 13 * rest);
    ipm_segment_close(editor, NULL);
    remove(lock_path(""));
}

/* ---- Processes --------------------------------------------------------------------------- */

#define SNAPSHOTTERS 8
#define WRITERS 2
#define ROUNDS 12
#define SNAPSHOTS 200 /* snapshots of each process in a round */

static void writes_without_rest(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    tell(test, 'w');
    for (int64_t i = 0;; i++)
        if (commit(own, i) != IPM_OK)
            peer_die("commit");
}

static void takes_snapshots(peer *test) {
    ipm_segment *reader = opened(IPM_READER, "");
    unsigned char copy[DEMO_SIZE];
    while (hear(test) == 'g') {
        bool good = true;
        for (int i = 0; i < SNAPSHOTS; i++)
            good = ipm_segment_snapshot(reader, copy, NULL, NULL) == IPM_OK &&
                   memcmp(copy + A_OFFSET, copy + B_OFFSET, 8) == 0 && good;
        tell(test, good ? 'd' : 'x');
    }
}

static peer writer(void) {
    peer p = start(writes_without_rest);
    CHECK_INT(hear(&p), 'w');
    return p;
}

/* Let all processes take snapshots. */
static void go(peer *snapshotters) {
    for (int i = 0; i < SNAPSHOTTERS; i++)
        tell(&snapshotters[i], 'g');
}

static bool all_ended(peer *snapshotters) {
    for (int i = 0; i < SNAPSHOTTERS; i++)
        if (!CHECK_INT(hear(&snapshotters[i]), 'd'))
            return false;
    return true;
}

static void end_beside_writers(int sign) {
    peer writers[WRITERS], snapshotters[SNAPSHOTTERS];
    ipm_segment_close(opened(IPM_MANAGER, ""), NULL);
    for (int i = 0; i < SNAPSHOTTERS; i++)
        snapshotters[i] = start(takes_snapshots);
    for (int i = 0; i < WRITERS; i++)
        writers[i] = writer();
    for (int round = 0; round < ROUNDS; round++) {
        peer *victim = &writers[round % WRITERS];
        if (round % 2 == 0)
            kill(victim->pid, sign); /* before the snapshots; otherwise during them */
        go(snapshotters);
        kill(victim->pid, sign);
        if (!all_ended(snapshotters))
            break;
        if (sign == SIGSTOP) {
            kill(victim->pid, SIGCONT);
        } else {
            finish(victim);
            *victim = writer();
        }
    }
    for (int i = 0; i < WRITERS; i++)
        kill_peer(&writers[i]);
    for (int i = 0; i < SNAPSHOTTERS; i++)
        kill_peer(&snapshotters[i]);
}

static void ends_beside_writers_that_are_killed(void) {
    end_beside_writers(SIGKILL);
}

static void ends_beside_writers_that_are_stopped(void) {
    end_beside_writers(SIGSTOP);
}

/* The thread holds the lock through another handle, so no other process commits. */
static void needs_no_lock_where_the_thread_has_it(void) {
    static const ipm_role roles[] = {IPM_READER, IPM_EDITOR};
    unsigned char copy[DEMO_SIZE];
    ipm_segment *manager = opened(IPM_MANAGER, "");
    CHECK_INT(commit(manager, 7), IPM_OK);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        ipm_segment *locked = opened(roles[i], ""), *other = opened(IPM_READER, "");
        CHECK_INT(ipm_segment_lock(locked, 0, NULL), IPM_OK);
        if (roles[i] == IPM_EDITOR)
            set_both(locked, 8);
        CHECK_INT(ipm_segment_snapshot(locked, copy, NULL, &error), IPM_OK);
        CHECK_INT(ipm_segment_snapshot(other, copy, NULL, &error), IPM_OK);
        CHECK_INT(read_a(other), 7);
        CHECK(ipm_segment_is_locked(locked) && !ipm_segment_is_locked(other));
        ipm_segment_rollback(locked, NULL);
        ipm_segment_close(locked, NULL);
        ipm_segment_close(other, NULL);
    }
    ipm_segment_close(manager, NULL);
}

static void *shared_by_all(size_t size) {
    void *made = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        peer_die("mmap");
    return made;
}

int main(void) {
    set_up_lock();
    stepped = shared_by_all(sizeof *stepped);
    guarded = shared_by_all(sizeof *guarded);
    run("a later turn copies only the blocks that have changed",
        copies_only_what_changed_in_a_later_turn);
    run("a later turn succeeds although a transaction begins and ends during it",
        succeeds_in_a_later_turn_though_one_transaction_goes_by);
    run("a snapshot ends within three turns beside a writer that commits after each instruction",
        ends_beside_a_writer_that_never_rests);
    run("a snapshot ends while the lock is held, if no process commits",
        ends_though_the_lock_is_held_once_nobody_commits);
    run("a snapshot without a lock file ends when the writer pauses",
        ends_without_a_lock_file_once_the_writer_rests);
    run("snapshots of 8 processes end beside writers that are killed",
        ends_beside_writers_that_are_killed);
    run("snapshots of 8 processes end beside writers that are stopped",
        ends_beside_writers_that_are_stopped);
    run("a snapshot ends if its thread holds the lock itself",
        needs_no_lock_where_the_thread_has_it);
    return tear_down();
}
