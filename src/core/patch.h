/*
 * Patches: what changes of a struct, as a sequence of runs. See IPM_RUN_HEADER in ipmmap.h.
 */
#ifndef IPM_CORE_PATCH_H
#define IPM_CORE_PATCH_H

#include "../ipmmap.h"

/* The runs that are not read yet. */
typedef struct ipm_patch {
    const unsigned char *bytes;
    size_t size;
} ipm_patch;

typedef struct ipm_run {
    uint64_t offset;
    uint64_t size; /* 0: there is no run */
    const unsigned char *bytes;
} ipm_run;

/* Read the next run of a patch whose runs lie within it. *run has size 0 if there is none.
 * returns  whether there is one */
bool ipm_patch_next(ipm_patch *patch, ipm_run *run);

/*
 * Check what a patch would store: bools, the zeros behind texts, and counts of lists. Values that
 * no run touches are not looked at, except for those that a list or an optional value gets.
 *
 * data     the present values of the type; no other thread changes them
 * limits   also check the limits of the numbers that change
 * returns  IPM_ECORRUPT: the text names the first value that is refused
 */
int ipm_patch_check(const ipm_type *type, const unsigned char *data, ipm_patch patch, bool limits,
                    ipm_error *error);

/* Check all values of a struct that another machine has sent, in the same way, but for limits. */
int ipm_received_check(const ipm_type *type, const unsigned char *data, ipm_error *error);

#endif
