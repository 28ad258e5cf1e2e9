#include "rwlock.h"

#include "clock.h"
#include "fork.h"
#include "mutex.h"
#include "process.h"
#include "thread.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define SLOT_SLICE_NS (5 * IPM_MS) /* the first slice of a wait for a slot */
#define FULL_NS (5 * IPM_MS)       /* the wait for one slot while all are held */

/* ---- Shared memory ----------------------------------------------------------------------- */

size_t ipm_rwlock_size(uint32_t slots) {
    return offsetof(ipm_rwlock_shared, slots) + (size_t)slots * IPM_CACHE_LINE;
}

int ipm_rwlock_init(ipm_rwlock_shared *shared, uint32_t slots) {
    memset(shared, 0, ipm_rwlock_size(slots));
    int rc = ipm_mutex_init(&shared->gate.mutex, 0, 1);
    if (rc == 0)
        rc = ipm_mutex_init(&shared->places[0].place.mutex, IPM_CACHE_LINE, IPM_PLACES);
    return rc != 0 ? rc : ipm_mutex_init(&shared->slots[0].slot.mutex, IPM_CACHE_LINE, slots);
}

bool ipm_rwlock_is_sound(const ipm_rwlock_shared *shared, uint32_t slots) {
    if (!ipm_mutex_is_sound(&shared->gate.mutex))
        return false;
    for (uint32_t i = 0; i < IPM_PLACES; i++)
        if (!ipm_mutex_is_sound(&shared->places[i].place.mutex))
            return false;
    for (uint32_t i = 0; i < slots; i++)
        if (!ipm_mutex_is_sound(&shared->slots[i].slot.mutex))
            return false;
    return true;
}

/* ---- One mutex --------------------------------------------------------------------------- */

/* How long to wait. The clock is not read before the first wait. */
typedef struct patience {
    int64_t timeout_ns;
    int64_t deadline; /* 0: not known yet */
} patience;

static int64_t deadline_of(patience *p) {
    if (p->deadline == 0)
        p->deadline = ipm_clock_deadline(p->timeout_ns);
    return p->deadline;
}

/* The errno that ends a wait; 0: the wait goes on. */
static int go_on(void *waiter, bool has_waited) {
    ipm_rwlock *lock = waiter;
    if (atomic_load_explicit(lock->retired, memory_order_acquire) != 0)
        return ECANCELED;
    return lock->go_on != NULL ? lock->go_on(lock, has_waited) : 0;
}

static ipm_patience patience_of(ipm_rwlock *lock, int64_t deadline, int64_t slice_ns) {
    return (ipm_patience){
        .deadline = deadline, .go_on = go_on, .waiter = lock, .slice_ns = slice_ns};
}

static IPM_COLD int take_later(ipm_rwlock *lock, ipm_slot *slot, patience *p) {
    if (p->timeout_ns == 0)
        return ETIMEDOUT;
    ipm_patience slices = patience_of(lock, deadline_of(p), SLOT_SLICE_NS);
    int rc;
    ipm_waiter *waiter =
        ipm_waiters_enter(lock->waiters, lock->pid, lock->wanted == IPM_HOLD_WRITE);
    do
        rc = ipm_mutex_wait(&slot->mutex, &slices);
    while (rc == EAGAIN);
    ipm_waiters_leave(waiter);
    return rc;
}

/*
 * Lock a slot's mutex.
 * returns  0 or EOWNERDEAD: locked; ETIMEDOUT; the result of lock->go_on; or why it is unusable
 */
static inline int take(ipm_rwlock *lock, ipm_slot *slot, patience *p) {
    int rc = ipm_mutex_try(&slot->mutex);
    return rc == EBUSY ? take_later(lock, slot, p) : rc;
}

