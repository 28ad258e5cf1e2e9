/*
 * Converting the values of a struct as planned.
 */
#include "conversion.h"

#include "error.h"
#include "excerpt.h"
#include "limits.h"
#include "utf.h"
#include "word.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef __int128 integer; /* holds every int64_t and every uint64_t */

static integer integer_in(ipm_kind kind, ipm_number number) {
    return ipm_family_of(kind) == IPM_SIGNED ? (integer)number.i : (integer)number.u;
}

/* returns  false: it is out of the range of the kind */
static bool to_integer(ipm_kind kind, integer value, ipm_number *number) {
    ipm_number min, max;
    ipm_number_range(kind, &min, &max);
    if (value < integer_in(kind, min) || value > integer_in(kind, max))
        return false;
    number->u = (uint64_t)value;
    return true;
}

/* returns  false: a finite number is out of the range of the kind */
static bool to_real(ipm_kind kind, double wide, ipm_number *number) {
    float narrow = (float)wide;
    number->f = kind == IPM_DOUBLE ? wide : (double)narrow;
    return kind == IPM_DOUBLE || !isinf(narrow) || isinf(wide);
}

/* returns  false: it has a fraction, or is too large for any integer */
static bool integer_of(double real, integer *value) {
    const double limit = 0x1p64;
    *value = real > -limit && real < limit ? (integer)real : 0;
    return (double)*value == real;
}

/* returns  false: the new kind does not have the number */
static bool convert_number(ipm_kind from, ipm_number old, ipm_kind to, ipm_number *new) {
    bool was_real = ipm_family_of(from) == IPM_REAL;
    integer value = was_real ? 0 : integer_in(from, old);
    if (ipm_family_of(to) == IPM_REAL)
        return to_real(to, was_real ? old.f : (double)value, new);
    return (!was_real || integer_of(old.f, &value)) && to_integer(to, value, new);
}

/* ---- Texts ------------------------------------------------------------------------------- */

