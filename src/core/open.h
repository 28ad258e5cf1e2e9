/*
 * Opening and releasing a handle, for the core's own use.
 */
#ifndef IPM_CORE_OPEN_H
#define IPM_CORE_OPEN_H

#include "handle.h"

/* ipm_segment_open, for that access. */
int ipm_segment_open_for(ipm_role role, ipm_access access, const ipm_layout *layout,
                         const ipm_options *options, ipm_segment **segment, ipm_error *error);

/* Unmap and free. The lock is not held, or is the parent's. */
void ipm_segment_release(ipm_segment *segment);

#endif
