/*
 * Shared by the tests of the reader-writer lock: a lock in memory that all processes share, and
 * peers that hold it.
 */
#ifndef LOCK_FIXTURE_H
#define LOCK_FIXTURE_H

#include "../../src/core/clock.h"
#include "../../src/core/fork.h"
#include "../../src/core/rwlock.h"
#include "fixture.h"
#include "peer.h"

#include <sys/mman.h>

#define SLOTS 4

typedef struct lock_fixture {
    _Alignas(64) _Atomic uint32_t retired;
    _Alignas(64) unsigned char lock[sizeof(ipm_rwlock_shared) + IPM_MAX_READERS * 64];
} lock_fixture;

static lock_fixture *shared;

static ipm_rwlock lock;

static inline ipm_rwlock side(uint32_t slots) {
    return (ipm_rwlock){.shared = (ipm_rwlock_shared *)shared->lock,
                        .retired = &shared->retired,
                        .slots = slots,
                        .pid = getpid(),
                        .inode = 1};
}

static inline void fresh_with(uint32_t slots) {
    shared->retired = 0;
    lock = side(slots);
    CHECK_INT(ipm_rwlock_init(lock.shared, slots), 0);
}

static inline void fresh(void) {
    fresh_with(SLOTS);
}

static inline void held_by_peer(peer *test, int (*take)(ipm_rwlock *, int64_t)) {
    lock.pid = getpid();
    tell(test, take(&lock, 10 * SECOND) == IPM_OK ? 'h' : 'x');
    if (hear(test) == 'u')
        tell(test, ipm_rwlock_unlock(&lock) == IPM_OK ? 'u' : 'x');
}

static inline void reads(peer *test) {
    held_by_peer(test, ipm_rwlock_read);
}

static inline void writes(peer *test) {
    held_by_peer(test, ipm_rwlock_write);
}

/* Start a peer, and return when it holds the lock. */
static inline peer holder(void (*body)(peer *)) {
    peer p = start(body);
    CHECK_INT(hear(&p), 'h');
    return p;
}

static inline void let_go(peer *p) {
    tell(p, 'u');
    CHECK_INT(hear(p), 'u');
    finish(p);
}

/* Call this first in main. */
static inline void set_up_lock(void) {
    set_up();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || ipm_fork_watch() != 0) {
        printf("Bail out! no shared memory\n");
        exit(EXIT_FAILURE);
    }
}

#endif
