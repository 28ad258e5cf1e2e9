/*
 * The queue of those who wait for the lock's gate: first come, first served, whoever dies.
 *
 * A mutex goes to whoever asks at the right moment, and that is mostly the one who had it last: it
 * is running, the others sleep. That is fast, and unfair for as long as it lasts. So writers and
 * slow readers that find the gate locked queue here, and only the first in the queue asks for the
 * gate. The others have half a millisecond in which they may still take the gate before it; then it
 * says that its wait is urgent, and everybody who comes must queue as well. So the gate goes round
 * in turns of half a millisecond, and not lock by lock, which would take a switch of processes
 * each.
 *
 * A place in the queue is a robust mutex. Whoever comes locks the place of the next ticket and,
 * with the place locked, takes the ticket; then it locks and unlocks the place before its own,
 * which it gets when the one there is gone. If that one had the gate, all before it had the gate
 * too; if it gave up or died, the place before that one is next. So each mutex has one process that
 * waits for it, no wake-up can be lost to another, and the dead are passed over at once.
 *
 * A process that is stopped keeps its place. So a place is waited for in slices, and after each the
 * gate is tried: if it is free then, the one whose turn it is does not run.
 *
 * Model-checked, see proof/.
 */
#ifndef IPM_CORE_QUEUE_H
#define IPM_CORE_QUEUE_H

#include "mutex.h"
#include "rare.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A power of two: tickets go round. With more who wait than this, those who come wait for a place
 * in no order. */
#define IPM_PLACES 128

/* In shared memory: part of the lock file's format. */
typedef struct ipm_place {
    pthread_mutex_t mutex;               /* locked by the one who stands here */
    _Alignas(8) _Atomic uint32_t ticket; /* of that one, or of the last one */
    _Atomic uint32_t served;             /* whether it has got the gate */
} ipm_place;

typedef struct ipm_place_line {
    _Alignas(IPM_CACHE_LINE) ipm_place place;
} ipm_place_line;

typedef struct ipm_queue {
    _Atomic uint32_t urgent;  /* 1: nobody may take the gate without queueing */
    _Atomic uint32_t tickets; /* the next one, modulo 2^32 */
} ipm_queue;

/* What one waits for, and for how long. */
typedef struct ipm_turn {
    ipm_queue *queue;
    ipm_place *places; /* IPM_PLACES of them, IPM_CACHE_LINE bytes apart */
    pthread_mutex_t *gate;
    ipm_patience patience; /* if its deadline has passed, nothing is waited for */
    bool reads;            /* it will let go of the gate at once */
} ipm_turn;

/* To be asked before the gate is tried. Nothing is ordered by it. */
static inline bool ipm_queue_is_urgent(const ipm_queue *queue) {
    return atomic_load_explicit(&queue->urgent, memory_order_relaxed) != 0;
}

/*
 * Queue for the gate, and lock it.
 * returns  0 or EOWNERDEAD: it is locked; ETIMEDOUT; what go_on said; or what makes the gate or
 *          a place unusable
 */
IPM_RARE int ipm_queue_wait(const ipm_turn *turn);

#endif
