/*
 * Creating a segment, or putting another in its place.
 */
#ifndef IPM_CORE_CREATE_H
#define IPM_CORE_CREATE_H

#include "segment.h"

/* What creation has made, to be undone if it fails. */
typedef struct ipm_creation {
    int manager; /* keeps other managers out while it is open; or -1 */
    bool lock_made, data_made;
    bool replaced;
    bool reset; /* nothing was made: the segment was there, and is to start afresh */
    size_t mmap_made, lock_dir_made;
} ipm_creation;

/*
 * See to it that there is a segment of the layout, with other managers kept out until m->manager is
 * closed.
 *
 * segment  its names are made; its directories are looked at; a data file that was there is open
 * m        what was made, also on failure
 */
int ipm_create(ipm_segment *segment, const ipm_layout *layout, const ipm_options *options,
               ipm_creation *m, ipm_error *error);

/* Remove what was made, unless others have begun to use it. */
void ipm_create_undo(const ipm_names *names, const ipm_creation *m);

#endif
