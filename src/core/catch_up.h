/*
 * The rest of a snapshot that commits have overtaken.
 *
 * After the first turn little is left to copy, but a writer of a few bytes may go on committing
 * faster than a reader copies. A turn succeeds under the read lock, since no writer commits then.
 * The reader must not wait for the lock without bound, since its holder may be stopped; but then no
 * writer commits either, and a turn without the lock succeeds. So turns without the lock and turns
 * under it alternate: see proof/progress.pml.
 */
#ifndef IPM_CORE_CATCH_UP_H
#define IPM_CORE_CATCH_UP_H

#include "rwlock.h"
#include "transaction.h"

/*
 * Take turns until one succeeds. The first turns try the lock; later ones wait for it, each for at
 * most 100 ms.
 *
 * lock  the caller's side of the lock, not held. NULL: the caller has none, and the number of turns
 *       beside a writer that never rests has no bound. If the thread holds the lock through another
 *       side (IPM_EDEADLOCK), no other thread commits, and the next turn succeeds
 */
IPM_COLD void ipm_snapshot_catch_up(ipm_snapshot *snapshot, ipm_rwlock *lock);

#endif
