/*
 * Limits of numbers, for those who store them.
 */
#ifndef IPM_CORE_LIMITS_H
#define IPM_CORE_LIMITS_H

#include "number.h"

#include <string.h>

/* The number of a kind that has been stored as these bits, in an integer of its size. */
static inline ipm_number ipm_number_of_bits(ipm_kind kind, uint64_t bits) {
    ipm_number number = {.u = bits};
    switch ((int)kind) {
    case IPM_INT8:
        number.i = (int64_t)(bits << 56) >> 56;
        break;
    case IPM_INT16:
        number.i = (int64_t)(bits << 48) >> 48;
        break;
    case IPM_INT32:
        number.i = (int64_t)(bits << 32) >> 32;
        break;
    case IPM_FLOAT: {
        uint32_t narrow = (uint32_t)bits;
        float real;
        memcpy(&real, &narrow, sizeof real);
        number.f = real;
        break;
    }
    default:
        break;
    }
    return number;
}

/* Whether a number is within the limits of its type, if that has any. bits: as they are stored */
static inline bool ipm_within(const ipm_type *type, uint64_t bits) {
    return __builtin_expect(type->limits == NULL, true) ||
           ipm_limits_fit(type->limits, type->kind, ipm_number_of_bits(type->kind, bits)) ==
               IPM_FITS;
}

#define IPM_REFUSAL_TEXT (2 * IPM_NUMBER_TEXT + 32)

/* Why a number that is not within the limits is refused: "1.5 is above the limit of 1".
 * returns  text */
char *ipm_refusal(const ipm_type *type, ipm_number number, char text[IPM_REFUSAL_TEXT]);

#endif
