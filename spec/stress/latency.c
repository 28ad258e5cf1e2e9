/*
 * usage: latency [ROUNDS [SECONDS]]
 *
 * Measures how long processes wait for the lock:
 *  - a blocked process, from the holder's SIGKILL until it has the lock, in ROUNDS rounds;
 *  - readers beside a writer that holds the lock for 1 ms and locks again at once, for SECONDS;
 *  - a writer beside 1, 3 and 7 such writers.
 *
 * Reports in TAP. Each figure is printed with the limit that it should keep on an idle machine, but
 * exceeding it fails no test. A test fails only for reasons that do not depend on the machine's
 * speed: a process is stuck, or it waits while the writer gets the lock OFTEN times, or editors
 * queue behind a reader that no longer waits.
 */
#include "stress.h"

#include "../../src/core/segment.h"
#include "../core/tap.h"

#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define WORDS 66
#define HOLD_NS STRESS_MS
#define MAX_READERS 4

#define MEDIAN_BAR_NS INT64_C(200000)
#define MOST_BAR_NS INT64_C(500000)
#define WAIT_BAR_NS (50 * STRESS_MS)
#define LEFT_WAITING_NS (5000 * STRESS_MS)
#define OFTEN 15
#define MOST_RESTLESS 7

static ipm_layout *layout;
static unsigned rounds = 1000, seconds = 5;

static const char *against(int64_t value_ns, int64_t bar_ns) {
    return value_ns > bar_ns ? "missed" : "met";
}

static void lock(ipm_segment *segment) {
    if (ipm_segment_lock(segment, 2 * STRESS_STUCK_NS, NULL) != IPM_OK)
        stress_die("a lock was not to be had in 10 s");
}

/* ---- After a death ----------------------------------------------------------------------- */

typedef struct child {
    pid_t pid;
    int to, from;
} child;

static void start(child *c, ipm_role role, void (*body)(ipm_segment *segment, int in, int out)) {
    int down[2], up[2];
    if (pipe(down) != 0 || pipe(up) != 0)
        stress_die("cannot make a pipe");
    c->pid = stress_fork();
    if (c->pid == 0) {
        body(stress_must_open(role, layout, false), down[0], up[1]);
        _exit(EXIT_SUCCESS);
    }
    close(down[0]);
    close(up[1]);
    c->to = down[1];
    c->from = up[0];
}

static void end(child *c) {
    stress_kill(c->pid);
    close(c->to);
    close(c->from);
}

static void hold(ipm_segment *segment, int in, int out) {
    char ready = 0;
    (void)in;
    lock(segment);
    if (ipm_segment_change(segment, 0, IPM_HEADER_SIZE) != NULL) /* false for a reader */
        stress_write(segment, WORDS);
    stress_send(out, &ready, 1);
    pause();
}

static void wait_each_time(ipm_segment *segment, int in, int out) {
    for (char go;;) {
        stress_read(in, &go, 1);
        lock(segment);
        int64_t now = stress_now();
        ipm_segment_unlock(segment, NULL);
        stress_send(out, &now, sizeof now);
    }
}

static void measure_deaths(const char *what, ipm_role dies, ipm_role waits) {
    int64_t *waited = calloc(rounds, sizeof *waited);
    child holder, waiter;
    if (waited == NULL)
        stress_die("no memory");
    start(&waiter, waits, wait_each_time);
    for (unsigned i = 0; i < rounds; i++) {
        char byte = 0;
        int64_t at;
        start(&holder, dies, hold);
        stress_read(holder.from, &byte, 1);
        stress_send(waiter.to, &byte, 1);
        while (!stress_is_blocked(waiter.pid))
            ;
        int64_t killed = stress_now();
        kill(holder.pid, SIGKILL);
        stress_read(waiter.from, &at, sizeof at);
        waited[i] = at - killed;
        end(&holder);
    }
    end(&waiter);
    int64_t median = stress_percentile(waited, rounds, 50);
    int64_t most = stress_percentile(waited, rounds, 99);
    CHECK(most < STRESS_STUCK_NS);
    printf("# %s: median %6.1f us (bar %lld, %s), 99 %% %6.1f us (bar %lld, %s), all %.1f us\n",
           what, (double)median / 1e3, (long long)MEDIAN_BAR_NS / 1000,
           against(median, MEDIAN_BAR_NS), (double)most / 1e3, (long long)MOST_BAR_NS / 1000,
           against(most, MOST_BAR_NS), (double)waited[rounds - 1] / 1e3);
    free(waited);
}

