/*
 * Opening and releasing a handle, for the core's own use.
 */
#ifndef IPM_CORE_OPEN_H
#define IPM_CORE_OPEN_H

#include "handle.h"

/* ipm_segment_open, for that access. */
int ipm_segment_open_for(ipm_role role, ipm_access access, const ipm_layout *layout,
                         const ipm_options *options, ipm_segment **segment, ipm_error *error);

/* How many times to look for the file while a manager replaces the segment. This is a count and not
 * a time: a process that does not run for that long would have looked only once. */
#define IPM_MANY_LOOKS 100

typedef struct ipm_opening {
    ipm_role role;
    ipm_access access;
    const ipm_layout *layout;
    const ipm_options *options; /* checked */
    unsigned looks;
} ipm_opening;

/*
 * Try once to open. ipm_fork_watch was called before.
 * returns  as ipm_segment_open; IPM_EREPLACED: another manager replaced or destroyed the segment
 *          before this one could reset it
 */
int ipm_segment_open_once(const ipm_opening *opening, ipm_segment **segment, ipm_error *error);

/* Unmap and free. The lock is not held, or is the parent's. */
void ipm_segment_release(ipm_segment *segment);

#endif
