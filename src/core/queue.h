/*
 * The queue for the lock's gate: first come, first served, even if processes die.
 *
 * A mutex alone is fast but unfair: a process that unlocks it and locks it again at once is
 * running, while the others sleep, so it mostly gets the mutex again. So writers and slow readers
 * that find the gate locked queue here, and only the first in the queue locks the gate. For half a
 * millisecond other processes may still take the gate before it (barging). Then the first sets the
 * urgent word, and every newcomer must queue as well. So beside a writer that never rests the gate
 * changes hands every half millisecond, and not at each unlock, which would cost a switch of
 * processes each time.
 *
 * A place in the queue is a robust mutex. A newcomer locks the place of the next ticket and then,
 * with the place locked, takes the ticket. Next it locks the place before its own, which succeeds
 * when the process there has left, and unlocks that place. If that process got the gate, so did all
 * before it. If it gave up or died, the newcomer goes on to the place before that. So each mutex
 * has one waiter, no wake-up is lost to another process, and dead processes are skipped at once.
 *
 * A stopped process keeps its place. So a process waits for a place in slices, and tries the gate
 * after each one: if the gate is free then, the process whose turn it is does not run.
 *
 * Model-checked, see proof/.
 */
#ifndef IPM_CORE_QUEUE_H
#define IPM_CORE_QUEUE_H

#include "mutex.h"
#include "cold.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A power of two, since tickets wrap around. With more waiting processes than this, newcomers wait
 * for a place in no order. */
#define IPM_PLACES 128

/* In shared memory: part of the lock file's format. */
typedef struct ipm_queue_place {
    pthread_mutex_t mutex;               /* locked by the process in this place */
    _Alignas(8) _Atomic uint32_t ticket; /* of that process, or of the last one */
    _Atomic uint32_t served;             /* whether that process got the gate */
} ipm_queue_place;

typedef struct ipm_place_line {
    _Alignas(IPM_CACHE_LINE) ipm_queue_place place;
} ipm_place_line;

typedef struct ipm_queue {
    _Atomic uint32_t urgent;  /* 1: no process may take the gate without queueing */
    _Atomic uint32_t tickets; /* the next one, modulo 2^32 */
} ipm_queue;

/* One wait for the gate. */
typedef struct ipm_turn {
    ipm_queue *queue;
    ipm_queue_place *places; /* IPM_PLACES of them, IPM_CACHE_LINE bytes apart */
    pthread_mutex_t *gate;
    ipm_patience patience; /* after its deadline nothing is waited for */
    bool reads;            /* the gate will be unlocked at once */
} ipm_turn;

/* Ask this before trying the gate. It orders no memory. */
static inline bool ipm_queue_is_urgent(const ipm_queue *queue) {
    return atomic_load_explicit(&queue->urgent, memory_order_relaxed) != 0;
}

/*
 * Queue for the gate, and lock it.
 * returns  0 or EOWNERDEAD: it is locked; ETIMEDOUT; the result of go_on; or why the gate or a
 * place is unusable
 */
IPM_COLD int ipm_queue_wait(const ipm_turn *turn);

#endif
