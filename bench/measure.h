/*
 * Shared by the benchmarks in C: timing, processes that run at once, and the segment they use.
 *
 * A benchmark prints lines of "<metric> <number>". The driver (run.lua) runs each benchmark in
 * every round. The environment variable BENCH_MS is how many milliseconds each operation is
 * measured, and BENCH_DIR is the directory for files.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DEMO_SIZE 688

/* Do the operation `count` times. */
typedef void work(void *with, uint64_t count);

/* CLOCK_MONOTONIC in nanoseconds. */
double now_ns(void);

/* BENCH_MS in nanoseconds. */
double patience_ns(void);

/*
 * Nanoseconds that the operation takes once. This is the median of slices of a quarter of a
 * millisecond (of one turn, if that takes longer). So slices in which another process had the
 * processor do not count.
 */
double measure(work *what, void *with);

void print(const char *metric, double value);

/* The path "<BENCH_DIR>/<name>". It is valid until the program ends. */
const char *place(const char *name);

/* Print the message and errno, and exit. */
void die(const char *what);

/*
 * Bind this process to a processor of its own, because two processes on one processor take turns.
 * If there are more processes than processors, some share one.
 */
void keep_apart(int process);

/*
 * Run `count` processes at once, at most 8, and return the mean of what they measured. Slices in
 * which not all of them ran do not count. Each process calls `prepare`, whose result `what` gets;
 * `number` counts the processes from 0.
 */
double measure_together(int count, void *(*prepare)(void *with, int number), work *what,
                        void *with);

/* The same, but return how many times a second all processes together did the operation. */
double rate_together(int count, void *(*prepare)(void *with, int number), work *what, void *with);

/* How processes share something that only one of them can have at a time. */
typedef struct measure_contest {
    double ns;      /* the mean time of one turn, over all processes */
    double share;   /* the fewest turns of a process, divided by an equal share: 1 is fair */
    double longest; /* the longest wait of a process and the turn after it, in milliseconds */
} measure_contest;

/* Let `count` processes, at most 8, do the operation again and again at the same time. */
measure_contest contest(int count, void *(*prepare)(void *with, int number), work *what,
                        void *with);

/* Print it as "<name>.update_<count>", "<name>.share_<count>" and "<name>.longest_<count>". */
void print_contest(const char *name, int count, measure_contest result);

#ifdef __cplusplus
}
#endif
#endif
