/*
 * Converting a struct to another layout: first a plan, made of the two layouts alone, then a run
 * over the values. ipmmap.h says what becomes what.
 */
#ifndef IPM_CORE_CONVERSION_H
#define IPM_CORE_CONVERSION_H

#include "../ipmmap.h"

typedef enum ipm_family { IPM_SIGNED, IPM_UNSIGNED, IPM_REAL, IPM_NO_NUMBER } ipm_family;

static inline ipm_family ipm_family_of(ipm_kind kind) {
    switch (kind) {
    case IPM_INT8:
    case IPM_INT16:
    case IPM_INT32:
    case IPM_INT64:
        return IPM_SIGNED;
    case IPM_UINT8:
    case IPM_UINT16:
    case IPM_UINT32:
    case IPM_UINT64:
        return IPM_UNSIGNED;
    case IPM_FLOAT:
    case IPM_DOUBLE:
        return IPM_REAL;
    default:
        return IPM_NO_NUMBER;
    }
}

typedef enum ipm_step_kind {
    IPM_STEP_COPY,   /* from_size bytes */
    IPM_STEP_NUMBER, /* from from_kind to to_kind */
    IPM_STEP_TEXT,   /* of from_size bytes, to a shorter one of to_size bytes */
    IPM_STEP_REST,   /* from_size bytes, which have no place */
    IPM_STEP_EACH /* the steps up to `end`, for `count` elements of from_size and to_size bytes */
} ipm_step_kind;

/* A step of a plan. Its offsets count from the start of the struct, or of an element of the
 * innermost EACH around it. */
typedef struct ipm_step {
    ipm_step_kind kind;
    ipm_kind from_kind, to_kind;
    uint64_t from, to;
    uint64_t from_size, to_size;
    uint64_t count;
    size_t end;
    size_t fate; /* of what the step converts: an index */
} ipm_step;

typedef enum ipm_outcome { IPM_KEPT, IPM_ADDED, IPM_DROPPED, IPM_UNLISTED } ipm_outcome;

/* What becomes of a field, or of the elements that an array loses. */
typedef struct ipm_fate {
    ipm_outcome outcome;
    uint64_t from; /* its offset in the old struct */
    char *path;
} ipm_fate;

typedef struct ipm_conversion {
    ipm_migration report; /* empty before the run; its lists are parts of `paths` */
    ipm_step *steps;
    size_t step_count, step_room;
    ipm_fate *fates;
    size_t fate_count, fate_room;
    const char **paths; /* room for one of each fate */
} ipm_conversion;

/*
 * Plan a conversion. Both types must outlive it.
 * returns  IPM_ELAYOUT: not without loss; IPM_ESYSTEM
 * owner    the caller, who frees it by ipm_migration_free(&conversion->report)
 */
int ipm_conversion_plan(const ipm_type *from, const ipm_type *to, bool lossy,
                        ipm_conversion **conversion, ipm_error *error);

/* Convert, once. `from` does not change meanwhile, and `into` is all zero. */
void ipm_conversion_run(ipm_conversion *conversion, const void *from, void *into);

#endif
