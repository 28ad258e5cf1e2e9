/*
 * Planning how a struct becomes one of another layout: which fields both layouts have, and what is
 * done with each. Nothing here looks at a value.
 */
#include "conversion.h"

#include "error.h"
#include "excerpt.h"
#include "layout.h"
#include "trail.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct planning {
    ipm_conversion *made;
    bool lossy;
    const ipm_type *from, *to; /* of the innermost field, for messages */
    ipm_trail at;
    ipm_error *error;
} planning;

typedef struct plan_place {
    const ipm_type *type;
    uint64_t offset; /* as in a step */
    uint64_t whole;  /* from the start of the struct, for the first element of each array */
} plan_place;

static int out_of_memory(const planning *p) {
    return ipm_fail_errno(p->error, ENOMEM, "cannot convert %s", p->from->name);
}

/* Make room for one more. returns  the list, which may have moved, or NULL */
static void *more_room(void *list, size_t count, size_t *room, size_t size) {
    if (count < *room)
        return list;
    *room = *room == 0 ? 16 : 2 * *room;
    return realloc(list, *room * size);
}

static int add_fate(planning *p, ipm_outcome is, uint64_t from) {
    ipm_conversion *made = p->made;
    void *fates = more_room(made->fates, made->fate_count, &made->fate_room, sizeof(ipm_fate));
    if (fates == NULL)
        return out_of_memory(p);
    made->fates = fates;
    char *path = strdup(p->at.path);
    if (path == NULL)
        return out_of_memory(p);
    made->fates[made->fate_count++] = (ipm_fate){is, from, path};
    return IPM_OK;
}

static int add_step(planning *p, ipm_step added) {
    ipm_conversion *made = p->made;
    void *steps = more_room(made->steps, made->step_count, &made->step_room, sizeof(ipm_step));
    if (steps == NULL)
        return out_of_memory(p);
    made->steps = steps;
    made->steps[made->step_count++] = added;
    return IPM_OK;
}

/* A step whose outcome is listed by itself. */
static int add_listed(planning *p, ipm_outcome is, const plan_place *from, ipm_step added) {
    added.fate = p->made->fate_count;
    int code = add_fate(p, is, from->whole);
    return code == IPM_OK ? add_step(p, added) : code;
}

/* What cannot be converted without loss: refuse it, unless losses are allowed. */
static int check_lossy(const planning *p) {
    const ipm_trail *at = &p->at;
    if (p->lossy)
        return IPM_OK;
    return ipm_fail(p->error, IPM_ELAYOUT, 0,
                    "%s: %s to %s could lose values, which only a lossy conversion may",
                    ipm_excerpt_of(at->path, at->length).text,
                    ipm_excerpt_of(p->from->name, strlen(p->from->name)).text,
                    ipm_excerpt_of(p->to->name, strlen(p->to->name)).text);
}

static int plan_scalar(planning *p, const plan_place *from, const plan_place *to) {
    const ipm_type *a = from->type, *b = to->type;
    ipm_step s = {.from_type = a, .to_type = b, .from = from->offset, .to = to->offset};
    bool is_text = a->kind == b->kind && ipm_kind_is_text(a->kind);
    bool is_number =
        ipm_family_of(a->kind) != IPM_NO_NUMBER && ipm_family_of(b->kind) != IPM_NO_NUMBER;
    bool fits =
        a->size <= b->size &&
        (a->kind == b->kind || (is_number && ipm_family_of(a->kind) == ipm_family_of(b->kind)));
    int code = fits ? IPM_OK : check_lossy(p);
    if (code != IPM_OK)
        return code;
    if (!is_text && !is_number && a->kind != b->kind)
        return add_fate(p, IPM_DROPPED, from->whole);
    if (is_text)
        s.kind = a->size == b->size ? IPM_STEP_COPY : IPM_STEP_TEXT;
    else
        s.kind = a->kind == b->kind && b->limits == NULL ? IPM_STEP_COPY : IPM_STEP_NUMBER;
    return add_listed(p, IPM_KEPT, from, s);
}

static int plan(planning *p, const plan_place *from, const plan_place *to);

/* Whether the bytes can be copied as they are: without a look at limits and counts. */
static bool is_copied(const ipm_type *a, const ipm_type *b) {
    const ipm_node *node = ipm_node_of(b);
    return !node->is_limited && !node->is_dynamic && ipm_type_equal(a, b);
}

