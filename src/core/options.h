/*
 * The options for opening a segment.
 */
#ifndef IPM_CORE_OPTIONS_H
#define IPM_CORE_OPTIONS_H

#include "trust.h"

#include "../ipmmap.h"

/*
 * Copy the caller's options, check them, and fill in the defaults. The caller may be compiled with
 * another version of the header.
 * given    NULL: no options
 * returns  IPM_EINVALID
 */
int ipm_options_read(ipm_role role, const ipm_type *type, const ipm_options *given,
                     ipm_options *options, ipm_error *error);

static inline ipm_trust ipm_options_trust(const ipm_options *options) {
    return (ipm_trust){options->trust, options->trust_count};
}

#endif
