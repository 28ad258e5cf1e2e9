/*
 * Replacing a segment of another layout by one that has its values.
 */
#ifndef IPM_CORE_MIGRATE_H
#define IPM_CORE_MIGRATE_H

#include "handle.h"

/*
 * Migrate the segment at the names of `segment`, whose data file has another layout. The caller
 * keeps other managers out.
 *
 * segment  has its names; this call opens the new data file, and fills in `migration` and a new
 *          deadline
 * returns  as ipm_options says of `migrate`. On failure the old segment is unchanged, and
 *          the caller closes the data file
 */
int ipm_migrate_segment(ipm_segment *segment, const ipm_layout *layout, const ipm_options *options,
                        ipm_error *error);

#endif