static int plan_copy(planning *p, const plan_place *from, const plan_place *to) {
    return add_listed(p, IPM_KEPT, from,
                      (ipm_step){.kind = IPM_STEP_COPY,
                                 .from_type = from->type,
                                 .to_type = to->type,
                                 .from = from->offset,
                                 .to = to->offset});
}

/* ---- Elements ---------------------------------------------------------------------------- */

static bool is_sequence(const ipm_type *type) {
    return type->kind == IPM_ARRAY || type->kind == IPM_LIST;
}

/* What is lost of the elements that the new type has no room for. */
static int plan_rest(planning *p, const plan_place *from, uint64_t kept, size_t each) {
    char index[32];
    snprintf(index, sizeof index, "[%" PRIu64 "]", kept + 1);
    const uint64_t bytes = from->type->inner + kept * from->type->element->size;
    const plan_place rest = {.whole = from->whole + bytes};
    const ipm_step step = {
        .kind = IPM_STEP_REST, .from_type = from->type, .from = from->offset, .kept = kept};
    size_t before = ipm_trail_enter(&p->at, "", index);
    p->made->steps[each].rest = p->made->fate_count;
    int code = from->type->kind == IPM_ARRAY ? add_listed(p, IPM_UNLISTED, &rest, step)
                                             : add_fate(p, IPM_UNLISTED, rest.whole);
    ipm_trail_leave(&p->at, before);
    return code;
}

static int plan_each(planning *p, const plan_place *from, const plan_place *to, bool has_index) {
    const ipm_type *a = ipm_step_element(from->type, to->type),
                   *b = ipm_step_element(to->type, from->type);
    const plan_place first_from = {a, 0, from->whole + (a == from->type ? 0 : from->type->inner)};
    const plan_place first_to = {b, 0, to->whole};
    size_t each = p->made->step_count, before = p->at.length;
    int code = add_listed(p, IPM_UNLISTED, from,
                          (ipm_step){.kind = IPM_STEP_EACH,
                                     .from_type = from->type,
                                     .to_type = to->type,
                                     .from = from->offset,
                                     .to = to->offset});
    if (code == IPM_OK && is_copied(a, b)) {
        code = plan_copy(p, &first_from, &first_to);
    } else if (code == IPM_OK) {
        if (has_index && ipm_innermost(a)->kind == IPM_STRUCT)
            ipm_trail_enter(&p->at, "", "[1]");
        code = plan(p, &first_from, &first_to);
        ipm_trail_leave(&p->at, before);
    }
    if (code == IPM_OK)
        p->made->steps[each].end = p->made->step_count;
    return code;
}

/* Between arrays and lists. */
static int plan_sequence(planning *p, const plan_place *from, const plan_place *to) {
    const ipm_type *a = from->type, *b = to->type;
    const size_t each = p->made->step_count;
    bool fits = a->count <= b->count && !(a->kind == IPM_LIST && b->kind == IPM_ARRAY);
    int code = fits ? IPM_OK : check_lossy(p);
    if (code == IPM_OK)
        code = plan_each(p, from, to, true);
    if (code == IPM_OK && a->count > b->count)
        code = plan_rest(p, from, b->count, each);
    return code;
}

/* To or from an optional type. An absent value gives the default where the new type has no absent
 * ones. */
static int plan_optional(planning *p, const plan_place *from, const plan_place *to) {
    int code = to->type->kind == IPM_OPTIONAL ? IPM_OK : check_lossy(p);
    return code == IPM_OK ? plan_each(p, from, to, false) : code;
}

/* ---- Fields ------------------------------------------------------------------------------ */

static plan_place part_place(const plan_place *whole, const ipm_field *field) {
    return (plan_place){field->type, whole->offset + field->offset, whole->whole + field->offset};
}

/* The field of the same name, or NULL. Look at the one after the last that was found first: most
 * fields of two layouts have the same order, and there may be very many. */
static const ipm_field *counterpart(const ipm_type *type, const ipm_field *field, uint64_t *next) {
    for (uint64_t looks = 0; looks < type->count; looks++) {
        const ipm_field *found = &type->fields[(*next + looks) % type->count];
        if (strcmp(found->name, field->name) == 0) {
            *next = (uint64_t)(found - type->fields) + 1;
            return found;
        }
    }
    return NULL;
}

