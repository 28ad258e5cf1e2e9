#include "difference.h"

#include "error.h"
#include "excerpt.h"
#include "layout.h"
#include "trail.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_PATH 160

/*
 * seen  the file's structs that were compared already, by index; NULL: no memory for it. Without
 *       it, the comparison would take 2^depth steps if each struct has the one before it twice.
 *       Each layout has only one struct of a name, so the file's struct identifies the pair.
 * at    the path of the parts that are being compared
 */
typedef struct comparison {
    bool *seen;
    ipm_trail at;
    const char *here, *there; /* how the text names the file and the definition */
    ipm_match match;
    ipm_error *error;
} comparison;

typedef struct part {
    const ipm_type *type; /* NULL: absent */
    uint64_t offset;
} part;

static part part_of(part whole, const ipm_field *field) {
    return field == NULL ? (part){0} : (part){field->type, whole.offset + field->offset};
}

static void describe(part p, char *text, size_t size) {
    if (p.type == NULL)
        snprintf(text, size, "absent");
    else
        snprintf(text, size, "%s at %" PRIu64,
                 ipm_excerpt_of(p.type->name, strlen(p.type->name)).text, p.offset);
}

static int report(const comparison *c, part in_file, part defined) {
    char here[160], there[160];
    const ipm_trail *at = &c->at;
    bool whole = at->length <= SHOWN_PATH;
    describe(in_file, here, sizeof here);
    describe(defined, there, sizeof there);
    return ipm_fail(c->error, IPM_ELAYOUT, 0, "%s%s: %s %s, %s %s", whole ? "" : "...",
                    at->path + (whole ? 0 : at->length - SHOWN_PATH), here, c->here, there,
                    c->there);
}

static int compare_fields(comparison *c, part in_file, part defined);

/* Number `index` of the elements of an array, a list or an optional value. */
static part element_of(part whole, uint64_t index) {
    const ipm_type *element = whole.type->element;
    return (part){element, whole.offset + whole.type->inner + (index - 1) * element->size};
}

static int compare(comparison *c, part in_file, part defined);

/* Elements of different sizes are at different offsets from the second on. */
static int compare_elements(comparison *c, part in_file, part defined) {
    const ipm_type *here = in_file.type->element, *there = defined.type->element;
    bool has_index = in_file.type->kind != IPM_OPTIONAL;
    size_t before = ipm_trail_enter(&c->at, "", has_index ? "[1]" : "");
    int code = compare(c, element_of(in_file, 1), element_of(defined, 1));
    ipm_trail_leave(&c->at, before);
    if (code != IPM_OK || c->match == IPM_BY_PATH || here->size == there->size || !has_index ||
        in_file.type->count == 1)
        return code;
    before = ipm_trail_enter(&c->at, "", "[2]");
    code = report(c, element_of(in_file, 2), element_of(defined, 2));
    ipm_trail_leave(&c->at, before);
    return code;
}

/* Whether two types have the same kinds and counts, down to structs of one name, whose fields may
 * differ. An enumeration counts as its integer. */
static bool has_same_shape(const ipm_type *a, const ipm_type *b) {
    while (a->kind == b->kind && a->count == b->count && a->element != NULL) {
        a = a->element;
        b = b->element;
    }
    if (a->kind == IPM_STRUCT && b->kind == IPM_STRUCT)
        return strcmp(a->name, b->name) == 0;
    return a->kind == b->kind && a->count == b->count && a->size == b->size;
}

static int compare(comparison *c, part in_file, part defined) {
    const ipm_type *type = in_file.type;
    int code = IPM_OK;
    if (type == NULL || defined.type == NULL || !has_same_shape(type, defined.type))
        return report(c, in_file, defined);
    if (type->kind == IPM_STRUCT)
        code = compare_fields(c, in_file, defined);
    else if (type->element != NULL)
        code = compare_elements(c, in_file, defined);
    if (code == IPM_OK && c->match != IPM_BY_PATH && in_file.offset != defined.offset)
        return report(c, in_file, defined);
    return code;
}

static int compare_named(comparison *c, const char *name, part in_file, part defined) {
    size_t before = ipm_trail_enter(&c->at, ".", name);
    int code = compare(c, in_file, defined);
    ipm_trail_leave(&c->at, before);
    return code;
}

static const ipm_field *field_at(const ipm_type *type, uint64_t i) {
    return i < type->count ? &type->fields[i] : NULL;
}

static const ipm_field *same_field(const ipm_type *type, const ipm_field *other) {
    return ipm_type_field(type, other->name, strlen(other->name));
}

