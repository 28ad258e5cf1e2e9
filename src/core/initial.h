/*
 * The first values of a struct: its fields' defaults, and zero.
 */
#ifndef IPM_CORE_INITIAL_H
#define IPM_CORE_INITIAL_H

#include "layout.h"

/* Whether ipm_type_initialize stores anything but zero. */
static inline bool ipm_type_has_initial(const ipm_type *type) {
    return ipm_node_of(type)->has_initial;
}

/*
 * Store the defaults where all bytes are zero. Bytes without a default are not touched, except in
 * arrays whose elements have one.
 * into   may be in shared memory
 */
void ipm_type_store_defaults(const ipm_type *type, void *into);

#endif
