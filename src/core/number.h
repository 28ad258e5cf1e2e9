/*
 * Numbers of the integer and real kinds: their text, their bytes, and their limits. The text does
 * not depend on the host's locale.
 */
#ifndef IPM_CORE_NUMBER_H
#define IPM_CORE_NUMBER_H

#include "../ipmmap.h"

#define IPM_NUMBER_TEXT 64 /* bytes that any number's text needs, with a final NUL */

static inline bool ipm_kind_is_integer(ipm_kind kind) {
    return kind >= IPM_INT8 && kind <= IPM_UINT64;
}

static inline bool ipm_kind_is_real(ipm_kind kind) {
    return kind == IPM_FLOAT || kind == IPM_DOUBLE;
}

/* Whether a number of this integer kind is in ipm_number.i. */
static inline bool ipm_kind_is_signed(ipm_kind kind) {
    return kind == IPM_INT8 || kind == IPM_INT16 || kind == IPM_INT32 || kind == IPM_INT64;
}

/* Whether the text is a decimal number, such as "-12", "0.5" or "1e-9". */
bool ipm_number_is_decimal(const char *text);

typedef enum ipm_reading {
    IPM_READING_DONE,
    IPM_READING_FRACTION, /* an integer's text has a fraction or an exponent */
    IPM_READING_OUTSIDE   /* it is outside the range of the kind */
} ipm_reading;

/* Read a decimal number. That of a float is rounded to float. */
ipm_reading ipm_number_read(const char *text, ipm_kind kind, ipm_number *number);

/* Write an integer in decimal, a real as the shortest decimal that ipm_number_read reads as the
 * same, or "nan", "inf", "-inf". returns  text */
char *ipm_number_write(ipm_kind kind, ipm_number number, char text[IPM_NUMBER_TEXT]);

/* The bytes may have any address. */
ipm_number ipm_number_load(ipm_kind kind, const void *bytes);
void ipm_number_store(ipm_kind kind, ipm_number number, void *bytes);

/* The least and the greatest number of an integer kind. */
void ipm_number_range(ipm_kind kind, ipm_number *min, ipm_number *max);

/* Negative, 0 or positive. For integers, and for reals that are not NaN. */
int ipm_number_compare(ipm_kind kind, ipm_number a, ipm_number b);

typedef enum ipm_fit { IPM_FITS, IPM_FIT_BELOW, IPM_FIT_ABOVE, IPM_FIT_NAN } ipm_fit;

/* Whether a number is within limits. */
ipm_fit ipm_limits_fit(const ipm_limits *limits, ipm_kind kind, ipm_number number);

#endif
