/*
 * The options that a segment is opened with.
 */
#ifndef IPM_CORE_OPTIONS_H
#define IPM_CORE_OPTIONS_H

#include "trust.h"

#include "../ipmmap.h"

/*
 * Copy what a caller gave, whatever version of the header it was compiled with, check it, and put
 * the defaults in.
 * given    NULL: none
 * returns  IPM_EINVALID
 */
int ipm_options_read(ipm_role role, const ipm_type *type, const ipm_options *given,
                     ipm_options *options, ipm_error *error);

static inline ipm_trust ipm_options_trust(const ipm_options *options) {
    return (ipm_trust){options->trust, options->trust_count};
}

#endif