/* A try, with a timeout of 0, queues if the urgent word is set: a dead process may have set it. */
static IPM_COLD int take_gate_later(ipm_rwlock *lock, patience *p) {
    ipm_rwlock_shared *shared = lock->shared;
    bool writes = lock->wanted == IPM_HOLD_WRITE;
    if (p->timeout_ns == 0 && !ipm_queue_is_urgent(&shared->queue))
        return ETIMEDOUT;
    ipm_waiter *waiter = ipm_waiters_enter(lock->waiters, lock->pid, writes);
    int rc = ipm_queue_wait(&(ipm_turn){
        .queue = &shared->queue,
        .places = &shared->places[0].place,
        .gate = &shared->gate.mutex,
        .patience = patience_of(lock, deadline_of(p), 0),
        .reads = !writes,
    });
    ipm_waiters_leave(waiter);
    return rc;
}

/* Lock the gate. returns  as take */
static inline int take_gate(ipm_rwlock *lock, patience *p) {
    int rc = EBUSY;
    if (!ipm_queue_is_urgent(&lock->shared->queue))
        rc = ipm_mutex_try(&lock->shared->gate.mutex);
    return rc == EBUSY ? take_gate_later(lock, p) : rc;
}

static IPM_COLD int code_of_lock(ipm_rwlock *lock, int rc) {
    lock->system = rc;
    switch (rc) {
    case ETIMEDOUT:
        return IPM_ETIMEOUT;
    case ECANCELED:
        return IPM_EREPLACED;
    case EINTR:
        return IPM_EINTERRUPTED;
    case EACCES:
        return IPM_ENOTHOME;
    case EDEADLK:
        return IPM_EDEADLOCK;
    case EUCLEAN:
        return IPM_EINCOMPATIBLE;
    default:
        return IPM_ESYSTEM;
    }
}

/* time() is the cheapest clock. */
static inline void mark(const ipm_rwlock *lock, ipm_slot *slot) {
    uint64_t holder = (uint64_t)time(NULL) << 32 | (uint32_t)lock->pid;
    atomic_store_explicit(&slot->holder, holder, memory_order_relaxed);
}

static inline void release_slot(ipm_slot *slot) {
    atomic_store_explicit(&slot->holder, 0, memory_order_relaxed);
    pthread_mutex_unlock(&slot->mutex);
}

static void release_gate(ipm_rwlock *lock) {
    if (lock->gate_died)
        ipm_rwlock_repaired(lock);
    release_slot(&lock->shared->gate);
}

/* ---- The thread's list ------------------------------------------------------------------- */

/* The calling thread, which holds the lock, is at its end. */
static void abandon_lock(ipm_rwlock *lock) {
    if (lock->abandoned != NULL)
        lock->abandoned(lock);
    ipm_rwlock_unlock(lock);
}

/*
 * Whether the thread may take the lock. A thread that takes the read lock twice, through two
 * handles, would deadlock with a writer that waits in between, and no mutex type detects that. And
 * the kernel releases only a limited number of a dead thread's mutexes.
 * returns  IPM_OK, IPM_EDEADLOCK or IPM_ESYSTEM
 */
static int may_take(ipm_thread *thread, ipm_rwlock *lock) {
    if (thread->generation != ipm_fork_generation) {
        lock->system = ipm_thread_prepare(thread, abandon_lock);
        if (lock->system != 0)
            return IPM_ESYSTEM;
    }
    uint32_t count = 0;
    for (const ipm_rwlock *other = thread->held; other != NULL; other = other->next_held) {
        if (other->inode == lock->inode && other->device == lock->device)
            return IPM_EDEADLOCK;
        if (++count == IPM_MAX_LOCKS) {
            lock->system = ENOLCK;
            return IPM_ESYSTEM;
        }
    }
    return IPM_OK;
}

static int now_holds(ipm_thread *thread, ipm_rwlock *lock, ipm_hold hold) {
    lock->hold = hold;
    lock->thread = thread->number;
    lock->next_held = thread->held;
    thread->held = lock;
    return IPM_OK;
}

static void holds_no_more(ipm_thread *thread, ipm_rwlock *lock) {
    for (ipm_rwlock **link = &thread->held; *link != NULL; link = &(*link)->next_held)
        if (*link == lock) {
            *link = lock->next_held;
            break;
        }
    lock->hold = IPM_HOLD_NONE;
}