static bool is_zero(const unsigned char *bytes, uint64_t size) {
    for (uint64_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
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

/* The number of bytes of a text before its first zero unit. */
static uint64_t text_length(const ipm_type *type, const unsigned char *text) {
    const uint64_t unit = ipm_unit_size(type->kind);
    uint64_t length = 0;
    while (length < type->size && !is_zero(text + length, unit))
        length += unit;
    return length;
}

/* The length of a text, of which `room` bytes are kept, without the half of a surrogate pair. */
static uint64_t cut_units(ipm_kind kind, const unsigned char *text, uint64_t room) {
    uint16_t last, next;
    if (kind == IPM_CHAR)
        return cut_length(text, room);
    if (kind == IPM_CHAR32)
        return room;
    memcpy(&last, text + room - sizeof last, sizeof last);
    memcpy(&next, text + room, sizeof next);
    bool is_pair = (last & 0xfc00) == 0xd800 && (next & 0xfc00) == 0xdc00;
    return is_pair ? room - sizeof last : room;
}

/* returns  false: it was cut */
static bool convert_text(const ipm_step *s, const unsigned char *from, unsigned char *into) {
    uint64_t room = s->to_type->size, length = text_length(s->from_type, from);
    bool fits = length <= room;
    uint64_t kept = fits ? length : cut_units(s->from_type->kind, from, room);
    memset(into, 0, room); /* where the default was */
    memcpy(into, from, kept);
    return fits;
}

/* ---- The run ----------------------------------------------------------------------------- */

typedef struct conversion_run {
    ipm_conversion *plan;
    uint64_t lost; /* how many values */
    ipm_error *error;
} conversion_run;

static void lose(conversion_run *r, size_t fate) {
    r->plan->fates[fate].outcome = IPM_DROPPED;
    r->lost++;
}

static int run_number(conversion_run *r, const ipm_step *s, const unsigned char *from,
                      unsigned char *into) {
    const ipm_type *type = s->to_type;
    char text[IPM_REFUSAL_TEXT];
    ipm_number number;
    ipm_number old = ipm_number_load(s->from_type->kind, from);
    bool is_lost = !convert_number(s->from_type->kind, old, type->kind, &number);
    bool fits = !is_lost && (type->limits == NULL ||
                             ipm_limits_fit(type->limits, type->kind, number) == IPM_FITS);
    if (fits) {
        ipm_number_store(type->kind, number, into);
    } else if (is_lost || r->plan->lossy) {
        lose(r, s->fate);
    } else {
        const char *path = r->plan->fates[s->fate].path;
        return ipm_fail(r->error, IPM_ELAYOUT, 0,
                        "%s: %s, and only a lossy conversion may lose the value",
                        ipm_excerpt_of(path, strlen(path)).text, ipm_refusal(type, number, text));
    }
    return IPM_OK;
}

static int run_steps(conversion_run *r, size_t first, size_t end, const unsigned char *from,
                     unsigned char *into);

/* The number of elements that there are. */
static int count_old(conversion_run *r, const ipm_step *s, const unsigned char *from,
                     uint64_t *count) {
    const ipm_type *type = s->from_type;
    *count = 1;
    if (type->kind == IPM_OPTIONAL)
        *count = ipm_load_u8(from) != 0 ? 1 : 0;
    else if (ipm_step_element(type, s->to_type) != type)
        *count = type->kind == IPM_LIST ? ipm_load_u32(from) : type->count;
    if (type->kind != IPM_LIST || *count <= type->count)
        return IPM_OK;
    const char *path = r->plan->fates[s->fate].path;
    return ipm_fail(r->error, IPM_ECORRUPT, 0, "%s: %llu elements are more than its %llu",
                    ipm_excerpt_of(path, strlen(path)).text, (unsigned long long)*count,
                    (unsigned long long)type->count);
}

/* Store how many elements a list or an optional type has. */
static void store_count(const ipm_type *type, uint64_t count, unsigned char *into) {
    const uint32_t used = (uint32_t)count;
    if (type->kind == IPM_LIST)
        memcpy(into, &used, sizeof used);
    else
        *into = count != 0;
}

static int run_each(conversion_run *r, const ipm_step *s, size_t first, const unsigned char *from,
                    unsigned char *into) {
    const ipm_type *a = s->from_type, *b = s->to_type;
    const ipm_type *old = ipm_step_element(a, b), *new = ipm_step_element(b, a);
    const unsigned char *old_at = from + (old == a ? 0 : a->inner);
    unsigned char *new_at = into + (new == b ? 0 : b->inner);
    const bool is_new = new != b && b->kind != IPM_ARRAY;
    const uint64_t room = new == b ? 1 : b->count, lost = r->lost;
    uint64_t count;
    int code = count_old(r, s, from, &count);
    if (code != IPM_OK)
        return code;
    if (a->kind == IPM_LIST && count > room)
        lose(r, s->rest);
    count = count < room ? count : room;
    for (uint64_t i = 0; i < count && code == IPM_OK; i++) {
        if (is_new)
            ipm_type_initialize(new, new_at + i * new->size);
        code = run_steps(r, first, s->end, old_at + i * old->size, new_at + i * new->size);
    }
    if (b->kind == IPM_OPTIONAL && ipm_family_of(new->kind) != IPM_NO_NUMBER && r->lost != lost)
        count = 0; /* rather absent than another value */
    if (is_new)
        store_count(b, count, into);
    return code;
}

/* Whether the elements of an array that have no place are all zero. */
static bool is_rest_empty(const ipm_step *s, const unsigned char *from) {
    const ipm_type *type = s->from_type;
    const uint64_t kept = s->kept * type->element->size;
    return is_zero(from + kept, type->size - kept);
}

static int run_step(conversion_run *r, const ipm_step *s, const unsigned char *from,
                    unsigned char *into) {
    switch (s->kind) {
    case IPM_STEP_NUMBER:
        return run_number(r, s, from, into);
    case IPM_STEP_TEXT:
        if (!convert_text(s, from, into))
            lose(r, s->fate);
        return IPM_OK;
    case IPM_STEP_REST:
        if (!is_rest_empty(s, from))
            lose(r, s->fate);
        return IPM_OK;
    default:
        memcpy(into, from, s->from_type->size);
        return IPM_OK;
    }
}

static int run_steps(conversion_run *r, size_t first, size_t end, const unsigned char *from,
                     unsigned char *into) {
    int code = IPM_OK;
    for (size_t i = first; i < end && code == IPM_OK; i++) {
        const ipm_step *s = &r->plan->steps[i];
        const unsigned char *old = from + s->from;
        unsigned char *new = into + s->to;
        if (s->kind != IPM_STEP_EACH) {
            code = run_step(r, s, old, new);
        } else {
            code = run_each(r, s, i + 1, old, new);
            i = s->end - 1;
        }
    }
    return code;
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

int ipm_conversion_run(ipm_conversion *conversion, const void *from, void *into, ipm_error *error) {
    ipm_conversion *c = conversion;
    conversion_run run = {.plan = c, .error = error};
    const char **free_paths = c->paths;
    int code = run_steps(&run, 0, c->step_count, from, into);
    if (code != IPM_OK)
        return code;
    c->report.kept = list_fates(c, IPM_KEPT, &free_paths);
    c->report.added = list_fates(c, IPM_ADDED, &free_paths);
    qsort(c->fates, c->fate_count, sizeof(ipm_fate), by_old_offset);
    c->report.dropped = list_fates(c, IPM_DROPPED, &free_paths);
    return IPM_OK;
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
    ipm_type_initialize(to, into);
    code = ipm_conversion_run(conversion, data, into, &detail);
    if (code == IPM_OK && migration != NULL)
        *migration = &conversion->report;
    else
        ipm_migration_free(&conversion->report);
    return ipm_report(code, &detail, error);
}
