/*
 * Creating a segment, or replacing one by a new one.
 */
#ifndef IPM_CORE_CREATE_H
#define IPM_CORE_CREATE_H

#include "segment.h"

/* What a creation has made so far. It is undone if the creation fails. */
typedef struct ipm_creation {
    int manager; /* keeps other managers out while it is open; or -1 */
    bool lock_made, data_made;
    bool replaced;
    bool reset; /* nothing was made: the segment existed, and its data is to be reset */
    size_t mmap_made, lock_dir_made;
} ipm_creation;

/*
 * Make sure that the directories exist, and keep other managers out until m->manager is closed.
 * segment  has its names and its deadline; this call fills in its directories
 */
int ipm_create_begin(ipm_segment *segment, const ipm_options *options, ipm_creation *m,
                     ipm_error *error);

/*
 * Make sure that a segment of the layout exists. m->manager keeps other managers out until it is
 * closed.
 *
 * segment  has its names; this call fills in its directories; a data file that existed is opened
 * m        what was made, also on failure
 */
int ipm_create(ipm_segment *segment, const ipm_layout *layout, const ipm_options *options,
               ipm_creation *m, ipm_error *error);

/* Remove what was made, unless other processes have begun to use it. */
void ipm_create_undo(const ipm_names *names, const ipm_creation *m);

#endif