bool ipm_rwlock_is_mine(const ipm_rwlock *lock) {
    return lock->hold != IPM_HOLD_NONE && lock->thread == ipm_thread_self()->number;
}

/* ---- Reading ----------------------------------------------------------------------------- */

static ipm_slot *slot_of(ipm_rwlock *lock) {
    return &lock->shared->slots[lock->slot].slot;
}

/* Lock the slot that the handle had last. returns  0, EBUSY or another errno */
static inline int try_slot(ipm_rwlock *lock) {
    pthread_mutex_t *mutex = &slot_of(lock)->mutex;
    int rc = ipm_mutex_try(mutex);
    return rc == EOWNERDEAD ? pthread_mutex_consistent(mutex) : rc;
}

static void next_slot(ipm_rwlock *lock) {
    lock->slot = (lock->slot + 1) % lock->slots;
}

/* Lock any free slot, that one first. returns  0, EBUSY or another errno */
static IPM_COLD int grab(ipm_rwlock *lock) {
    for (uint32_t tried = 0; tried < lock->slots; tried++) {
        int rc = try_slot(lock);
        if (rc != EBUSY)
            return rc;
        next_slot(lock);
    }
    return EBUSY;
}

/* With a slot locked: whether every writer will wait for the slot. */
static inline bool is_open(ipm_rwlock *lock) {
    ipm_high_water *mark = &lock->shared->high_water;
    uint32_t seen;
    do {
        seen = ipm_high_water_raise(mark, lock->slot);
        if (atomic_load_explicit(&lock->shared->writing, memory_order_seq_cst) != 0)
            return false;
    } while (!ipm_high_water_stands(mark, seen));
    return true;
}

/*
 * Lock any slot while all of them are held. Which reader leaves first is unknown, so wait for one
 * slot for a short time, and then try all of them again.
 */
static int await_slot(ipm_rwlock *lock, patience *p) {
    int64_t deadline = deadline_of(p);
    for (;;) {
        int64_t now = ipm_clock_now();
        int64_t until = deadline - now < FULL_NS ? deadline : now + FULL_NS;
        patience a_while = {p->timeout_ns, until};
        int rc = take(lock, slot_of(lock), &a_while);
        if (rc == EOWNERDEAD)
            rc = pthread_mutex_consistent(&slot_of(lock)->mutex);
        if (rc != ETIMEDOUT || p->timeout_ns == 0 || until == deadline)
            return rc;
        rc = grab(lock);
        if (rc != EBUSY)
            return rc;
    }
}

/* Lock a slot with the gate locked. No writer is inside, so the slot alone is the read lock. */
static int grab_behind_gate(ipm_rwlock *lock, patience *p) {
    int rc = grab(lock);
    if (rc == EBUSY)
        rc = await_slot(lock, p);
    if (rc != 0)
        return rc;
    ipm_high_water_raise(&lock->shared->high_water, lock->slot);
    /* If the flag is set, a dead writer left it: clear it, so that reads are fast again. Only with
     * the gate locked: otherwise a living writer may have set it. */
    atomic_store_explicit(&lock->shared->writing, 0, memory_order_release);
    return 0;
}

static IPM_COLD int read_slow(ipm_rwlock *lock, int64_t timeout_ns) {
    patience p = {.timeout_ns = timeout_ns};
    lock->wanted = IPM_HOLD_READ;
    int rc = take_gate(lock, &p);
    if (rc == 0 || rc == EOWNERDEAD) {
        lock->gate_died = rc == EOWNERDEAD;
        rc = grab_behind_gate(lock, &p);
        release_gate(lock);
    }
    return rc;
}