/* old: the field of that name in the old struct, or NULL */
static int plan_field(planning *p, const plan_place *from, const plan_place *to,
                      const ipm_field *old, const ipm_field *field) {
    const ipm_type *outer_from = p->from, *outer_to = p->to;
    const plan_place new = part_place(to, field);
    int code;
    size_t before = ipm_trail_enter(&p->at, ".", field->name);
    if (old == NULL) {
        code = add_fate(p, IPM_ADDED, 0);
    } else {
        const plan_place old_place = part_place(from, old);
        p->from = old->type;
        p->to = field->type;
        code = plan(p, &old_place, &new);
        p->from = outer_from;
        p->to = outer_to;
    }
    ipm_trail_leave(&p->at, before);
    return code;
}

static int plan_lost_field(planning *p, const plan_place *from, const ipm_field *field) {
    size_t before = ipm_trail_enter(&p->at, ".", field->name);
    int code = add_fate(p, IPM_DROPPED, from->whole + field->offset);
    ipm_trail_leave(&p->at, before);
    return code;
}

/* The fields from number `skipped` on. */
static int plan_fields(planning *p, const plan_place *from, const plan_place *to,
                       uint64_t skipped) {
    const ipm_type *a = from->type, *b = to->type;
    uint64_t next_a = skipped, next_b = skipped;
    int code = IPM_OK;
    for (uint64_t i = skipped; i < b->count && code == IPM_OK; i++)
        code = plan_field(p, from, to, counterpart(a, &b->fields[i], &next_a), &b->fields[i]);
    for (uint64_t i = skipped; i < a->count && code == IPM_OK; i++)
        if (counterpart(b, &a->fields[i], &next_b) == NULL)
            code = plan_lost_field(p, from, &a->fields[i]);
    return code;
}

static int plan(planning *p, const plan_place *from, const plan_place *to) {
    const ipm_type *a = from->type, *b = to->type;
    bool is_struct = a->kind == IPM_STRUCT;
    bool is_part = p->at.length > 0;
    if ((is_struct || a->kind == IPM_ARRAY) && is_part && is_copied(a, b))
        return plan_copy(p, from, to);
    if (is_sequence(a) && is_sequence(b))
        return plan_sequence(p, from, to);
    if (a->kind == IPM_OPTIONAL || b->kind == IPM_OPTIONAL)
        return plan_optional(p, from, to);
    if (is_struct && b->kind == IPM_STRUCT)
        return plan_fields(p, from, to, 0);
    if (!is_struct && b->kind != IPM_STRUCT && !is_sequence(a) && !is_sequence(b))
        return plan_scalar(p, from, to);
    int code = check_lossy(p);
    return code == IPM_OK ? add_fate(p, IPM_DROPPED, from->whole) : code;
}

/* The common header is the first field of both. It is copied, and not listed. */
static int plan_shared(planning *p, const plan_place *from, const plan_place *to) {
    int code =
        add_listed(p, IPM_UNLISTED, from,
                   (ipm_step){.kind = IPM_STEP_COPY, .from_type = from->type->fields[0].type});
    return code == IPM_OK ? plan_fields(p, from, to, 1) : code;
}

int ipm_conversion_plan(const ipm_type *from, const ipm_type *to, bool lossy,
                        ipm_conversion **conversion, ipm_error *error) {
    const plan_place old = {from, 0, 0}, new = {to, 0, 0};
    planning p = {.lossy = lossy, .from = from, .to = to, .error = error};
    *conversion = NULL;
    p.made = calloc(1, sizeof *p.made);
    if (p.made == NULL)
        return out_of_memory(&p);
    p.made->lossy = lossy;
    int code = ipm_type_is_shared(from) && ipm_type_is_shared(to) ? plan_shared(&p, &old, &new)
                                                                  : plan(&p, &old, &new);
    if (code == IPM_OK) {
        p.made->paths = calloc(p.made->fate_count + 1, sizeof *p.made->paths);
        if (p.made->paths == NULL)
            code = out_of_memory(&p);
    }
    if (code == IPM_OK)
        *conversion = p.made;
    else
        ipm_migration_free(&p.made->report);
    return code;
}
