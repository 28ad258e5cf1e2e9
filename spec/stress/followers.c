/*
 * usage: followers [KILLS]
 *
 * Kills editors at random moments, KILLS times, while other processes follow the segment's commits.
 * A commit changes some of the words, which its version determines. So a follower knows what the
 * struct must be at each version. It checks that each commit comes once, in order, with exactly
 * that struct and exactly those changes; or that it is counted as missed. Some followers keep up,
 * one is slow, and one opens its feeds anew, at older versions. Reports in TAP.
 */
#include "stress.h"

#include "../core/tap.h"

#include "../../src/core/segment.h"
#include "../../src/core/word.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define WORDS 100
#define SIZE (IPM_HEADER_SIZE + WORDS * 8)
#define RING 16384
#define EDITORS 3
#define FOLLOWERS 4
#define EVERY 5 /* a word is changed by one of so many commits */

static ipm_layout *layout;
static unsigned kills = 1000;

/* Shared by all processes. */
static struct board {
    _Atomic bool ends;
    _Atomic uint64_t told, missed, seeks, wrong;
} * board;

static void fault(const char *what, uint64_t version) {
    if (atomic_fetch_add(&board->wrong, 1) < 20)
        printf("# process %d: %s, version %llu\n", (int)getpid(), what,
               (unsigned long long)version);
    fflush(stdout);
}

/* ---- What a version looks like ----------------------------------------------------------- */

/* Whether the commit of that version changes word i. Version 0 is all zeros. */
static bool changes(uint64_t version, unsigned i) {
    return stress_word(version, i) >> 40 % EVERY == 0 || (version + i) % EVERY == 0;
}

static uint64_t word_at(uint64_t version, unsigned i) {
    while (version > 0 && !changes(version, i))
        version--;
    return version == 0 ? 0 : stress_word(version, i);
}

static bool is_struct_of(const void *data, uint64_t version) {
    const unsigned char *word = (const unsigned char *)data + IPM_HEADER_SIZE;
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t value;
        memcpy(&value, word + i * 8, sizeof value);
        if (value != word_at(version, i))
            return false;
    }
    return true;
}

/* ---- Editors ----------------------------------------------------------------------------- */

static void edit(ipm_segment *segment) {
    if (ipm_segment_lock(segment, STRESS_STUCK_NS, NULL) != IPM_OK) {
        fault("an editor is stuck", 0);
        return;
    }
    uint64_t version = ipm_snapshot_version(&segment->data.memory) + 1;
    if (!is_struct_of(ipm_segment_data(segment), version - 1))
        fault("an editor finds it torn", version - 1);
    for (unsigned i = 0; i < WORDS; i++) {
        if (!changes(version, i))
            continue;
        ipm_store_u64(ipm_segment_change(segment, IPM_HEADER_SIZE + i * 8, 8),
                      stress_word(version, i));
        for (volatile unsigned turns = (unsigned)stress_random(300); turns > 0; turns--)
            ; /* so that a kill often comes within a transaction */
    }
    (stress_random(10) == 0 ? ipm_segment_rollback : ipm_segment_unlock)(segment, NULL);
}

static pid_t start_editor(uint64_t seed) {
    pid_t pid = stress_fork();
    if (pid != 0)
        return pid;
    stress_seed(seed);
    ipm_segment *segment = stress_must_open(IPM_EDITOR, layout, false);
    for (;;) {
        edit(segment);
        if (stress_random(20) == 0) /* let the followers keep up for a while */
            nanosleep(&(struct timespec){.tv_nsec = (long)stress_random(200000)}, NULL);
    }
}

/* ---- Followers --------------------------------------------------------------------------- */

/* Check that the changes that a feed lists are those from one struct to the other. */
static void check_changes(const ipm_feed *feed, const unsigned char *before, uint64_t version) {
    const unsigned char *value = ipm_feed_value(feed);
    uint64_t at = 0;
    for (ipm_range range = {0, 0}; ipm_feed_changes(feed, &range);) {
        if (range.offset < at || memcmp(value + at, before + at, range.offset - at) != 0)
            fault("a feed does not list a change", version);
        at = range.offset + range.size;
        for (uint64_t i = range.offset; i < at; i++)
            if (value[i] == before[i])
                fault("a feed lists what did not change", version);
    }
    if (memcmp(value + at, before + at, SIZE - at) != 0)
        fault("a feed does not list a change", version);
}

