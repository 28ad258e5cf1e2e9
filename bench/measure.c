#include "measure.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLICE_NS 250e3
#define MAX_SLICES 16384
#define MIN_SLICES 3
#define MAX_TOGETHER 8

/* How many slices each process of measure_together has done. NULL: this process measures alone. */
static _Atomic uint64_t *progress;
static int together;
static int number;

double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double patience_ns(void) {
    const char *ms = getenv("BENCH_MS");
    return (ms != NULL ? atof(ms) : 100) * 1e6;
}

static double slice(work *what, void *with, uint64_t count) {
    double before = now_ns();
    what(with, count);
    return now_ns() - before;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How many turns fill a slice. Finding out also warms the caches up. */
static uint64_t turns(work *what, void *with) {
    uint64_t count = 1;
    while (slice(what, with, count) < SLICE_NS)
        count *= 2;
    return count;
}

/* Whether each other process has finished a slice since the last call. `seen` keeps the counts. */
static bool all_moved(uint64_t *seen) {
    bool moved = true;
    for (int i = 0; i < together; i++) {
        uint64_t now = progress[i];
        moved = moved && (i == number || now != seen[i]);
        seen[i] = now;
    }
    return moved;
}

double measure(work *what, void *with) {
    static double took[MAX_SLICES];
    uint64_t seen[MAX_TOGETHER] = {0};
    uint64_t count = turns(what, with);
    double begin = now_ns();
    size_t n = 0;
    double now;
    do {
        all_moved(seen);
        took[n] = slice(what, with, count) / (double)count;
        if (progress != NULL)
            progress[number]++;
        if (all_moved(seen))
            n++;
        now = now_ns();
    } while (n < MAX_SLICES && now < begin + patience_ns() * 10 &&
             (n < MIN_SLICES || now < begin + patience_ns()));
    if (n == 0)
        die("processes that never ran at once");
    qsort(took, n, sizeof *took, by_value);
    return took[n / 2];
}

void print(const char *metric, double value) {
    printf("%s %.9g\n", metric, value);
    fflush(stdout);
}

const char *place(const char *name) {
    const char *dir = getenv("BENCH_DIR");
    char *path = NULL;
    if (dir == NULL || asprintf(&path, "%s/%s", dir, name) < 0)
        die("BENCH_DIR");
    return path;
}

void die(const char *what) {
    perror(what);
    exit(1);
}

/* ---- Several processes at once ----------------------------------------------------------- */

static double count_turns(work *what, void *with) {
    uint64_t count = turns(what, with);
    uint64_t done = 0;
    double begin = now_ns();
    double end = begin + patience_ns();
    double now;
    do {
        what(with, count);
        done += count;
        now = now_ns();
    } while (now < end);
    return (double)done / (now - begin) * 1e9;
}

void keep_apart(int process) {
    cpu_set_t allowed;
    cpu_set_t one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        die("sched_getaffinity");
    int left = process % CPU_COUNT(&allowed);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && left-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
        }
}

/* What one process measured. */
typedef struct finding {
    double value;
    double longest;
} finding;

/*
 * Fork the processes and fill in what each measured. They start at once: each waits for the end
 * of file on `go`, which is closed when all of them are ready.
 */
static void find_together(int count, void *(*prepare)(void *, int), work *what, void *with,
                          finding (*find)(work *, void *), finding *found) {
    int ready[2];
    int go[2];
    int result[2];
    if (pipe(ready) != 0 || pipe(go) != 0 || pipe(result) != 0)
        die("pipe");
    progress = mmap(NULL, sizeof *progress * MAX_TOGETHER, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED || count > MAX_TOGETHER)
        die("mmap");
    together = count;
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0) {
            char byte = 0;
            number = i;
            keep_apart(i);
            close(go[1]);
            void *own = prepare(with, i);
            if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 0)
                _exit(1);
            finding one = find(what, own);
            _exit(write(result[1], &one, sizeof one) == sizeof one ? 0 : 1);
        }
    }
    close(ready[1]);
    close(result[1]);
    close(go[0]);
    char byte;
    for (int i = 0; i < count; i++)
        if (read(ready[0], &byte, 1) != 1)
            die("a process that did not get ready");
    close(go[1]);
    for (int i = 0; i < count; i++)
        if (read(result[0], &found[i], sizeof *found) != sizeof *found)
            die("a process that found nothing");
    while (wait(NULL) > 0)
        ;
    close(ready[0]);
    close(result[0]);
    munmap(progress, sizeof *progress * MAX_TOGETHER);
    progress = NULL;
    together = 0;
}

static double sum_of(int count, void *(*prepare)(void *, int), work *what, void *with,
                     finding (*find)(work *, void *)) {
    finding found[MAX_TOGETHER];
    double sum = 0;
    find_together(count, prepare, what, with, find, found);
    for (int i = 0; i < count; i++)
        sum += found[i].value;
    return sum;
}

static finding find_time(work *what, void *with) {
    return (finding){.value = measure(what, with)};
}

static finding find_rate(work *what, void *with) {
    return (finding){.value = count_turns(what, with)};
}

double measure_together(int count, void *(*prepare)(void *, int), work *what, void *with) {
    return sum_of(count, prepare, what, with, find_time) / count;
}

double rate_together(int count, void *(*prepare)(void *, int), work *what, void *with) {
    return sum_of(count, prepare, what, with, find_rate);
}

/* ---- Contests ---------------------------------------------------------------------------- */

/* A contest takes this many times as long as another measurement, so that each has many turns. */
#define CONTEST 10

static finding find_turns(work *what, void *with) {
    finding found = {0};
    double end = now_ns() + patience_ns() * CONTEST;
    for (double before = now_ns(), now; before < end; before = now) {
        what(with, 1);
        found.value++;
        now = now_ns();
        if (now - before > found.longest)
            found.longest = now - before;
    }
    return found;
}

measure_contest contest(int count, void *(*prepare)(void *, int), work *what, void *with) {
    finding found[MAX_TOGETHER];
    double turns_in_all = 0;
    measure_contest result = {.share = count};
    find_together(count, prepare, what, with, find_turns, found);
    for (int i = 0; i < count; i++)
        turns_in_all += found[i].value;
    for (int i = 0; i < count; i++) {
        double share = found[i].value / turns_in_all * count;
        result.share = share < result.share ? share : result.share;
        result.longest =
            found[i].longest / 1e6 > result.longest ? found[i].longest / 1e6 : result.longest;
    }
    result.ns = patience_ns() * CONTEST / turns_in_all;
    return result;
}

void print_contest(const char *name, int count, measure_contest result) {
    char metric[64];
    snprintf(metric, sizeof metric, "%s.update_%d", name, count);
    print(metric, result.ns);
    snprintf(metric, sizeof metric, "%s.share_%d", name, count);
    print(metric, result.share);
    snprintf(metric, sizeof metric, "%s.longest_%d", name, count);
    print(metric, result.longest);
}
