/*
 * Paths of parts that exist.
 */
#ifndef IPM_CORE_PATH_H
#define IPM_CORE_PATH_H

#include "../ipmmap.h"

/*
 * As ipm_type_find, in a struct with these values: each list on the way has the element, and each
 * optional value is present.
 * bytes    of type `type`, in shared memory
 * returns  IPM_EINVALID; IPM_ECORRUPT: a list has more elements than fit
 */
int ipm_type_find_in(const ipm_type *type, const unsigned char *bytes, const char *path,
                     size_t length, const ipm_type **found, uint64_t *offset, ipm_error *error);

#endif
