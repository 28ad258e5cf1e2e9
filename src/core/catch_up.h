/*
 * The rest of a snapshot that commits have overtaken.
 *
 * After the first turn little is left to copy, but a writer of a few bytes may go on committing
 * faster than that is copied. Under the read lock nobody commits, so a turn succeeds there. The
 * lock cannot be waited for without bound, since its holder may be stopped; but then nobody commits
 * either, so a turn without the lock succeeds. Hence one after the other: see proof/progress.pml.
 */
#ifndef IPM_CORE_CATCH_UP_H
#define IPM_CORE_CATCH_UP_H

#include "rwlock.h"
#include "transaction.h"

/*
 * Take turns until one succeeds. The first ones try the lock, later ones wait for it, each for
 * 100 ms at most.
 *
 * lock  the caller's side of the lock, not held. NULL, if it has none: then there is no bound on
 *       the turns beside a writer that never rests. Where the thread has the lock through another
 *       side (IPM_EDEADLOCK), nobody else commits, and the next turn succeeds
 */
IPM_RARE void ipm_snapshot_catch_up(ipm_snapshot *snapshot, ipm_rwlock *lock);

#endif
