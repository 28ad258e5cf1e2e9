/*
 * A reader-writer lock between processes that survives the death of a holder.
 *
 * POSIX has no robust reader-writer lock, so this one is made of robust mutexes: one gate, which a
 * writer holds until it unlocks, and a slot for each reader. A reader locks a slot, raises the
 * high-water mark above it, and loads the writer's flag. If the flag is clear, the reader holds the
 * lock; otherwise it locks the gate first. A writer locks the gate, sets the flag, and then locks
 * and unlocks every slot below the mark. A process that finds the gate locked queues for it.
 *
 * The lock works on given memory, which all processes map read-write. An ipm_rwlock is one handle's
 * side of the lock, for one thread at a time; the thread that locked must unlock. A thread holds at
 * most one side of a lock: see IPM_EDEADLOCK.
 */
#ifndef IPM_CORE_RWLOCK_H
#define IPM_CORE_RWLOCK_H

#include "../ipmmap.h"
#include "high_water.h"
#include "queue.h"
#include "cold.h"
#include "waiters.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

/* A mutex; and for diagnosis which process holds it, and since when. */
typedef struct ipm_slot {
    pthread_mutex_t mutex;
    /* The pid, and in the upper half CLOCK_REALTIME in seconds, modulo 2^32; 0: no holder. One
     * word, so that the two are one store and always belong together. */
    _Alignas(8) _Atomic uint64_t holder;
} ipm_slot;

/* `holder` of a slot, split. */
typedef struct ipm_holder {
    int32_t pid;    /* 0: no holder */
    uint32_t since; /* Unix seconds, modulo 2^32 */
} ipm_holder;

static inline ipm_holder ipm_slot_holder(const ipm_slot *slot) {
    uint64_t holder = atomic_load_explicit(&slot->holder, memory_order_relaxed);
    return (ipm_holder){.pid = (int32_t)holder, .since = (uint32_t)(holder >> 32)};
}

typedef struct ipm_slot_line {
    _Alignas(IPM_CACHE_LINE) ipm_slot slot;
} ipm_slot_line;

/* The lock in shared memory: part of the lock file's format, for one libc and architecture. */
typedef struct ipm_rwlock_shared {
    _Alignas(IPM_CACHE_LINE) ipm_slot gate;
    /* The writer's flag: set while a writer takes or holds the lock; stale after a crash. */
    _Alignas(IPM_CACHE_LINE) _Atomic uint32_t writing;
    ipm_high_water high_water;         /* of the slots in use */
    ipm_queue queue;                   /* for the gate */
    ipm_place_line places[IPM_PLACES]; /* in the queue */
    ipm_slot_line slots[];
} ipm_rwlock_shared;

_Static_assert(sizeof(ipm_slot) <= IPM_CACHE_LINE, "a cache line");
_Static_assert(offsetof(ipm_rwlock_shared, writing) == 64, "file format");
_Static_assert(offsetof(ipm_rwlock_shared, queue) == 72, "file format");
_Static_assert(offsetof(ipm_rwlock_shared, places) == 128, "file format");
_Static_assert(offsetof(ipm_queue_place, ticket) == offsetof(ipm_slot, holder), "file format");
_Static_assert(offsetof(ipm_rwlock_shared, slots) == 128 + IPM_PLACES * IPM_CACHE_LINE,
               "file format");

typedef enum ipm_hold { IPM_HOLD_NONE, IPM_HOLD_READ, IPM_HOLD_WRITE } ipm_hold;

/* A handle's side of the lock: private. */
typedef struct ipm_rwlock ipm_rwlock;
struct ipm_rwlock {
    ipm_rwlock_shared *shared;
    const _Atomic uint32_t *retired; /* 1: no wait goes on */
    /* Called before each slice of a wait, with whether there was one before: 0, or an errno that
     * ends the wait. NULL: waits go on. */
    int (*go_on)(ipm_rwlock *lock, bool has_waited);
    ipm_waiters *waiters; /* the table of waiting processes, or NULL */
    uint32_t slots;
    uint32_t slot; /* the last one that it locked */
    int32_t pid;   /* of this process */
    dev_t device;  /* with the inode, the identity of the lock: two handles may map the same one */
    ino_t inode;
    ipm_hold hold;
    ipm_hold wanted;       /* what it tries to take */
    bool gate_died;        /* the gate's last owner died, and the data is not repaired yet */
    uint64_t thread;       /* the number of the thread that locked it last */
    ipm_rwlock *next_held; /* the next lock of the same thread */
    int system;            /* the errno behind the last IPM_ESYSTEM; ENOLCK: IPM_MAX_LOCKS */
    /* Called when the thread that holds the lock ends, in that thread, before the lock is unlocked.
     * NULL: nothing is called. */
    void (*abandoned)(ipm_rwlock *lock);
};

/* Bytes of shared memory for that many slots. */
size_t ipm_rwlock_size(uint32_t slots);

/*
 * Initialise the lock. No other process may use the memory.
 * returns  0 or an errno
 */
int ipm_rwlock_init(ipm_rwlock_shared *shared, uint32_t slots);

/* Whether every mutex has the kind of a fresh one: libc aborts on mutexes of some other kinds. */
bool ipm_rwlock_is_sound(const ipm_rwlock_shared *shared, uint32_t slots);

/*
 * Take the lock for reading: waits until no writer holds it.
 *
 * timeout_ns  0 tries once, IPM_FOREVER waits
 * returns     IPM_OK             held; look at the sequence: a writer may have died inside
 *             IPM_ETIMEOUT       not held
 *             IPM_EDEADLOCK      not held: this thread holds it already through another handle
 *             IPM_EREPLACED      not held: the segment was retired, or go_on returned ECANCELED
 *             IPM_EINTERRUPTED   not held: go_on returned EINTR
 *             IPM_ENOTHOME       not held: go_on returned EACCES
 *             IPM_EINCOMPATIBLE  not held: the memory is not, or no longer, a lock
 *             IPM_ESYSTEM        not held: see `system`
 * owner       the calling thread, which alone may unlock; never in a fork's child
 * never       allocates; but libc may, when a thread locks for the first time
 */
int ipm_rwlock_read(ipm_rwlock *lock, int64_t timeout_ns);

/*
 * Take the lock for writing: waits until no reader and no other writer holds it. Returns as
 * ipm_rwlock_read. When held: repair the data of a dead writer, then call ipm_rwlock_repaired.
 */
int ipm_rwlock_write(ipm_rwlock *lock, int64_t timeout_ns);

/* The data of a dead writer is repaired. Must be called before unlocking. */
void ipm_rwlock_repaired(ipm_rwlock *lock);

/*
 * Release.
 * returns  IPM_OK; IPM_EINVALID: it is not held, or another thread holds it
 */
int ipm_rwlock_unlock(ipm_rwlock *lock);

/* Whether the calling thread holds it. */
bool ipm_rwlock_is_mine(const ipm_rwlock *lock);

/* The number of slots that living processes hold; the living process that holds the gate, or 0. */
uint32_t ipm_rwlock_readers(const ipm_rwlock *lock);
int32_t ipm_rwlock_writer(const ipm_rwlock *lock);

#endif
