/*
 * The time from a commit until the waiting process runs, compared with a bare futex. Two processes,
 * each on a processor of its own, wake each other in turns. The answer is a wake by a bare futex in
 * both cases. So a turn with a commit, minus the time of a bare futex, is the time of the commit.
 */
#include "../../src/core/word.h"
#include "../measure.h"
#include "open.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

static void commit(ipm_segment *segment, uint32_t value) {
    ipm_segment_lock(segment, IPM_FOREVER, NULL);
    ipm_store_u32(ipm_segment_change(segment, IPM_HEADER_SIZE, 4), value);
    ipm_segment_unlock(segment, NULL);
}

/* The word counts wakes: it is odd from a wake to its answer. */
static void wake(_Atomic uint32_t *word, uint32_t value) {
    atomic_store(word, value);
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* NULL: no timeout */
static const struct timespec *limit;

static void sleep_while(_Atomic uint32_t *word, uint32_t value) {
    while (atomic_load(word) == value)
        syscall(SYS_futex, word, FUTEX_WAIT, value, limit, NULL, 0);
}

typedef struct pair {
    ipm_segment *segment;
    _Atomic uint32_t *ask;
    _Atomic uint32_t *answer;
} pair;

static void commit_turns(void *with, uint64_t count) {
    const pair *p = with;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t value = atomic_load(p->answer);
        commit(p->segment, value);
        sleep_while(p->answer, value);
    }
}

static void futex_turns(void *with, uint64_t count) {
    const pair *p = with;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t value = atomic_load(p->answer);
        wake(p->ask, value + 1);
        sleep_while(p->answer, value);
    }
}

static void answer_commits(const pair *p, ipm_segment *reader, uint64_t version) {
    ipm_error error;
    for (uint32_t value = 0;; value++) {
        check(ipm_segment_wait(reader, version, IPM_FOREVER, &version, &error), &error);
        wake(p->answer, value + 1);
    }
}

static void answer_futex(const pair *p) {
    for (uint32_t value = 0;; value++) {
        sleep_while(p->ask, value);
        wake(p->answer, value + 1);
    }
}

static double turn(pair *p, work *ask, bool by_commit) {
    uint64_t version;
    atomic_store(p->ask, 0);
    atomic_store(p->answer, 0);
    ipm_segment_version(p->segment, &version, NULL);
    pid_t child = fork();
    if (child == 0) {
        keep_apart(1);
        if (by_commit)
            answer_commits(p, open_demo(IPM_READER, "wake"), version);
        else
            answer_futex(p);
    }
    double took = measure(ask, p);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return took;
}

int main(void) {
    char *words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED)
        die("mmap");
    pair p = {open_demo(IPM_MANAGER, "wake"), (void *)words, (void *)(words + 64)};
    keep_apart(0);
    print("floor.futex", turn(&p, futex_turns, false) / 2);
    print("c.wake_and_answer", turn(&p, commit_turns, true));
    limit = &(struct timespec){.tv_nsec = 100000000};
    print("floor.futex_limited", turn(&p, futex_turns, false) / 2);
    ipm_segment_destroy(p.segment, NULL);
}
