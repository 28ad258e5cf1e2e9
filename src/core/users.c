/*
 * Listing the processes that hold a segment's lock, and those that wait for it.
 */
#include "segment.h"

#include "follow.h"
#include "process.h"

typedef struct list {
    ipm_user *users;
    size_t capacity;
    size_t count;
} list;

static void add(list *to, int32_t pid, bool writes, bool waits, int64_t since) {
    if (to->count < to->capacity)
        to->users[to->count] = (ipm_user){
            .pid = pid,
            .alive = ipm_process_is_alive(pid),
            .writes = writes,
            .waits = waits,
            .since = since,
        };
    to->count++;
}

static void add_holder(list *to, const ipm_slot *slot, bool writes) {
    ipm_holder holder = ipm_slot_holder(slot);
    if (holder.pid > 0)
        add(to, holder.pid, writes, false, holder.since);
}

/* A writer that waits for the readers inside holds the gate already: list it as waiting alone. */
static bool gate_holder_waits(const ipm_lockfile *file) {
    int32_t pid = ipm_slot_holder(&file->shared->gate).pid;
    for (int i = 0; i < IPM_MAX_WAITERS; i++) {
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
    ipm_segment_try_to_follow(segment);
    if (file->head != NULL) {
        if (!gate_holder_waits(file))
            add_holder(&all, &file->shared->gate, true);
        uint32_t used = ipm_high_water_mark(ipm_high_water_look(&file->shared->high_water));
        for (uint32_t i = 0; i < used && i < file->slots; i++)
            add_holder(&all, &file->shared->slots[i].slot, false);
        for (int i = 0; i < IPM_MAX_WAITERS; i++) {
            const ipm_waiter *waiter = &file->head->waiters.waiter[i];
            int32_t pid = atomic_load_explicit(&waiter->pid, memory_order_relaxed);
            if (ipm_process_is_alive(pid))
                add(&all, pid, atomic_load_explicit(&waiter->writes, memory_order_relaxed) != 0,
                    true, atomic_load_explicit(&waiter->since, memory_order_relaxed));
        }
    }
    *count = all.count < capacity ? all.count : capacity;
    return IPM_OK;
}
