/*
 * Listing the threads that hold a segment's lock or wait for it, and the handles that are open.
 */
#include "segment.h"

#include "follow.h"
#include "process.h"

typedef struct list {
    ipm_user *users;
    size_t capacity;
    size_t count;
} list;

static void add(list *to, ipm_user user) {
    user.alive = ipm_process_is_alive(user.pid);
    if (to->count < to->capacity)
        to->users[to->count] = user;
    to->count++;
}

static void add_holder(list *to, const ipm_slot *slot, bool writes) {
    ipm_holder holder = ipm_slot_holder(slot);
    if (holder.pid > 0)
        add(to, (ipm_user){.pid = holder.pid,
                           .writes = writes,
                           .since = holder.since,
                           .tid = ipm_mutex_owner(&slot->mutex)});
}

/* A writer that waits for the readers inside holds the gate already: list it as waiting alone. */
static bool is_next(const ipm_lockfile *file, const ipm_user *waiter) {
    const ipm_slot *gate = &file->shared->gate;
    return waiter->writes && ipm_slot_holder(gate).pid == waiter->pid &&
           ipm_mutex_owner(&gate->mutex) == waiter->tid;
}

/* returns  false: nobody waits there */
static bool look_at_waiter(const ipm_lockfile *file, int i, ipm_user *user) {
    const ipm_waiter *waiter = &file->head->waiters.waiter[i];
    int32_t tid = atomic_load_explicit(&waiter->tid, memory_order_acquire);
    *user = (ipm_user){
        .pid = atomic_load_explicit(&waiter->pid, memory_order_relaxed),
        .writes = atomic_load_explicit(&waiter->writes, memory_order_relaxed) != 0,
        .waits = true,
        .since = atomic_load_explicit(&waiter->since, memory_order_relaxed),
        .tid = tid,
    };
    user->next = is_next(file, user);
    return tid != 0 && ipm_process_is_alive(user->pid);
}

static void add_waiters(list *to, const ipm_lockfile *file) {
    ipm_user user;
    for (int i = 0; i < IPM_MAX_WAITERS; i++)
        if (look_at_waiter(file, i, &user))
            add(to, user);
}

static bool gate_holder_waits(const ipm_lockfile *file) {
    ipm_user user;
    for (int i = 0; i < IPM_MAX_WAITERS; i++)
        if (look_at_waiter(file, i, &user) && user.next)
            return true;
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
        add_waiters(&all, file);
    }
    *count = all.count < capacity ? all.count : capacity;
    return IPM_OK;
}

int ipm_segment_attached(ipm_segment *segment, ipm_attached *attached, size_t capacity,
                         size_t *count, ipm_error *error) {
    int code = ipm_segment_check_fork(segment, error);
    if (code != IPM_OK)
        return code;
    ipm_segment_try_to_follow(segment);
    const ipm_lock_head *head = segment->lockfile.head;
    ipm_attached found;
    *count = 0;
    for (int i = 0; head != NULL && i < IPM_MAX_ATTACHED && *count < capacity; i++)
        if (ipm_attached_look(&head->attached.attachment[i], &found))
            attached[(*count)++] = found;
    return IPM_OK;
}
