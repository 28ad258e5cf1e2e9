#include "game.h"

#include <stdio.h>

#define BUCKETS (sizeof((timing *)0)->buckets / sizeof *((timing *)0)->buckets)

void timing_add(timing *times, int64_t ns) {
    uint64_t bucket = (uint64_t)ns / 1000;
    times->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    times->frames++;
    if (ns > times->worst_ns)
        times->worst_ns = ns;
}

/* The time in ms that this part of the frames did not exceed. */
static double quantile(const timing *times, double part) {
    double wanted = part * times->frames, seen = 0;
    size_t bucket = 0;
    while (bucket < BUCKETS - 1 && (seen += times->buckets[bucket]) < wanted)
        bucket++;
    return (double)(bucket + 1) / 1000;
}

void timing_print(const timing *times, const char *what) {
    if (times->frames == 0) {
        printf("%s: none\n", what);
        return;
    }
    printf("%s: %u, median %.3f ms, 99%% %.3f ms, worst %.3f ms\n", what, times->frames,
           quantile(times, 0.5), quantile(times, 0.99), (double)times->worst_ns / 1e6);
}
