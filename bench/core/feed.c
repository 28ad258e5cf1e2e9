/*
 * Feeds: what the ring costs a commit; a process that follows an editor that never rests; and the
 * time from a commit until the process that follows has it, compared with a process that waits for
 * the commit and does not read it.
 */
#include "../../src/core/word.h"
#include "../measure.h"
#include "open.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RING (1 << 20)
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

static const uint64_t payload = 64; /* bytes that the small commit changes */

static void commit_bytes(ipm_segment *segment, uint64_t size, uint64_t value) {
    ipm_segment_lock(segment, IPM_FOREVER, NULL);
    unsigned char *at = ipm_segment_change(segment, IPM_HEADER_SIZE, size);
    for (uint64_t i = 0; i < size; i += 8)
        ipm_store_u64(at + i, value);
    ipm_segment_unlock(segment, NULL);
}

static void commit_field(void *with, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        ipm_segment_lock(with, IPM_FOREVER, NULL);
        ipm_store_u32(ipm_segment_change(with, IPM_HEADER_SIZE, 4), (uint32_t)i);
        ipm_segment_unlock(with, NULL);
    }
}

static void commit_all(void *with, uint64_t count) {
    static uint64_t value;
    for (uint64_t i = 0; i < count; i++)
        commit_bytes(with, DEMO_SIZE - IPM_HEADER_SIZE, ++value);
}

static void measure_commits(void) {
    ipm_segment *without = open_demo(IPM_MANAGER, "feed0");
    ipm_segment *ring = open_with_feed(DEMO_SCHEMA, "feed1", RING);
    print("feed.write_without", measure(commit_field, without));
    print("feed.write", measure(commit_field, ring));
    print("feed.write_all_without", measure(commit_all, without));
    print("feed.write_all", measure(commit_all, ring));
    ipm_segment_destroy(without, NULL);
    ipm_segment_destroy(ring, NULL);
}

/* ---- Following --------------------------------------------------------------------------- */

static ipm_feed *open_feed(ipm_segment *segment) {
    ipm_error error;
    ipm_feed *feed;
    check(ipm_feed_open(segment, IPM_LATEST, &feed, &error), &error);
    return feed;
}

typedef struct followed {
    ipm_segment *segment;
    ipm_feed *feed;
} followed;

/* Commits first, so that the feed has a batch of them to tell. */
static void commit_and_follow(void *with, uint64_t count) {
    const followed *f = with;
    ipm_error error;
    commit_field(f->segment, count);
    for (uint64_t i = 0; i < count; i++)
        check(ipm_feed_next(f->feed, 0, NULL, NULL, &error), &error);
}

static void measure_telling(void) {
    followed f = {.segment = open_with_feed(DEMO_SCHEMA, "feed1", RING)};
    f.feed = open_feed(f.segment);
    print("feed.write_and_next", measure(commit_and_follow, &f));
    ipm_feed_close(f.feed);
    ipm_segment_destroy(f.segment, NULL);
}

/* An editor that never rests on one processor, and this process on another. */
static void measure_following(void) {
    ipm_segment *manager = open_with_feed(DEMO_SCHEMA, "feed1", RING);
    uint64_t first, last, told = 0, missed, lost = 0;
    keep_apart(0);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        keep_apart(1);
        ipm_segment *editor = open_demo(IPM_EDITOR, "feed1");
        for (;;)
            commit_field(editor, 1000);
    }
    ipm_error error;
    ipm_segment *reader = open_demo(IPM_READER, "feed1");
    ipm_feed *feed = open_feed(reader);
    check(ipm_feed_next(feed, IPM_FOREVER, &first, NULL, &error), &error);
    double start = now_ns(), end = start + 10 * patience_ns(), now;
    do {
        for (int i = 0; i < 100; i++, told++) {
            check(ipm_feed_next(feed, IPM_FOREVER, &last, &missed, &error), &error);
            lost += missed;
        }
        now = now_ns();
    } while (now < end);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    print("feed.commits_per_s", (double)(last - first) / (now - start) * 1e9);
    print("feed.missed_percent", 100.0 * (double)lost / (double)(last - first));
    ipm_feed_close(feed);
    ipm_segment_destroy(manager, NULL);
}

/* ---- From a commit to the process that follows ------------------------------------------- */

typedef struct pair {
    ipm_segment *segment;
    uint64_t size;
    _Atomic uint32_t *answer;
} pair;

static void commit_turns(void *with, uint64_t count) {
    const pair *p = with;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t value = atomic_load(p->answer);
        commit_bytes(p->segment, p->size, value + 1);
        while (atomic_load(p->answer) == value)
            syscall(SYS_futex, p->answer, FUTEX_WAIT, value, NULL, NULL, 0);
    }
}

static void answer_all(const pair *p, bool follows, uint64_t version) {
    ipm_error error;
    unsigned char copy[DEMO_SIZE];
    ipm_segment *reader = open_demo(IPM_READER, "feed1");
    ipm_feed *feed = NULL;
    if (follows)
        check(ipm_feed_open(reader, version, &feed, &error), &error);
    for (uint32_t value = 0;; value++) {
        if (follows) {
            check(ipm_feed_next(feed, IPM_FOREVER, NULL, NULL, &error), &error);
            memcpy(copy, ipm_feed_value(feed), DEMO_SIZE);
        } else {
            check(ipm_segment_wait(reader, version, IPM_FOREVER, &version, &error), &error);
        }
        atomic_store(p->answer, value + 1);
        syscall(SYS_futex, p->answer, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    }
}

static double turn(pair *p, bool follows) {
    uint64_t version;
    atomic_store(p->answer, 0);
    ipm_segment_version(p->segment, &version, NULL);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        keep_apart(1);
        answer_all(p, follows, version);
    }
    double took = measure(commit_turns, p);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return took;
}

static void measure_turns(void) {
    void *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (word == MAP_FAILED)
        die("mmap");
    pair p = {.segment = open_with_feed(DEMO_SCHEMA, "feed1", RING), .answer = word};
    p.size = payload;
    print("feed.wait_64", turn(&p, false));
    print("feed.next_64", turn(&p, true));
    p.size = DEMO_SIZE - IPM_HEADER_SIZE;
    print("feed.next_688", turn(&p, true));
    ipm_segment_destroy(p.segment, NULL);
}

int main(void) {
    measure_commits();
    measure_telling();
    measure_following();
    measure_turns();
}
