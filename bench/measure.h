/*
 * Shared by the benchmarks in C: timing, processes that run at once, and the segment they use.
 *
 * A benchmark prints lines of "<metric> <number>". The driver (run.lua) runs each benchmark in
 * every round. BENCH_MS is the time to measure each operation for, BENCH_DIR the directory for
 * files.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DEMO_SIZE 688

/* Do the thing `count` times. */
typedef void work(void *with, uint64_t count);

/* CLOCK_MONOTONIC in nanoseconds. */
double now_ns(void);

/* How long to measure, in nanoseconds. */
double patience_ns(void);

/*
 * Nanoseconds that the thing takes once: the median of slices of a quarter of a millisecond (of
 * one turn, if that takes longer), so that those in which others had the processor do not count.
 */
double measure(work *what, void *with);

void print(const char *metric, double value);

/* In a sub-directory of BENCH_DIR: "<BENCH_DIR>/<name>", good until the program ends. */
const char *place(const char *name);

/* Print the message and errno, and exit. */
void die(const char *what);

/* Bind this process to a processor of its own while there are some: two on one take turns. */
void keep_apart(int process);

/*
 * Run `count` processes at once, at most 8, and return the mean of what they measured; slices in
 * which not all of them ran do not count. `prepare` is called in each and returns what `what`
 * works with; `number` counts them from 0.
 */
double measure_together(int count, void *(*prepare)(void *with, int number), work *what,
                        void *with);

/* The same for a while, counted: how many times a second all of them together did the thing. */
double rate_together(int count, void *(*prepare)(void *with, int number), work *what, void *with);

/* What processes get of something that only one of them can have at a time. */
typedef struct measure_contest {
    double ns;      /* that one turn takes, of whichever process */
    double share;   /* turns of the process that got the fewest, to its equal share: 1 is fair */
    double longest; /* that one process waited for a turn, its own turn included, in milliseconds */
} measure_contest;

/* Let `count` processes, at most 8, do the thing again and again at once. */
measure_contest contest(int count, void *(*prepare)(void *with, int number), work *what,
                        void *with);

/* As "<name>.update_<count>", "<name>.share_<count>" and "<name>.longest_<count>". */
void print_contest(const char *name, int count, measure_contest result);

#ifdef __cplusplus
}
#endif
#endif
