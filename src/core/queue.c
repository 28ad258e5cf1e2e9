#include "queue.h"

#include "clock.h"
#include "mutex.h"

/* The wait of the first in the queue before it sets the urgent word. */
#define GRACE_NS (IPM_MS / 2)

/* The first slice of the others: longer than a runnable process mostly waits for a processor. */
#define QUEUE_SLICE_NS (10 * IPM_MS)

/* The first slice of a newcomer that finds the next place locked. Mostly the process there is just
 * taking the ticket and will stay for long, while the ticket after it is free: try again soon. */
#define COLLISION_NS (IPM_MS / 10)

enum { GO_ON = -1 }; /* the gate is not locked: on to the next step */

static ipm_queue_place *place_of(const ipm_turn *turn, uint32_t ticket) {
    return (ipm_queue_place *)((char *)turn->places +
                               (size_t)(ticket % IPM_PLACES) * IPM_CACHE_LINE);
}

static void set_urgent(const ipm_turn *turn, uint32_t urgent) {
    atomic_store_explicit(&turn->queue->urgent, urgent, memory_order_relaxed);
}

/* Whether a later ticket than this one has the place, or had it last. */
static bool is_taken_anew(ipm_queue_place *place, uint32_t ticket) {
    uint32_t last = atomic_load_explicit(&place->ticket, memory_order_relaxed);
    return (int32_t)(last - ticket) > 0;
}

/* With the place locked: whether all processes up to that ticket have left the queue. */
static bool is_over(ipm_queue_place *place, uint32_t ticket) {
    return is_taken_anew(place, ticket) ||
           (atomic_load_explicit(&place->ticket, memory_order_relaxed) == ticket &&
            atomic_load_explicit(&place->served, memory_order_relaxed) != 0);
}

/*
 * Lock a place, or wait for it for a slice and then try the gate: the processes ahead may be
 * stopped, or wait for a holder that never rests.
 * returns  GO_ON: the place is locked; EAGAIN: neither is; otherwise as ipm_queue_wait
 */
static int lock_place(const ipm_turn *turn, ipm_queue_place *place, ipm_patience *patience) {
    int rc = ipm_mutex_wait(&place->mutex, patience);
    if (rc == EOWNERDEAD)
        rc = pthread_mutex_consistent(&place->mutex);
    if (rc == 0)
        return GO_ON;
    if (rc != EAGAIN)
        return rc;
    rc = ipm_mutex_try(turn->gate);
    if (rc != EBUSY)
        return rc;
    set_urgent(turn, 1);
    return EAGAIN;
}

/*
 * Take a place and its ticket; the place first, so that the process with the next ticket finds it
 * locked.
 * returns  GO_ON, or as ipm_queue_wait
 */
static int join_queue(const ipm_turn *turn, ipm_patience *patience, uint32_t *ticket) {
    _Atomic uint32_t *tickets = &turn->queue->tickets;
    patience->slice_ns = COLLISION_NS;
    for (;;) {
        *ticket = atomic_load_explicit(tickets, memory_order_relaxed);
        ipm_queue_place *place = place_of(turn, *ticket);
        int rc = lock_place(turn, place, patience);
        if (rc == EAGAIN)
            continue;
        if (rc != GO_ON)
            return rc;
        /* Pairs with itself: the process that takes the next ticket sees this place locked. */
        uint32_t expected = *ticket;
        if (atomic_compare_exchange_strong_explicit(tickets, &expected, *ticket + 1,
                                                    memory_order_acq_rel, memory_order_relaxed)) {
            /* `served` first: a process that finds this ticket in a dead process's place goes by
             * its `served`. */
            atomic_store_explicit(&place->served, 0, memory_order_relaxed);
            atomic_store_explicit(&place->ticket, *ticket, memory_order_release);
            return GO_ON;
        }
        pthread_mutex_unlock(&place->mutex);
    }
}

/* Wait until all processes ahead have left. returns  GO_ON, or as ipm_queue_wait */
static int move_up(const ipm_turn *turn, ipm_patience *patience, uint32_t ticket) {
    patience->slice_ns = QUEUE_SLICE_NS;
    for (uint32_t before = ticket - 1; before != ticket - IPM_PLACES; before--) {
        ipm_queue_place *place = place_of(turn, before);
        int rc = EAGAIN;
        while (rc == EAGAIN && !is_taken_anew(place, before))
            rc = lock_place(turn, place, patience);
        if (rc == EAGAIN)
            return GO_ON;
        if (rc != GO_ON)
            return rc;
        bool all_gone = is_over(place, before);
        pthread_mutex_unlock(&place->mutex);
        if (all_gone)
            break;
    }
    return GO_ON;
}

/* Wait as the first in the queue. returns  as ipm_queue_wait */
static int wait_for_gate(const ipm_turn *turn, ipm_patience *patience) {
    patience->slice_ns = GRACE_NS;
    for (;;) {
        int rc = ipm_mutex_wait(turn->gate, patience);
        if (rc != EAGAIN)
            return rc;
        set_urgent(turn, 1);
    }
}

/* A reader with others behind it leaves the urgent word set: then many readers get in one after the
 * other, before a writer that never rests comes back. */
static void leave_queue(const ipm_turn *turn, uint32_t ticket, bool is_served) {
    ipm_queue_place *place = place_of(turn, ticket);
    uint32_t next = atomic_load_explicit(&turn->queue->tickets, memory_order_relaxed);
    if (is_served && !(turn->reads && next != ticket + 1))
        set_urgent(turn, 0);
    atomic_store_explicit(&place->served, is_served, memory_order_relaxed);
    pthread_mutex_unlock(&place->mutex);
}

int ipm_queue_wait(const ipm_turn *turn) {
    ipm_patience patience = turn->patience;
    uint32_t ticket;
    int rc = join_queue(turn, &patience, &ticket);
    if (rc != GO_ON)
        return rc;
    rc = move_up(turn, &patience, ticket);
    if (rc == GO_ON)
        rc = wait_for_gate(turn, &patience);
    leave_queue(turn, ticket, rc == 0 || rc == EOWNERDEAD);
    return rc;
}