/* Let the reader lock. Return when it is blocked. */
static void let_wait(child *reader) {
    char go = 0;
    stress_send(reader->to, &go, 1);
    while (!stress_is_blocked(reader->pid))
        ;
}

/*
 * Let editors lock once each, beside a reader that had to wait before.
 *
 * returns  whether the lock shows no waiter at the end; each editor would queue behind such a one
 */
static bool editors_go_on(const char *what) {
    enum { ROUNDS = 40 };
    int64_t waited[ROUNDS];
    child reader;
    start(&reader, IPM_READER, wait_each_time);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t at;
        ipm_segment *segment = stress_must_open(IPM_EDITOR, layout, false);
        int64_t before = stress_now();
        lock(segment);
        waited[i] = stress_now() - before;
        let_wait(&reader);
        ipm_segment_unlock(segment, NULL);
        stress_read(reader.from, &at, sizeof at);
        ipm_segment_close(segment, NULL);
    }
    end(&reader);
    printf("# %s: a writer's lock takes %.1f us (median)\n", what,
           (double)stress_percentile(waited, ROUNDS, 50) / 1e3);
    ipm_segment *segment = stress_must_open(IPM_EDITOR, layout, false);
    bool nobody = !ipm_queue_is_urgent(&segment->lockfile.shared->queue);
    ipm_segment_close(segment, NULL);
    return nobody;
}

static void writers_wait_for_nobody(void) {
    CHECK(editors_go_on("readers had their turn"));
}

static void writers_forget_the_dead(void) {
    child reader;
    ipm_segment *segment = stress_must_open(IPM_EDITOR, layout, false);
    lock(segment);
    start(&reader, IPM_READER, wait_each_time);
    let_wait(&reader);
    end(&reader);
    ipm_segment_unlock(segment, NULL);
    ipm_segment_close(segment, NULL);
    CHECK(editors_go_on("a reader was killed"));
}

/* ---- Beside a busy writer ---------------------------------------------------------------- */

typedef struct busy {
    volatile bool over;
    volatile int64_t longest_ns[MAX_READERS];
    volatile unsigned reads[MAX_READERS], passed[MAX_READERS]; /* the most writes during one wait */
    volatile unsigned writes;
    volatile int64_t longest_write_ns; /* the wait of the writer that rests between its writes */
    volatile unsigned rested_writes;
} busy;

static busy *shared;

static void write_again_and_again(void) {
    ipm_segment *segment = stress_must_open(IPM_EDITOR, layout, false);
    for (; !shared->over; shared->writes++) {
        lock(segment);
        int64_t until = stress_now() + HOLD_NS;
        stress_write(segment, WORDS);
        while (stress_now() < until)
            ;
        ipm_segment_unlock(segment, NULL);
    }
}

