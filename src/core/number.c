#include "number.h"

#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The thread's locale becomes C, in which a decimal point is a point, and then what it was before.
 * The C locale is a constant of the libc, so there is always memory for it.
 */
typedef struct plain_locale {
    locale_t plain, before;
} plain_locale;

static plain_locale enter_locale(void) {
    plain_locale l = {.plain = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
    l.before = uselocale(l.plain);
    return l;
}

static void leave_locale(plain_locale l) {
    uselocale(l.before);
    if (l.plain != (locale_t)0)
        freelocale(l.plain);
}

/* ---- Text -------------------------------------------------------------------------------- */

static const char *skip_digits(const char *text) {
    while (*text >= '0' && *text <= '9')
        text++;
    return text;
}

bool ipm_number_is_decimal(const char *text) {
    const char *start = text + (*text == '-');
    const char *end = skip_digits(start);
    if (end == start || (*start == '0' && end - start > 1))
        return false;
    if (*end == '.') {
        start = end + 1;
        end = skip_digits(start);
        if (end == start)
            return false;
    }
    if (*end == 'e' || *end == 'E') {
        start = end + 1;
        start += *start == '-' || *start == '+';
        end = skip_digits(start);
        if (end == start)
            return false;
    }
    return *end == '\0';
}

static double read_real(const char *text) {
    plain_locale locale = enter_locale();
    double value = strtod(text, NULL);
    leave_locale(locale);
    return value;
}

void ipm_number_range(ipm_kind kind, ipm_number *min, ipm_number *max) {
    static const uint64_t most[] = {
        [IPM_INT8] = INT8_MAX,     [IPM_INT16] = INT16_MAX,   [IPM_INT32] = INT32_MAX,
        [IPM_INT64] = INT64_MAX,   [IPM_UINT8] = UINT8_MAX,   [IPM_UINT16] = UINT16_MAX,
        [IPM_UINT32] = UINT32_MAX, [IPM_UINT64] = UINT64_MAX,
    };
    min->i = 0;
    max->u = most[kind];
    if (ipm_kind_is_signed(kind))
        min->i = -max->i - 1;
}

static ipm_reading read_integer(const char *text, ipm_kind kind, ipm_number *number) {
    bool negative = *text == '-';
    const char *digits = text + negative;
    uint64_t value = 0;
    if (*skip_digits(digits) != '\0')
        return IPM_READING_FRACTION;
    for (const char *c = digits; *c != '\0'; c++) {
        uint64_t digit = (uint64_t)(*c - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return IPM_READING_OUTSIDE;
        value = value * 10 + digit;
    }
    ipm_number min, max;
    ipm_number_range(kind, &min, &max);
    if (value > (negative ? 0 - min.u : max.u))
        return IPM_READING_OUTSIDE;
    number->u = negative ? 0 - value : value;
    return IPM_READING_DONE;
}

ipm_reading ipm_number_read(const char *text, ipm_kind kind, ipm_number *number) {
    if (ipm_kind_is_integer(kind))
        return read_integer(text, kind, number);
    double value = read_real(text);
    if (kind == IPM_FLOAT)
        value = (double)(float)value;
    if (isinf(value))
        return IPM_READING_OUTSIDE;
    number->f = value;
    return IPM_READING_DONE;
}

/* "%g" leaves out zeros at the end. So the search begins with the digits that every decimal keeps
 * in this kind, but for subnormal numbers, which keep fewer. */
static void write_real(ipm_kind kind, double value, char text[IPM_NUMBER_TEXT]) {
    const double whole = 1e15; /* integers below it are written without an exponent */
    if (isnan(value) || isinf(value)) {
        snprintf(text, IPM_NUMBER_TEXT, "%s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    if (fabs(value) < whole && value == (double)(int64_t)value) {
        snprintf(text, IPM_NUMBER_TEXT, "%.0f", value);
        return;
    }
    const double normal = kind == IPM_FLOAT ? (double)FLT_MIN : DBL_MIN;
    int digits = fabs(value) < normal ? 1 : kind == IPM_FLOAT ? FLT_DIG : DBL_DIG;
    for (; digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(text, IPM_NUMBER_TEXT, "%.*g", digits, value);
        double read = strtod(text, NULL);
        if (read == value || (kind == IPM_FLOAT && (float)read == (float)value))
            return;
    }
}

char *ipm_number_write(ipm_kind kind, ipm_number number, char text[IPM_NUMBER_TEXT]) {
    if (ipm_kind_is_signed(kind)) {
        snprintf(text, IPM_NUMBER_TEXT, "%" PRId64, number.i);
    } else if (ipm_kind_is_integer(kind)) {
        snprintf(text, IPM_NUMBER_TEXT, "%" PRIu64, number.u);
    } else {
        plain_locale locale = enter_locale();
        write_real(kind, number.f, text);
        leave_locale(locale);
    }
    return text;
}

/* ---- Bytes ------------------------------------------------------------------------------- */

#define LOAD(type, member)                                                                         \
    do {                                                                                           \
        type value_;                                                                               \
        memcpy(&value_, bytes, sizeof value_);                                                     \
        return (ipm_number){.member = value_};                                                     \
    } while (0)

#define STORE(type, member)                                                                        \
    do {                                                                                           \
        type value_ = (type)number.member;                                                         \
        memcpy(bytes, &value_, sizeof value_);                                                     \
    } while (0)

ipm_number ipm_number_load(ipm_kind kind, const void *bytes) {
    switch ((int)kind) {
    case IPM_INT8:
        LOAD(int8_t, i);
    case IPM_INT16:
        LOAD(int16_t, i);
    case IPM_INT32:
        LOAD(int32_t, i);
    case IPM_INT64:
        LOAD(int64_t, i);
    case IPM_UINT16:
        LOAD(uint16_t, u);
    case IPM_UINT32:
        LOAD(uint32_t, u);
    case IPM_UINT64:
        LOAD(uint64_t, u);
    case IPM_FLOAT:
        LOAD(float, f);
    case IPM_DOUBLE:
        LOAD(double, f);
    default:
        LOAD(uint8_t, u);
    }
}

void ipm_number_store(ipm_kind kind, ipm_number number, void *bytes) {
    switch ((int)kind) {
    case IPM_INT16:
    case IPM_UINT16:
        STORE(uint16_t, u);
        break;
    case IPM_INT32:
    case IPM_UINT32:
        STORE(uint32_t, u);
        break;
    case IPM_INT64:
    case IPM_UINT64:
        STORE(uint64_t, u);
        break;
    case IPM_FLOAT:
        STORE(float, f);
        break;
    case IPM_DOUBLE:
        STORE(double, f);
        break;
    default:
        STORE(uint8_t, u);
    }
}

/* ---- Limits ------------------------------------------------------------------------------ */

int ipm_number_compare(ipm_kind kind, ipm_number a, ipm_number b) {
    if (ipm_kind_is_real(kind))
        return (a.f > b.f) - (a.f < b.f);
    if (ipm_kind_is_signed(kind))
        return (a.i > b.i) - (a.i < b.i);
    return (a.u > b.u) - (a.u < b.u);
}

ipm_fit ipm_limits_fit(const ipm_limits *limits, ipm_kind kind, ipm_number number) {
    if (ipm_kind_is_real(kind) && isnan(number.f))
        return IPM_FIT_NAN;
    if (limits->has_min && ipm_number_compare(kind, number, limits->min) < 0)
        return IPM_FIT_BELOW;
    if (limits->has_max && ipm_number_compare(kind, number, limits->max) > 0)
        return IPM_FIT_ABOVE;
    return IPM_FITS;
}
