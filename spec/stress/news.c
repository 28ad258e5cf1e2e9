/*
 * usage: news [ROUNDS]
 *
 * Two processes commit in turns: each commits when it was notified of the other's commit. A third
 * process only waits for commits. No process may miss a notification and sleep until its wait's
 * slice of 100 ms ends. A sleep is measured from the moment when the other process had notified,
 * without the time in which the sleeper waited for a processor. SOME long sleeps are allowed,
 * because the whole machine may stand still. Reports in TAP.
 */
#include "stress.h"

#include "../core/tap.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS 66
#define LATE_NS (90 * STRESS_MS)
#define SOME 3

static ipm_layout *layout;
static unsigned rounds = 2000;

typedef struct seen {
    volatile unsigned late[3];
    volatile bool wrong;
    volatile int64_t longest_ns[3];
    _Atomic int64_t told_ns; /* when the last commit's notification was complete */
} seen;

static seen *shared;

static bool enough(void) {
    return shared->wrong || shared->late[0] + shared->late[1] + shared->late[2] > 2 * SOME;
}

static uint64_t hear(ipm_segment *segment, unsigned number, uint64_t version) {
    uint64_t now = version;
    int64_t queued = stress_queued(), start = stress_now();
    if (ipm_segment_wait(segment, version, STRESS_STUCK_NS, &now, NULL) != IPM_OK && !enough())
        shared->wrong = true;
    int64_t told = atomic_load(&shared->told_ns);
    int64_t waited = stress_now() - (told > start ? told : start) - (stress_queued() - queued);
    shared->late[number] += waited >= LATE_NS;
    if (waited > shared->longest_ns[number])
        shared->longest_ns[number] = waited;
    return now;
}

/* Commit every second version: process 0 the even numbers, process 1 the odd ones. */
static void take_turns(unsigned number) {
    ipm_segment *segment = stress_must_open(IPM_EDITOR, layout, false);
    for (uint64_t version = number; version < rounds && !enough(); version += 2) {
        if (version > 0 && hear(segment, number, version - 1) != version)
            shared->wrong = true;
        if (ipm_segment_lock(segment, STRESS_STUCK_NS, NULL) != IPM_OK)
            stress_die("no lock");
        stress_write(segment, WORDS);
        ipm_segment_unlock(segment, NULL);
        atomic_store(&shared->told_ns, stress_now());
    }
}

static void listen(unsigned number) {
    ipm_segment *segment = stress_must_open(IPM_READER, layout, false);
    for (uint64_t version = 0; version < rounds && !enough();)
        version = hear(segment, number, version);
}

static void hears_at_once(void) {
    pid_t children[3];
    for (unsigned i = 0; i < 3; i++)
        if ((children[i] = stress_fork()) == 0) {
            if (i == 2)
                listen(i);
            else
                take_turns(i);
            _exit(EXIT_SUCCESS);
        }
    for (unsigned i = 0; i < 3; i++)
        stress_wait(children[i]);
    CHECK(!shared->wrong);
    CHECK(shared->late[0] + shared->late[1] + shared->late[2] <= SOME);
}

int main(int argc, char **argv) {
    if (argc > 1 && (rounds = (unsigned)strtoul(argv[1], NULL, 10)) == 0)
        stress_die("usage: news [ROUNDS]");
    stress_make_dir();
    layout = stress_layout(WORDS);
    ipm_segment *segment = stress_must_open(IPM_MANAGER, layout, true);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        stress_die("no memory");
    run("a waiter is woken by each commit at once", hears_at_once);
    int64_t longest = 0;
    for (unsigned i = 0; i < 3; i++)
        if (shared->longest_ns[i] > longest)
            longest = shared->longest_ns[i];
    printf("# %u commits: longest sleep after one %.1f ms; %s\n", rounds, (double)longest / 1e6,
           stress_machine());
    ipm_segment_close(segment, NULL);
    return done();
}
