/*
 * Waits for a commit, and their end by interruptions.
 */
#ifndef IPM_CORE_WAIT_H
#define IPM_CORE_WAIT_H

#include "rwlock.h"

/*
 * Look for a commit after `version`, or for another segment that the handle now follows.
 * returns  IPM_OK; IPM_ETIMEOUT: there is none yet (and no text); or why the handle fails
 */
int ipm_segment_look(ipm_segment *segment, uint64_t version, uint64_t *now, ipm_error *error);

/* Whether a wait of the handle was interrupted. Each interruption ends one wait. */
bool ipm_segment_take_interrupt(ipm_segment *segment);

/* As `go_on` of a handle's lock: a wait ends with an interruption, or when the name is
 * lost, or when the handle may not write any more because the segment is shared. */
int ipm_segment_go_on(ipm_rwlock *lock, bool has_waited);

#endif
