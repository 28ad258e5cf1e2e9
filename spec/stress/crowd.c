/*
 * usage: crowd [ROUNDS]
 *
 * 16 processes open a segment at once that does not exist yet. The first of them is killed at a
 * random moment. All others must open the same segment, and its lock must be initialised only once.
 * To check this, all hold read locks at the same time, and then commit one after the other. Reports
 * in TAP.
 */
#include "stress.h"

#include "../core/tap.h"

#include "../../src/core/segment.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define CROWD 16
#define WORDS 66

static ipm_layout *layout;
static unsigned rounds = 1000;

static struct {
    unsigned rounds, creators; /* creators: those that died before they had opened it */
    unsigned apart, torn, wrong;
    int64_t longest_ns;
} sum;

typedef struct entry {
    unsigned number;
    int code;
    ino_t data, lock;
} entry;

typedef struct turn {
    unsigned number;
    bool intact;
    uint64_t version;
} turn;

typedef struct member {
    pid_t pid;
    int gate; /* a byte written here lets the member pass the next barrier */
} member;

static int report[2]; /* a pipe for the reports of all members */

/* ---- A member ---------------------------------------------------------------------------- */

static void pass_barrier(int in) {
    char byte;
    stress_read(in, &byte, 1);
}

static void open_and_share(unsigned number, int in) {
    ipm_segment *manager, *reader = NULL;
    entry e = {.number = number};
    pass_barrier(in);
    e.code = stress_open(IPM_MANAGER, layout, true, STRESS_KEEP, &manager);
    if (e.code == IPM_OK)
        e.code = stress_open(IPM_READER, layout, false, STRESS_KEEP, &reader);
    if (e.code == IPM_OK)
        e.code = ipm_segment_lock(reader, STRESS_STUCK_NS, NULL);
    if (e.code == IPM_OK) {
        e.data = manager->data.inode;
        e.lock = manager->lockfile.inode;
    }
    stress_send(report[1], &e, sizeof e);
    pass_barrier(in);
    ipm_segment_close(reader, NULL);

    turn t = {.number = number};
    if (ipm_segment_lock(manager, STRESS_STUCK_NS, NULL) == IPM_OK) {
        t.intact = stress_look(manager, WORDS, &t.version);
        stress_write(manager, WORDS);
        ipm_segment_unlock(manager, NULL);
    }
    stress_send(report[1], &t, sizeof t);
    pass_barrier(in);
}

static void start(member *m, unsigned number) {
    int gate[2];
    if (pipe(gate) != 0)
        stress_die("cannot make a pipe");
    m->pid = stress_fork();
    if (m->pid == 0) {
        close(gate[1]); /* the parent's end of this member's gate */
        open_and_share(number, gate[0]);
        _exit(EXIT_SUCCESS);
    }
    close(gate[0]);
    m->gate = gate[1];
}

/* ---- A round ----------------------------------------------------------------------------- */

static void let_pass(const member *m) {
    char byte = 0;
    stress_send(m->gate, &byte, 1);
}

/* Start the first member, then the others, and kill the first one. */
static void rush(const member *members) {
    let_pass(&members[0]);
    for (unsigned i = 1; i < CROWD; i++)
        let_pass(&members[i]);
    int64_t until = stress_now() + (int64_t)stress_random(300000);
    while (stress_now() < until)
        ;
    kill(members[0].pid, SIGKILL);
}

/* Check that all members opened the same files. returns  whether the first one reported too */
static bool check_entries(void) {
    entry first = {0}, e;
    bool creator_was_in = false;
    for (unsigned got = 0; got < CROWD - 1; got += e.number != 0) {
        stress_read(report[0], &e, sizeof e);
        if (e.code != IPM_OK) {
            if (sum.wrong++ < 20)
                printf("# refused: %s\n", ipm_code_name((ipm_code)e.code));
            continue;
        }
        creator_was_in |= e.number == 0;
        if (first.data == 0)
            first = e;
        sum.apart += e.data != first.data || e.lock != first.lock;
    }
    return creator_was_in;
}

/* Whether the first member, which is dead, reported after all others. If so, the report is removed:
 * the reports of the turns come next. */
static bool is_late_entry(void) {
    entry e;
    struct pollfd readable = {.fd = report[0], .events = POLLIN};
    if (poll(&readable, 1, 0) <= 0)
        return false;
    stress_read(report[0], &e, sizeof e);
    return true;
}

static void check_turns(const member *members) {
    uint64_t seen = 0;
    for (unsigned i = 1; i < CROWD; i++)
        let_pass(&members[i]);
    for (unsigned got = 0; got < CROWD - 1; got++) {
        turn t;
        stress_read(report[0], &t, sizeof t);
        sum.torn += !t.intact;
        seen |= UINT64_C(1) << t.version;
    }
    sum.wrong += seen != (UINT64_C(1) << (CROWD - 1)) - 1; /* each member saw another version */
}

static void check_readers(void) {
    ipm_segment *watcher = stress_must_open(IPM_READER, layout, false);
    ipm_info info = {0};
    if (ipm_segment_info(watcher, &info, NULL) != IPM_OK || info.readers != CROWD - 1)
        sum.apart++;
    ipm_segment_close(watcher, NULL);
}

static void gathers(void) {
    member members[CROWD];
    stress_empty_dir();
    if (pipe(report) != 0)
        stress_die("cannot make a pipe");
    for (unsigned i = 0; i < CROWD; i++)
        start(&members[i], i);
    int64_t begin = stress_now();
    rush(members);
    bool creator_was_in = check_entries();
    int64_t took = stress_now() - begin;
    if (took > sum.longest_ns)
        sum.longest_ns = took;
    stress_kill(members[0].pid);
    creator_was_in |= is_late_entry();
    sum.creators += !creator_was_in;
    check_readers();
    check_turns(members);
    for (unsigned i = 0; i < CROWD; i++) {
        stress_kill(members[i].pid);
        close(members[i].gate);
    }
    close(report[0]);
    close(report[1]);
    sum.rounds++;
}

static void many_rounds(void) {
    for (unsigned i = 0; i < rounds; i++)
        gathers();
    CHECK_INT(sum.apart, 0);
    CHECK_INT(sum.torn, 0);
    CHECK_INT(sum.wrong, 0);
    CHECK(sum.creators > 0);
}

int main(int argc, char **argv) {
    if (argc > 1 && (rounds = (unsigned)strtoul(argv[1], NULL, 10)) == 0)
        stress_die("usage: crowd [ROUNDS]");
    stress_make_dir();
    stress_seed((uint64_t)stress_now());
    layout = stress_layout(WORDS);
    run("all processes that open a segment while its creator dies get the same segment",
        many_rounds);
    printf("# %u rounds of %d processes, %u creators killed before they were in: %u not in the "
           "same one, %u torn, %u otherwise wrong; all in after at most %.1f ms; %s\n",
           sum.rounds, CROWD, sum.creators, sum.apart, sum.torn, sum.wrong,
           (double)sum.longest_ns / 1e6, stress_machine());
    return done();
}
