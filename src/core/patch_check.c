/*
 * Checking what a patch would store. The walk goes through the layout in memory order beside the
 * runs, and down only to what they touch, so it costs what the patch and the touched values cost.
 */
#include "error.h"
#include "layout.h"
#include "limits.h"
#include "patch.h"
#include "utf.h"
#include "whereabouts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct patch_walk {
    const unsigned char *data; /* the present values */
    ipm_patch rest;            /* the runs after `run` */
    ipm_run run;               /* the first one that ends behind what was checked */
    bool limits;
} patch_walk;

/* A value to check: whether all of it is new, or only what runs touch. */
typedef struct value {
    const ipm_type *type;
    uint64_t offset;
    bool is_new;
} value;

static int check_value_at(patch_walk *w, value v, const ipm_whereabouts *at);

/* Whether a run touches a range that does not begin before the ranges that were asked for. */
static bool is_touched(patch_walk *w, uint64_t offset, uint64_t size) {
    while (w->run.size != 0 && w->run.offset + w->run.size <= offset)
        ipm_patch_next(&w->rest, &w->run);
    return w->run.size != 0 && w->run.offset < offset + size;
}

/* Copy bytes as they will be. */
static void load_new(const patch_walk *w, uint64_t offset, void *into, uint64_t size) {
    ipm_patch rest = w->rest;
    const uint64_t end = offset + size;
    memcpy(into, w->data + offset, size);
    for (ipm_run run = w->run; run.size != 0 && run.offset < end; ipm_patch_next(&rest, &run)) {
        uint64_t from = run.offset > offset ? run.offset : offset;
        uint64_t until = run.offset + run.size < end ? run.offset + run.size : end;
        if (from < until)
            memcpy((char *)into + (from - offset), run.bytes + (from - run.offset), until - from);
    }
}

static bool has_rules(const patch_walk *w, const ipm_type *type) {
    const ipm_node *node = ipm_node_of(type);
    return node->has_bool || node->has_text || node->is_dynamic || (w->limits && node->is_limited);
}

static int check_new_bool(const patch_walk *w, value v, bool *is_true, const ipm_whereabouts *at) {
    unsigned char byte;
    char text[64];
    load_new(w, v.offset, &byte, 1);
    *is_true = byte != 0;
    snprintf(text, sizeof text, "%u is not a bool", (unsigned)byte);
    return byte <= 1 ? IPM_OK : ipm_refuse(at, IPM_ECORRUPT, text);
}

static bool is_nul(const unsigned char *at, uint64_t unit) {
    static const unsigned char zeros[4];
    return memcmp(at, zeros, unit) == 0;
}

static int check_new_text(const patch_walk *w, value v, const ipm_whereabouts *at) {
    const uint64_t unit = ipm_unit_size(v.type->kind), size = v.type->size;
    unsigned char part[IPM_BLOCK_SIZE];
    bool has_ended = false;
    for (uint64_t done = 0; done < size; done += sizeof part) {
        uint64_t length = size - done < sizeof part ? size - done : sizeof part;
        load_new(w, v.offset + done, part, length);
        for (uint64_t i = 0; i < length; i += unit)
            if (is_nul(part + i, unit))
                has_ended = true;
            else if (has_ended)
                return ipm_refuse(at, IPM_ECORRUPT, "there are bytes after the NUL of the text");
    }
    return IPM_OK;
}

static int check_new_number(const patch_walk *w, value v, const ipm_whereabouts *at) {
    unsigned char bytes[8];
    char text[IPM_REFUSAL_TEXT];
    load_new(w, v.offset, bytes, v.type->size);
    if (!v.is_new && memcmp(bytes, w->data + v.offset, v.type->size) == 0)
        return IPM_OK;
    ipm_number number = ipm_number_load(v.type->kind, bytes);
    return ipm_limits_fit(v.type->limits, v.type->kind, number) == IPM_FITS
               ? IPM_OK
               : ipm_refuse(at, IPM_ECORRUPT, ipm_refusal(v.type, number, text));
}