int ipm_rwlock_read(ipm_rwlock *lock, int64_t timeout_ns) {
    ipm_thread *thread = ipm_thread_self();
    int code = may_take(thread, lock);
    if (code != IPM_OK)
        return code;
    int rc = try_slot(lock);
    if (rc == EBUSY) { /* another reader has it: go on to a slot of its own, which is faster */
        next_slot(lock);
        rc = grab(lock);
    }
    if (rc == 0 && !is_open(lock)) {
        pthread_mutex_unlock(&slot_of(lock)->mutex);
        rc = EBUSY;
    }
    if (rc == EBUSY)
        rc = read_slow(lock, timeout_ns);
    if (rc != 0)
        return code_of_lock(lock, rc);
    mark(lock, slot_of(lock));
    return now_holds(thread, lock, IPM_HOLD_READ);
}

/* ---- Writing ----------------------------------------------------------------------------- */

/* Wait for the readers that are inside; later readers see the flag. */
static int drain(ipm_rwlock *lock, patience *p) {
    uint32_t seen = ipm_high_water_look(&lock->shared->high_water);
    uint32_t used = ipm_high_water_mark(seen);
    if (used > lock->slots)
        return EUCLEAN;
    for (uint32_t i = 0; i < used; i++) {
        ipm_slot *slot = &lock->shared->slots[i].slot;
        int rc = take(lock, slot, p);
        if (rc == EOWNERDEAD)
            rc = pthread_mutex_consistent(&slot->mutex);
        if (rc != 0)
            return rc;
        pthread_mutex_unlock(&slot->mutex);
    }
    if (used > 0)
        ipm_high_water_lower(&lock->shared->high_water, seen);
    return 0;
}

int ipm_rwlock_write(ipm_rwlock *lock, int64_t timeout_ns) {
    ipm_rwlock_shared *shared = lock->shared;
    patience p = {.timeout_ns = timeout_ns};
    ipm_thread *thread = ipm_thread_self();
    int code = may_take(thread, lock);
    if (code != IPM_OK)
        return code;
    lock->wanted = IPM_HOLD_WRITE;
    int rc = take_gate(lock, &p);
    if (rc != 0 && rc != EOWNERDEAD)
        return code_of_lock(lock, rc);
    lock->gate_died = rc == EOWNERDEAD;
    mark(lock, &shared->gate);
    atomic_store_explicit(&shared->writing, 1, memory_order_seq_cst);
    rc = drain(lock, &p);
    if (rc != 0) {
        atomic_store_explicit(&shared->writing, 0, memory_order_release);
        release_gate(lock);
        return code_of_lock(lock, rc);
    }
    return now_holds(thread, lock, IPM_HOLD_WRITE);
}

/* Called after the repair: if this process dies during it, the next owner learns of that death. */
void ipm_rwlock_repaired(ipm_rwlock *lock) {
    if (lock->gate_died)
        pthread_mutex_consistent(&lock->shared->gate.mutex);
    lock->gate_died = false;
}

int ipm_rwlock_unlock(ipm_rwlock *lock) {
    ipm_thread *thread = ipm_thread_self();
    ipm_hold hold = lock->hold;
    if (hold == IPM_HOLD_NONE || lock->thread != thread->number)
        return IPM_EINVALID;
    holds_no_more(thread, lock);
    if (hold == IPM_HOLD_READ) {
        release_slot(slot_of(lock));
    } else {
        atomic_store_explicit(&lock->shared->writing, 0, memory_order_release);
        release_gate(lock);
    }
    return IPM_OK;
}

/* ---- Diagnosis --------------------------------------------------------------------------- */

static int32_t living(const ipm_slot *slot) {
    int32_t pid = ipm_slot_holder(slot).pid;
    return ipm_process_is_alive(pid) ? pid : 0;
}

uint32_t ipm_rwlock_readers(const ipm_rwlock *lock) {
    uint32_t used = ipm_high_water_mark(ipm_high_water_look(&lock->shared->high_water));
    uint32_t readers = 0;
    for (uint32_t i = 0; i < used && i < lock->slots; i++)
        readers += living(&lock->shared->slots[i].slot) != 0;
    return readers;
}

int32_t ipm_rwlock_writer(const ipm_rwlock *lock) {
    return living(&lock->shared->gate);
}
