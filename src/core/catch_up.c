#include "catch_up.h"

#include "clock.h"

#define TRIES 64 /* the number of turns that only try the lock: as long as falling asleep takes */
#define WAIT_NS (100 * IPM_MS) /* for the lock in each later turn: longer than a queue takes */

/* Take a turn under the lock. returns  false: the lock was not free, or the turn failed */
static bool turn_inside(ipm_snapshot *snapshot, ipm_rwlock *lock, int64_t timeout_ns) {
    /* This wait has a bound, so an interruption is left to a wait that has none. A lost name does
     * not end it either: the reader may still read what was committed. */
    int (*go_on)(ipm_rwlock *, bool) = lock->go_on;
    lock->go_on = NULL;
    int code = ipm_rwlock_read(lock, timeout_ns);
    lock->go_on = go_on;
    if (code != IPM_OK)
        return false;
    bool whole = ipm_snapshot_turn(snapshot);
    ipm_rwlock_unlock(lock);
    return whole;
}

void ipm_snapshot_catch_up(ipm_snapshot *snapshot, ipm_rwlock *lock) {
    for (unsigned tries = 0; !ipm_snapshot_turn(snapshot); tries++)
        if (lock != NULL && turn_inside(snapshot, lock, tries < TRIES ? 0 : WAIT_NS))
            break;
}
