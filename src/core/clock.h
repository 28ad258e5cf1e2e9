/*
 * Time, in nanoseconds.
 */
#ifndef IPM_CORE_CLOCK_H
#define IPM_CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define IPM_MS INT64_C(1000000)
#define IPM_SECOND (1000 * IPM_MS)

static inline struct timespec ipm_clock_timespec(int64_t ns) {
    return (struct timespec){.tv_sec = ns / IPM_SECOND, .tv_nsec = ns % IPM_SECOND};
}

/* CLOCK_MONOTONIC. */
int64_t ipm_clock_now(void);

/* The time `timeout_ns` from now. IPM_FOREVER stays IPM_FOREVER; a negative timeout counts as 0. */
int64_t ipm_clock_deadline(int64_t timeout_ns);

/* Unix time to within a tick of the kernel's clock. It costs a fifth of the exact time. */
static inline int64_t ipm_clock_coarse(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return t.tv_sec * IPM_SECOND + t.tv_nsec;
}

/* Sleep. returns  false when a signal ended it early */
bool ipm_clock_nap(int64_t ns);

#endif
