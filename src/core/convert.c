/*
 * Converting the values of a struct as planned.
 */
#include "conversion.h"

#include "error.h"
#include "word.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef __int128 integer; /* holds every int64_t and every uint64_t */

static integer load_integer(ipm_kind kind, const void *at) {
    switch (kind) {
    case IPM_INT8:
        return (int8_t)ipm_load_u8(at);
    case IPM_UINT8:
        return ipm_load_u8(at);
    case IPM_INT16:
        return (int16_t)ipm_load_u16(at);
    case IPM_UINT16:
        return ipm_load_u16(at);
    case IPM_INT32:
        return (int32_t)ipm_load_u32(at);
    case IPM_UINT32:
        return ipm_load_u32(at);
    case IPM_INT64:
        return (int64_t)ipm_load_u64(at);
    default:
        return ipm_load_u64(at);
    }
}

/* returns  false: it is out of range */
static bool store_integer(ipm_kind kind, uint64_t size, integer value, void *into) {
    bool has_sign = ipm_family_of(kind) == IPM_SIGNED;
    unsigned bits = 8 * (unsigned)size - (has_sign ? 1 : 0);
    integer limit = (integer)1 << bits;
    if (value >= limit || value < (has_sign ? -limit : 0))
        return false;
    switch (size) {
    case 1:
        ipm_store_u8(into, (uint8_t)value);
        break;
    case 2:
        ipm_store_u16(into, (uint16_t)value);
        break;
    case 4:
        ipm_store_u32(into, (uint32_t)value);
        break;
    default:
        ipm_store_u64(into, (uint64_t)value);
    }
    return true;
}

static double load_real(ipm_kind kind, const void *at) {
    float narrow;
    double wide;
    memcpy(&narrow, at, sizeof narrow);
    if (kind == IPM_FLOAT)
        return narrow;
    memcpy(&wide, at, sizeof wide);
    return wide;
}

/* returns  false: a finite number is out of range */
static bool store_real(ipm_kind kind, double wide, void *into) {
    float narrow = (float)wide;
    if (kind == IPM_DOUBLE)
        memcpy(into, &wide, sizeof wide);
    else if (isinf(narrow) && !isinf(wide))
        return false;
    else
        memcpy(into, &narrow, sizeof narrow);
    return true;
}

/* returns  false: it has a fraction, or is too large for any integer */
static bool integer_of(double real, integer *value) {
    const double limit = 0x1p64;
    *value = real > -limit && real < limit ? (integer)real : 0;
    return (double)*value == real;
}

static bool convert_number(const ipm_step *s, const unsigned char *from, unsigned char *into) {
    bool was_real = ipm_family_of(s->from_kind) == IPM_REAL;
    bool becomes_real = ipm_family_of(s->to_kind) == IPM_REAL;
    double real = was_real ? load_real(s->from_kind, from) : 0;
    integer value = was_real ? 0 : load_integer(s->from_kind, from);
    if (becomes_real)
        return store_real(s->to_kind, was_real ? real : (double)value, into);
    return (!was_real || integer_of(real, &value)) &&
           store_integer(s->to_kind, s->to_size, value, into);
}

static bool continues_character(unsigned char byte) {
    return (byte & 0xc0) == 0x80;
}

/* The length of a text of `room` bytes and more when it is cut after a whole character. */
static uint64_t cut_length(const unsigned char *text, uint64_t room) {
    uint64_t length = room;
    while (room - length < 3 && length > 0 && continues_character(text[length]))
        length--;
    return continues_character(text[length]) ? room : length; /* it is not UTF-8 */
}

static bool convert_text(const ipm_step *s, const unsigned char *from, unsigned char *into) {
    uint64_t length = strnlen((const char *)from, s->from_size);
    bool fits = length <= s->to_size;
    memcpy(into, from, fits ? length : cut_length(from, s->to_size));
    return fits;
}

static bool is_zero(const unsigned char *bytes, uint64_t size) {
    for (uint64_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* ---- The run ----------------------------------------------------------------------------- */

/* returns  false: a value was lost */
static bool run_step(const ipm_step *s, const unsigned char *from, unsigned char *into) {
    switch (s->kind) {
    case IPM_STEP_NUMBER:
        return convert_number(s, from, into);
    case IPM_STEP_TEXT:
        return convert_text(s, from, into);
    case IPM_STEP_REST:
        return is_zero(from, s->from_size);
    default:
        memcpy(into, from, s->from_size);
        return true;
    }
}

static void run_steps(ipm_conversion *c, size_t first, size_t end, const unsigned char *from,
                      unsigned char *into) {
    for (size_t i = first; i < end; i++) {
        const ipm_step *s = &c->steps[i];
        const unsigned char *old = from + s->from;
        unsigned char *new = into + s->to;
        if (s->kind != IPM_STEP_EACH) {
            if (!run_step(s, old, new))
                c->fates[s->fate].outcome = IPM_DROPPED;
            continue;
        }
        for (uint64_t n = 0; n < s->count; n++)
            run_steps(c, i + 1, s->end, old + n * s->from_size, new + n * s->to_size);
        i = s->end - 1;
    }
}

static ipm_paths list_fates(const ipm_conversion *c, ipm_outcome is, const char ***free_paths) {
    ipm_paths listed = {.paths = *free_paths};
    for (size_t i = 0; i < c->fate_count; i++)
        if (c->fates[i].outcome == is)
            (*free_paths)[listed.count++] = c->fates[i].path;
    *free_paths += listed.count;
    return listed;
}

static int by_old_offset(const void *a, const void *b) {
    uint64_t x = ((const ipm_fate *)a)->from, y = ((const ipm_fate *)b)->from;
    return (x > y) - (x < y);
}

void ipm_conversion_run(ipm_conversion *conversion, const void *from, void *into) {
    ipm_conversion *c = conversion;
    const char **free_paths = c->paths;
    run_steps(c, 0, c->step_count, from, into);
    c->report.kept = list_fates(c, IPM_KEPT, &free_paths);
    c->report.added = list_fates(c, IPM_ADDED, &free_paths);
    qsort(c->fates, c->fate_count, sizeof(ipm_fate), by_old_offset);
    c->report.dropped = list_fates(c, IPM_DROPPED, &free_paths);
}

/* ------------------------------------------------------------------------------------------ */

void ipm_migration_free(ipm_migration *migration) {
    ipm_conversion *c = (ipm_conversion *)migration; /* the report is its first member */
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->fate_count; i++)
        free(c->fates[i].path);
    free(c->fates);
    free(c->steps);
    free(c->paths);
    free(c);
}

int ipm_convert(const ipm_type *from, const void *data, const ipm_type *to, void *into, bool lossy,
                ipm_migration **migration, ipm_error *error) {
    ipm_conversion *conversion;
    ipm_error detail;
    int code = ipm_conversion_plan(from, to, lossy, &conversion, &detail);
    if (migration != NULL)
        *migration = NULL;
    if (code != IPM_OK)
        return ipm_report(code, &detail, error);
    memset(into, 0, to->size);
    ipm_conversion_run(conversion, data, into);
    if (migration != NULL)
        *migration = &conversion->report;
    else
        ipm_migration_free(&conversion->report);
    return IPM_OK;
}
