#include "clock.h"

#include "../ipmmap.h"

static int64_t read_clock(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * IPM_SECOND + t.tv_nsec;
}

int64_t ipm_clock_now(void) {
    return read_clock(CLOCK_MONOTONIC);
}

int64_t ipm_clock_deadline(int64_t timeout_ns) {
    if (timeout_ns == IPM_FOREVER)
        return IPM_FOREVER;
    int64_t now = ipm_clock_now();
    if (timeout_ns <= 0)
        return now;
    return timeout_ns > IPM_FOREVER - 1 - now ? IPM_FOREVER - 1 : now + timeout_ns;
}

bool ipm_clock_nap(int64_t ns) {
    struct timespec t = ipm_clock_timespec(ns);
    return nanosleep(&t, NULL) == 0;
}

int64_t ipm_boottime(void) {
    return read_clock(CLOCK_BOOTTIME);
}

double ipm_time(void) {
    return (double)read_clock(CLOCK_REALTIME) / 1e9;
}
