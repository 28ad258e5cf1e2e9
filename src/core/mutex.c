#include "mutex.h"

#include "clock.h"

#include <string.h>

/* Interrupts, and Ctrl-C in Lua, are noticed between two slices. */
#define LONGEST_SLICE_NS (30 * IPM_MS)

int ipm_mutex_init(pthread_mutex_t *first, size_t stride, uint32_t count) {
    pthread_mutexattr_t attributes;
    int rc = pthread_mutexattr_init(&attributes);
    if (rc != 0)
        return rc;
    rc = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    if (rc == 0)
        rc = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (rc == 0)
        rc = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = pthread_mutex_init((pthread_mutex_t *)((char *)first + i * stride), &attributes);
    pthread_mutexattr_destroy(&attributes);
    return rc;
}

int ipm_mutex_template(pthread_mutex_t *mutex) {
    memset(mutex, 0, sizeof *mutex);
    return ipm_mutex_init(mutex, 0, 1);
}

uint32_t ipm_mutex_find_kind(void) {
    pthread_mutex_t mutex;
    return ipm_mutex_template(&mutex) == 0 ? ipm_mutex_kind(&mutex) : 0;
}

static int lock_until(pthread_mutex_t *mutex, int64_t until_ns) {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 30)
    struct timespec until = ipm_clock_timespec(until_ns);
    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
#else
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t left = until_ns - ipm_clock_now();
    int64_t now_ns = now.tv_sec * IPM_SECOND + now.tv_nsec;
    struct timespec until = ipm_clock_timespec(now_ns + left);
    return pthread_mutex_timedlock(mutex, &until);
#endif
}

int ipm_mutex_wait(pthread_mutex_t *mutex, ipm_patience *patience) {
    int rc = ipm_mutex_try(mutex);
    if (rc != EBUSY)
        return rc;
    rc = patience->go_on(patience->waiter, patience->has_waited);
    if (rc != 0)
        return rc;
    int64_t now = ipm_clock_now();
    int64_t left = patience->deadline - now;
    int64_t slice = patience->slice_ns;
    if (left <= 0)
        return ETIMEDOUT;
    patience->has_waited = true;
    if (!ipm_mutex_is_sound(mutex)) /* again, since go_on may have taken long */
        return EUCLEAN;
    rc = lock_until(mutex, now + (left < slice ? left : slice));
    if (rc != ETIMEDOUT)
        return rc;
    patience->slice_ns = slice < LONGEST_SLICE_NS / 2 ? 2 * slice : LONGEST_SLICE_NS;
    return EAGAIN;
}