/* Two fields at the same position have different names: one of them is missing or has moved. */
static int compare_order(comparison *c, part in_file, part defined, const ipm_field *here,
                         const ipm_field *there) {
    int code = IPM_OK;
    if (there != NULL) {
        part counterpart = part_of(in_file, same_field(in_file.type, there));
        code = compare_named(c, there->name, counterpart, part_of(defined, there));
    }
    if (code == IPM_OK && here != NULL) {
        part counterpart = part_of(defined, same_field(defined.type, here));
        code = compare_named(c, here->name, part_of(in_file, here), counterpart);
    }
    return code;
}

/* Find the field of the same name, from position *at on. If the fields are in the same order, it is
 * the first one. */
static const ipm_field *next_field(const ipm_type *type, const ipm_field *other, uint64_t *at) {
    for (uint64_t looked = 0; looked < type->count; looked++) {
        const ipm_field *field = &type->fields[*at];
        *at = *at + 1 < type->count ? *at + 1 : 0;
        if (strcmp(field->name, other->name) == 0)
            return field;
    }
    return NULL;
}

/* The file has each field of the definition, and perhaps more. */
static int compare_needed(comparison *c, part in_file, part defined) {
    int code = IPM_OK;
    uint64_t at = 0;
    for (uint64_t i = 0; code == IPM_OK && i < defined.type->count; i++) {
        const ipm_field *needed = &defined.type->fields[i];
        const ipm_field *found = next_field(in_file.type, needed, &at);
        code = compare_named(c, needed->name, part_of(in_file, found), part_of(defined, needed));
    }
    return code;
}

/* Two structs with the same fields, of which one is packed. */
static int compare_sizes(const comparison *c, const ipm_type *here, const ipm_type *there) {
    if (here->size == there->size)
        return IPM_OK;
    return ipm_fail(c->error, IPM_ELAYOUT, 0, "%s: %" PRIu64 " bytes %s, %" PRIu64 " bytes %s",
                    c->at.length == 0 ? here->name : ipm_excerpt_of(c->at.path, c->at.length).text,
                    here->size, c->here, there->size, c->there);
}

static int compare_all(comparison *c, part in_file, part defined) {
    const ipm_type *a = in_file.type, *b = defined.type;
    for (uint64_t i = 0; i < a->count || i < b->count; i++) {
        const ipm_field *here = field_at(a, i), *there = field_at(b, i);
        bool paired = here != NULL && there != NULL && strcmp(here->name, there->name) == 0;
        int code =
            paired ? compare_named(c, here->name, part_of(in_file, here), part_of(defined, there))
                   : compare_order(c, in_file, defined, here, there);
        if (code != IPM_OK)
            return code;
    }
    return compare_sizes(c, a, b);
}

static int compare_fields(comparison *c, part in_file, part defined) {
    uint32_t index = ipm_node_of(in_file.type)->index;
    if (in_file.type == defined.type || (c->seen != NULL && c->seen[index]))
        return IPM_OK;
    int code = (c->match == IPM_EXACT ? compare_all : compare_needed)(c, in_file, defined);
    if (code == IPM_OK && c->seen != NULL)
        c->seen[index] = true;
    return code;
}

int ipm_type_compare(const ipm_type *a, const char *where_a, const ipm_type *b, const char *where_b,
                     ipm_match match, ipm_error *error) {
    if (!has_same_shape(a, b))
        return ipm_fail(error, IPM_ELAYOUT, 0, "the struct is %s %s, %s %s",
                        ipm_excerpt_of(a->name, strlen(a->name)).text, where_a,
                        ipm_excerpt_of(b->name, strlen(b->name)).text, where_b);
    comparison c = {.here = where_a, .there = where_b, .match = match, .error = error};
    c.seen = calloc(ipm_node_of(a)->index + (size_t)1, sizeof *c.seen);
    int code = compare(&c, (part){a, 0}, (part){b, 0});
    free(c.seen);
    return code;
}

int ipm_layout_difference(const ipm_type *in_file, const ipm_type *defined, ipm_match match,
                          ipm_error *error) {
    return ipm_type_compare(in_file, "in the file", defined, "in the definition", match, error);
}

bool ipm_type_equal(const ipm_type *a, const ipm_type *b) {
    ipm_error unwanted;
    return a == b || ipm_layout_difference(a, b, IPM_EXACT, &unwanted) == IPM_OK;
}

bool ipm_layout_is_same(const ipm_layout *a, const ipm_layout *b) {
    size_t length_a, length_b;
    const char *text_a = ipm_layout_text(a, &length_a), *text_b = ipm_layout_text(b, &length_b);
    return length_a == length_b && memcmp(text_a, text_b, length_a) == 0;
}
