/*
 * Who holds a segment's lock, and who waits for it.
 */
#include "segment.h"

#include <errno.h>
#include <signal.h>

typedef struct list {
    ipm_user *users;
    size_t capacity;
    size_t count;
} list;

static void add(list *to, int32_t pid, bool writes, bool waits, int64_t since) {
    if (to->count < to->capacity)
        to->users[to->count] = (ipm_user){
            .pid = pid,
            .alive = kill(pid, 0) == 0 || errno == EPERM,
            .writes = writes,
            .waits = waits,
            .since = since,
        };
    to->count++;
}

static void add_holder(list *to, const ipm_slot *slot, bool writes) {
    uint64_t holder = atomic_load_explicit(&slot->holder, memory_order_relaxed);
    int32_t pid = (int32_t)holder;
    if (pid > 0)
        add(to, pid, writes, false, (int64_t)(holder >> 32));
}

/* A writer has the gate already while it waits for the readers that are inside. */
static bool gate_holder_waits(const ipm_lockfile *file) {
    uint64_t holder = atomic_load_explicit(&file->shared->gate.holder, memory_order_relaxed);
    int32_t pid = (int32_t)holder;
    for (int i = 0; i < IPM_WAITERS; i++) {
        const ipm_waiter *waiter = &file->head->waiters.waiter[i];
        if (atomic_load_explicit(&waiter->pid, memory_order_relaxed) == pid &&
            atomic_load_explicit(&waiter->writes, memory_order_relaxed) != 0)
            return true;
    }
    return false;
}

int ipm_segment_users(ipm_segment *segment, ipm_user *users, size_t capacity, size_t *count,
                      ipm_error *error) {
    list all = {.users = users, .capacity = capacity};
    const ipm_lockfile *file = &segment->lockfile;
    int code = ipm_segment_check_fork(segment, error);
    if (code != IPM_OK)
        return code;
    if (file->head != NULL) {
        if (!gate_holder_waits(file))
            add_holder(&all, &file->shared->gate, true);
        uint32_t used = ipm_high_water_mark(ipm_high_water_look(&file->shared->high_water));
        for (uint32_t i = 0; i < used && i < file->slots; i++)
            add_holder(&all, &file->shared->slots[i].slot, false);
        for (int i = 0; i < IPM_WAITERS; i++) {
            const ipm_waiter *waiter = &file->head->waiters.waiter[i];
            int32_t pid = atomic_load_explicit(&waiter->pid, memory_order_relaxed);
            if (pid > 0 && (kill(pid, 0) == 0 || errno == EPERM))
                add(&all, pid, atomic_load_explicit(&waiter->writes, memory_order_relaxed) != 0,
                    true, atomic_load_explicit(&waiter->since, memory_order_relaxed));
        }
    }
    *count = all.count < capacity ? all.count : capacity;
    return IPM_OK;
}