static void read_again_and_again(unsigned number) {
    ipm_segment *segment = stress_must_open(IPM_READER, layout, false);
    for (; !shared->over; shared->reads[number]++) {
        int64_t queued = stress_queued();
        unsigned writes = shared->writes;
        int64_t before = stress_now();
        lock(segment);
        int64_t waited = stress_now() - before;
        writes = shared->writes - writes;
        bool asked = stress_queued() - queued < HOLD_NS; /* not: it waited for a processor */
        if (asked && writes > shared->passed[number])
            shared->passed[number] = writes;
        if (waited > shared->longest_ns[number])
            shared->longest_ns[number] = waited;
        ipm_segment_unlock(segment, NULL);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

static void measure_readers(unsigned readers) {
    pid_t children[MAX_READERS + 1];
    int64_t longest = 0;
    unsigned reads = 0, passed = 0;
    shared->over = false;
    shared->writes = 0;
    for (unsigned i = 0; i <= readers; i++) {
        if (i < readers)
            shared->longest_ns[i] = shared->reads[i] = shared->passed[i] = 0;
        if ((children[i] = stress_fork()) != 0)
            continue;
        if (i == readers)
            write_again_and_again();
        else
            read_again_and_again(i);
        _exit(EXIT_SUCCESS);
    }
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    shared->over = true;
    for (unsigned i = 0; i <= readers; i++)
        stress_wait(children[i]);
    for (unsigned i = 0; i < readers; i++) {
        reads += shared->reads[i];
        if (shared->longest_ns[i] > longest)
            longest = shared->longest_ns[i];
        if (shared->passed[i] > passed)
            passed = shared->passed[i];
    }
    CHECK(passed < OFTEN);
    printf("# %u reader%s beside a writer that holds 1 ms: longest wait %.1f ms (bar %lld, %s) "
           "and %u writes, of %u reads and %u writes\n",
           readers, readers > 1 ? "s" : "", (double)longest / 1e6,
           (long long)(WAIT_BAR_NS / STRESS_MS), against(longest, WAIT_BAR_NS), passed, reads,
           shared->writes);
}

static void write_and_rest(void) {
    ipm_segment *segment = stress_must_open(IPM_EDITOR, layout, false);
    for (; !shared->over; shared->rested_writes++) {
        int64_t queued = stress_queued();
        int64_t before = stress_now();
        lock(segment);
        int64_t waited = stress_now() - before - (stress_queued() - queued);
        if (waited > shared->longest_write_ns)
            shared->longest_write_ns = waited;
        stress_write(segment, WORDS);
        ipm_segment_unlock(segment, NULL);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

static void measure_writers(unsigned restless) {
    pid_t children[MOST_RESTLESS + 1];
    shared->over = false;
    shared->writes = shared->rested_writes = 0;
    shared->longest_write_ns = 0;
    for (unsigned i = 0; i <= restless; i++) {
        if ((children[i] = stress_fork()) != 0)
            continue;
        if (i == restless)
            write_and_rest();
        else
            write_again_and_again();
        _exit(EXIT_SUCCESS);
    }
    nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
    shared->over = true;
    for (unsigned i = 0; i <= restless; i++)
        stress_wait(children[i]);
    int64_t longest = shared->longest_write_ns;
    CHECK(longest < LEFT_WAITING_NS);
    CHECK(shared->rested_writes > 0);
    printf("# a writer beside %u that hold%s 1 ms each: longest wait %.1f ms (bar %lld, %s), of %u "
           "writes\n",
           restless, restless > 1 ? "" : "s", (double)longest / 1e6,
           (long long)(WAIT_BAR_NS / STRESS_MS), against(longest, WAIT_BAR_NS),
           shared->rested_writes);
}

static void go_on_after_deaths(void) {
    measure_deaths("a writer dies, a writer goes on", IPM_EDITOR, IPM_EDITOR);
    measure_deaths("a writer dies, a reader goes on", IPM_EDITOR, IPM_READER);
    measure_deaths("a reader dies, a writer goes on", IPM_READER, IPM_EDITOR);
}

static void readers_have_their_turn(void) {
    for (unsigned readers = 1; readers <= MAX_READERS; readers *= 2)
        measure_readers(readers);
}

static void writers_have_their_turn(void) {
    for (unsigned restless = 1; restless <= MOST_RESTLESS; restless = 2 * restless + 1)
        measure_writers(restless);
}

int main(int argc, char **argv) {
    if ((argc > 1 && (rounds = (unsigned)strtoul(argv[1], NULL, 10)) == 0) ||
        (argc > 2 && (seconds = (unsigned)strtoul(argv[2], NULL, 10)) == 0))
        stress_die("usage: latency [ROUNDS [SECONDS]]");
    stress_make_dir();
    layout = stress_layout(WORDS);
    ipm_segment *segment = stress_must_open(IPM_MANAGER, layout, true);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        stress_die("no memory");
    run("a waiting process goes on when the holder dies", go_on_after_deaths);
    run("slots that readers once used cost a writer nothing", writers_wait_for_nobody);
    run("readers that were killed delay a writer only briefly", writers_forget_the_dead);
    run("readers get the lock beside a writer that locks without a pause", readers_have_their_turn);
    run("writers get the lock beside writers that lock without a pause", writers_have_their_turn);
    printf("# %u rounds, %u s; %s\n", rounds, seconds, stress_machine());
    ipm_segment_close(segment, NULL);
    return done();
}