/* Follow until the end, or for `most` commits. returns  the version that was told last */
static uint64_t follow(ipm_feed *feed, uint64_t told, uint64_t most, bool slow) {
    unsigned char before[SIZE];
    memcpy(before, ipm_feed_value(feed), SIZE);
    for (; most > 0; most--) {
        uint64_t version, missed;
        bool is_over = board->ends; /* all editors are dead */
        int code = ipm_feed_next(feed, 20 * STRESS_MS, &version, &missed, NULL);
        if (code == IPM_ETIMEOUT && is_over)
            break;
        if (code == IPM_ETIMEOUT)
            continue;
        if (code != IPM_OK || version != told + missed + 1) {
            fault("a feed fails, or miscounts", told);
            break;
        }
        if (!is_struct_of(ipm_feed_value(feed), version))
            fault("a feed tells it torn", version);
        check_changes(feed, before, version);
        memcpy(before, ipm_feed_value(feed), SIZE);
        told = version;
        board->told++;
        board->missed += missed;
        if (slow && stress_random(100) == 0)
            nanosleep(&(struct timespec){.tv_nsec = (long)stress_random(3000000)}, NULL);
    }
    return told;
}

static void follow_in_child(unsigned number) {
    stress_seed(1000 + number);
    ipm_segment *segment = stress_must_open(IPM_READER, layout, false);
    bool reopens = number == 0, slow = number == 1;
    uint64_t told = 0;
    while (!board->ends) {
        ipm_feed *feed;
        uint64_t back = reopens ? stress_random(100) : 0;
        uint64_t from = told > back ? told - back : 0;
        if (ipm_feed_open(segment, from, &feed, NULL) != IPM_OK)
            stress_die("no feed");
        board->seeks++;
        told = follow(feed, from, reopens ? 50 : UINT64_MAX, slow);
        ipm_feed_close(feed);
    }
    uint64_t version;
    ipm_segment_version(segment, &version, NULL);
    if (!reopens && told != version)
        fault("a feed ends too early", told);
    _exit(EXIT_SUCCESS);
}

/* ---- All of them ------------------------------------------------------------------------- */

static void follows_beside_deaths(void) {
    pid_t editors[EDITORS], followers[FOLLOWERS];
    for (unsigned i = 0; i < FOLLOWERS; i++)
        if ((followers[i] = stress_fork()) == 0)
            follow_in_child(i);
    for (unsigned i = 0; i < EDITORS; i++)
        editors[i] = start_editor(i);
    for (unsigned i = 0; i < kills; i++) {
        unsigned victim = (unsigned)stress_random(EDITORS);
        nanosleep(&(struct timespec){.tv_nsec = (long)stress_random(400000)}, NULL);
        stress_kill(editors[victim]);
        editors[victim] = start_editor(EDITORS + i);
    }
    for (unsigned i = 0; i < EDITORS; i++)
        stress_kill(editors[i]);
    board->ends = true;
    for (unsigned i = 0; i < FOLLOWERS; i++)
        stress_wait(followers[i]);
    CHECK_INT(board->wrong, 0);
    CHECK(board->told > kills);
}

int main(int argc, char **argv) {
    int64_t start = stress_now();
    if (argc > 1 && (kills = (unsigned)strtoul(argv[1], NULL, 10)) == 0)
        stress_die("usage: followers [KILLS]");
    stress_make_dir();
    stress_seed((uint64_t)start);
    stress_feed = RING;
    layout = stress_layout(WORDS);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        stress_die("no memory");
    ipm_segment *manager = stress_must_open(IPM_MANAGER, layout, true);
    run("tells each commit once, in order and whole, or counts it", follows_beside_deaths);
    ipm_info info = {.own_size = sizeof info};
    ipm_segment_info(manager, &info, NULL);
    printf("# %u kills, %llu of them in a transaction; %llu commits: %llu told and %llu missed by "
           "%d followers, %llu feeds opened; %.1f s; %s\n",
           kills, (unsigned long long)info.recoveries, (unsigned long long)info.version,
           (unsigned long long)board->told, (unsigned long long)board->missed, FOLLOWERS,
           (unsigned long long)board->seeks, (double)(stress_now() - start) / 1e9,
           stress_machine());
    ipm_segment_close(manager, NULL);
    return done();
}
