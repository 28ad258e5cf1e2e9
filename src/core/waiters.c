#include "waiters.h"

#include "process.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static ipm_waiter *claim(ipm_waiters *waiters, int32_t pid, bool from_dead) {
    for (int i = 0; i < IPM_MAX_WAITERS; i++) {
        ipm_waiter *waiter = &waiters->waiter[i];
        int32_t seen = atomic_load_explicit(&waiter->pid, memory_order_relaxed);
        if ((seen == 0 || (from_dead && !ipm_process_is_alive(seen))) &&
            atomic_compare_exchange_strong_explicit(&waiter->pid, &seen, pid, memory_order_relaxed,
                                                    memory_order_relaxed))
            return waiter;
    }
    return NULL;
}

ipm_waiter *ipm_waiters_enter(ipm_waiters *waiters, int32_t pid, bool writes) {
    if (waiters == NULL)
        return NULL;
    ipm_waiter *waiter = claim(waiters, pid, false);
    if (waiter == NULL)
        waiter = claim(waiters, pid, true);
    if (waiter != NULL) {
        atomic_store_explicit(&waiter->writes, writes, memory_order_relaxed);
        atomic_store_explicit(&waiter->since, (uint32_t)time(NULL), memory_order_relaxed);
        atomic_store_explicit(&waiter->tid, (int32_t)syscall(SYS_gettid), memory_order_release);
    }
    return waiter;
}

void ipm_waiters_leave(ipm_waiter *waiter) {
    if (waiter == NULL)
        return;
    atomic_store_explicit(&waiter->tid, 0, memory_order_relaxed);
    atomic_store_explicit(&waiter->pid, 0, memory_order_release);
}
