#include "abandon.h"

#include "error.h"
#include "fork.h"
#include "handle.h"

void ipm_segment_show(ipm_segment *segment, unsigned char **shown) {
    segment->shown = shown;
}

/* Each thread has a number of its own, so a later lock of another thread is not mistaken for it. */
bool ipm_segment_was_abandoned(const ipm_segment *segment) {
    return segment->abandoned != 0 && segment->abandoned == segment->lock.thread;
}

void ipm_segment_abandon(ipm_rwlock *lock) {
    ipm_segment *segment = ipm_segment_of_lock(lock);
    if (segment->role != IPM_READER)
        ipm_transaction_rollback(&segment->transaction);
    segment->view = NULL;
    if (segment->shown != NULL)
        *segment->shown = NULL;
    segment->abandoned = lock->thread;
}

int ipm_segment_not_locked(const ipm_segment *segment, ipm_error *error) {
    const char *why = "is held by another thread, which alone can release it";
    if (segment->generation != ipm_fork_generation)
        return ipm_segment_fail_forked(segment, error);
    if (segment->view == NULL)
        why = ipm_segment_was_abandoned(segment)
                  ? "is no longer held: the thread that held it has ended, and what that thread "
                    "had changed was rolled back"
                  : "is not held";
    return ipm_fail(error, IPM_EINVALID, 0, "%s: the lock %s", segment->name, why);
}
