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
    IPM_STEP_COPY,   /* the bytes of the type `from_type` */
    IPM_STEP_NUMBER, /* from one number type to another, or to one with limits */
    IPM_STEP_TEXT,   /* of one kind, to another size */
    IPM_STEP_REST,   /* the bytes of the array from its element number `kept` on, which have no
                        place */
    IPM_STEP_EACH    /* the steps up to `end`, for each element */
} ipm_step_kind;

/*
 * A step of a plan. Its offsets count from the start of the struct, or of an element of the
 * innermost EACH around it. The types of an EACH are arrays, lists and optional types; or one of
 * them is a type whose optional type is the other one, and counts as one element.
 */
typedef struct ipm_step {
    ipm_step_kind kind;
    const ipm_type *from_type, *to_type;
    uint64_t from, to;
    uint64_t kept;
    size_t end;
    size_t fate; /* of what the step converts */
    size_t rest; /* of an EACH: the fate of the elements of a list that have no place */
} ipm_step;

/* The type of the elements that an EACH takes from, or stores in, a type. other: its second type */
static inline const ipm_type *ipm_step_element(const ipm_type *type, const ipm_type *other) {
    bool is_one = other->kind == IPM_OPTIONAL && type->kind != IPM_OPTIONAL;
    return is_one ? type : type->element;
}

typedef enum ipm_outcome { IPM_KEPT, IPM_ADDED, IPM_DROPPED, IPM_UNLISTED } ipm_outcome;

/* What becomes of a field, or of the elements that an array loses. */
typedef struct ipm_fate {
    ipm_outcome outcome;
    uint64_t from; /* its offset in the old struct */
    char *path;
} ipm_fate;

typedef struct ipm_conversion {
    ipm_migration report; /* empty before the run; its lists are parts of `paths` */
    bool lossy;
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

/*
 * Convert, once. `from` does not change meanwhile, and `into` has its first values: see
 * ipm_type_initialize.
 * returns  IPM_ELAYOUT: a value is outside the new limits, and the conversion is not lossy;
 *          IPM_ECORRUPT: a list has more elements than fit. `into` has a part of the values then
 */
int ipm_conversion_run(ipm_conversion *conversion, const void *from, void *into, ipm_error *error);

#endif