/* Check elements from number `first` to `end` - 1. v: the first element of all */
static int check_new_elements(patch_walk *w, value v, uint64_t first, uint64_t end,
                              const ipm_whereabouts *at) {
    const uint64_t start = v.offset, size = v.type->size;
    ipm_whereabouts each = {.whole = at, .error = at->error};
    int code = IPM_OK;
    for (uint64_t i = first; i < end && code == IPM_OK && has_rules(w, v.type); i++) {
        if (!v.is_new) {
            if (!is_touched(w, start + i * size, (end - i) * size))
                break;
            if (w->run.offset > start + i * size)
                i = (w->run.offset - start) / size;
        }
        each.index = i + 1;
        v.offset = start + i * size;
        code = check_value_at(w, v, &each);
    }
    return code;
}

static int check_new_list(patch_walk *w, value v, const ipm_whereabouts *at) {
    uint32_t count, before = 0;
    char text[96];
    load_new(w, v.offset, &count, sizeof count);
    snprintf(text, sizeof text, "%" PRIu32 " elements are more than its %" PRIu64, count,
             v.type->count);
    if (count > v.type->count)
        return ipm_refuse(at, IPM_ECORRUPT, text);
    if (!v.is_new)
        memcpy(&before, w->data + v.offset, sizeof before);
    if (before > count)
        before = count;
    value element = {v.type->element, v.offset + v.type->inner, false};
    int code = check_new_elements(w, element, 0, before, at);
    element.is_new = true;
    return code == IPM_OK ? check_new_elements(w, element, before, count, at) : code;
}

static int check_new_optional(patch_walk *w, value v, const ipm_whereabouts *at) {
    bool is_present;
    const ipm_whereabouts inner = {.whole = at, .error = at->error};
    int code = check_new_bool(w, v, &is_present, at);
    if (code != IPM_OK || !is_present)
        return code;
    const bool is_new = v.is_new || w->data[v.offset] == 0;
    return check_value_at(w, (value){v.type->element, v.offset + v.type->inner, is_new}, &inner);
}

/* The first field of a struct that does not end before that offset; or the number of fields. */
static uint64_t first_field(const ipm_type *type, uint64_t offset) {
    uint64_t low = 0, high = type->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        const ipm_field *field = &type->fields[middle];
        if (field->offset + field->type->size > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int check_new_fields(patch_walk *w, value v, const ipm_whereabouts *at) {
    const ipm_type *type = v.type;
    int code = IPM_OK;
    for (uint64_t i = 0; i < type->count && code == IPM_OK; i++) {
        const uint64_t next = type->fields[i].offset;
        if (!v.is_new) {
            if (!is_touched(w, v.offset + next, type->size - next))
                break;
            if (w->run.offset > v.offset + next)
                i = first_field(type, w->run.offset - v.offset);
            if (i == type->count) /* only padding at the end */
                break;
        }
        const ipm_field *field = &type->fields[i];
        const ipm_whereabouts part = {.whole = at, .name = field->name, .error = at->error};
        code = check_value_at(w, (value){field->type, v.offset + field->offset, v.is_new}, &part);
    }
    return code;
}

static int check_value_at(patch_walk *w, value v, const ipm_whereabouts *at) {
    bool is_true;
    if (!has_rules(w, v.type) || (!is_touched(w, v.offset, v.type->size) && !v.is_new))
        return IPM_OK;
    switch ((int)v.type->kind) {
    case IPM_BOOL:
        return check_new_bool(w, v, &is_true, at);
    case IPM_CHAR:
    case IPM_CHAR16:
    case IPM_CHAR32:
        return check_new_text(w, v, at);
    case IPM_ARRAY:
        return check_new_elements(w, (value){v.type->element, v.offset, v.is_new}, 0, v.type->count,
                                  at);
    case IPM_LIST:
        return check_new_list(w, v, at);
    case IPM_OPTIONAL:
        return check_new_optional(w, v, at);
    case IPM_STRUCT:
        return check_new_fields(w, v, at);
    default:
        return check_new_number(w, v, at);
    }
}

int ipm_patch_check(const ipm_type *type, const unsigned char *data, ipm_patch patch, bool limits,
                    ipm_error *error) {
    patch_walk w = {.data = data, .rest = patch, .limits = limits};
    const ipm_whereabouts whole = {.name = type->name, .error = error};
    ipm_patch_next(&w.rest, &w.run);
    return check_value_at(&w, (value){type, 0, false}, &whole);
}

int ipm_received_check(const ipm_type *type, const unsigned char *data, ipm_error *error) {
    patch_walk w = {.data = data};
    const ipm_whereabouts whole = {.name = type->name, .error = error};
    return check_value_at(&w, (value){type, 0, true}, &whole);
}
