/*
 * Planning how a struct becomes one of another layout: which fields both layouts have, and what is
 * done with each. Nothing here looks at a value.
 */
#include "conversion.h"

#include "error.h"
#include "excerpt.h"
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
    ipm_step s = {.from_kind = a->kind,
                  .to_kind = b->kind,
                  .from = from->offset,
                  .to = to->offset,
                  .from_size = a->size,
                  .to_size = b->size};
    bool is_text = a->kind == IPM_CHAR && b->kind == IPM_CHAR;
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
    s.kind = a->kind == b->kind && fits ? IPM_STEP_COPY : is_text ? IPM_STEP_TEXT : IPM_STEP_NUMBER;
    return add_listed(p, IPM_KEPT, from, s);
}

static int plan(planning *p, const plan_place *from, const plan_place *to);

/* Elements beyond those that the new array has. */
static int plan_rest(planning *p, const plan_place *from, uint64_t count) {
    char index[32];
    uint64_t kept = count * from->type->element->size;
    snprintf(index, sizeof index, "[%" PRIu64 "]", count + 1);
    size_t before = ipm_trail_enter(&p->at, "", index);
    const plan_place rest = {.whole = from->whole + kept};
    int code = add_listed(p, IPM_UNLISTED, &rest,
                          (ipm_step){.kind = IPM_STEP_REST,
                                     .from = from->offset + kept,
                                     .from_size = from->type->size - kept});
    ipm_trail_leave(&p->at, before);
    return code;
}

static const ipm_type *innermost(const ipm_type *type) {
    while (type->kind == IPM_ARRAY)
        type = type->element;
    return type;
}

static int plan_each(planning *p, const plan_place *from, const plan_place *to, uint64_t count) {
    const ipm_type *a = from->type->element, *b = to->type->element;
    const plan_place first_from = {a, 0, from->whole}, first_to = {b, 0, to->whole};
    size_t each = p->made->step_count, before = p->at.length;
    int code = add_step(p, (ipm_step){.kind = IPM_STEP_EACH,
                                      .from = from->offset,
                                      .to = to->offset,
                                      .from_size = a->size,
                                      .to_size = b->size,
                                      .count = count});
    if (innermost(a)->kind == IPM_STRUCT)
        ipm_trail_enter(&p->at, "", "[1]");
    if (code == IPM_OK)
        code = plan(p, &first_from, &first_to);
    ipm_trail_leave(&p->at, before);
    if (code == IPM_OK)
        p->made->steps[each].end = p->made->step_count;
    return code;
}

static int plan_array(planning *p, const plan_place *from, const plan_place *to) {
    const ipm_type *a = from->type, *b = to->type;
    uint64_t count = a->count < b->count ? a->count : b->count;
    int code = a->count <= b->count ? IPM_OK : check_lossy(p);
    if (code != IPM_OK)
        return code;
    code = ipm_type_equal(a->element, b->element)
               ? add_listed(p, IPM_KEPT, from,
                            (ipm_step){.kind = IPM_STEP_COPY,
                                       .from = from->offset,
                                       .to = to->offset,
                                       .from_size = count * a->element->size})
               : plan_each(p, from, to, count);
    if (code == IPM_OK && a->count > b->count)
        code = plan_rest(p, from, count);
    return code;
}

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
    bool is_struct = a->kind == IPM_STRUCT, is_array = a->kind == IPM_ARRAY;
    if ((is_struct || is_array || b->kind == IPM_STRUCT || b->kind == IPM_ARRAY) &&
        a->kind != b->kind) {
        int code = check_lossy(p);
        return code == IPM_OK ? add_fate(p, IPM_DROPPED, from->whole) : code;
    }
    if (is_array)
        return plan_array(p, from, to);
    if (!is_struct)
        return plan_scalar(p, from, to);
    if (p->at.length > 0 && ipm_type_equal(a, b))
        return add_listed(p, IPM_KEPT, from,
                          (ipm_step){.kind = IPM_STEP_COPY,
                                     .from = from->offset,
                                     .to = to->offset,
                                     .from_size = a->size});
    return plan_fields(p, from, to, 0);
}

/* The common header is the first field of both. It is copied, and not listed. */
static int plan_shared(planning *p, const plan_place *from, const plan_place *to) {
    int code = add_listed(p, IPM_UNLISTED, from,
                          (ipm_step){.kind = IPM_STEP_COPY, .from_size = IPM_HEADER_SIZE});
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
