/*
 * Checking the values of a struct. The path of a value that is refused is made only then, of the
 * places that lead to it.
 */
#include "error.h"
#include "excerpt.h"
#include "layout.h"
#include "limits.h"
#include "trail.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A part on the way to the value that is being checked. */
typedef struct place {
    const struct place *whole; /* NULL: this is the whole */
    const char *name;          /* of a field; NULL: an element, or the value of an optional one */
    uint64_t index;            /* of an element, from 1; otherwise 0 */
    ipm_error *error;
} place;

char *ipm_refusal(const ipm_type *type, ipm_number number, char text[IPM_REFUSAL_TEXT]) {
    char value[IPM_NUMBER_TEXT], limit[IPM_NUMBER_TEXT];
    const ipm_limits *limits = type->limits;
    ipm_fit fit = ipm_limits_fit(limits, type->kind, number);
    bool is_above = fit == IPM_FIT_ABOVE;
    ipm_number_write(type->kind, number, value);
    if (fit == IPM_FIT_NAN)
        snprintf(text, IPM_REFUSAL_TEXT, "nan is not within the limits");
    else
        snprintf(text, IPM_REFUSAL_TEXT, "%s is %s the limit of %s", value,
                 is_above ? "above" : "below",
                 ipm_number_write(type->kind, is_above ? limits->max : limits->min, limit));
    return text;
}

/* Append the path of a place. */
static void find_trail(const place *at, ipm_trail *trail) {
    char index[32];
    if (at->whole == NULL)
        return;
    find_trail(at->whole, trail);
    snprintf(index, sizeof index, "[%" PRIu64 "]", at->index);
    if (at->name != NULL)
        ipm_trail_enter(trail, ".", at->name);
    else if (at->index != 0)
        ipm_trail_enter(trail, "", index);
}

static int refuse(const place *at, const char *what) {
    ipm_trail trail = {.length = 0};
    const place *root = at;
    while (root->whole != NULL)
        root = root->whole;
    find_trail(at, &trail);
    bool has_field = trail.length > 0 && trail.path[0] != '[';
    return ipm_fail(at->error, IPM_EINVALID, 0, "%s%s%s: %s",
                    ipm_excerpt_of(root->name, strlen(root->name)).text, has_field ? "." : "",
                    ipm_excerpt_of(trail.path, trail.length).text, what);
}

static int check(const ipm_type *type, const unsigned char *bytes, const place *at);

static bool needs_check(const ipm_type *type) {
    const ipm_node *node = ipm_node_of(type);
    return node->is_limited || node->is_dynamic || node->has_bool;
}

static int check_limits(const ipm_type *type, const unsigned char *bytes, const place *at) {
    char text[IPM_REFUSAL_TEXT];
    ipm_number number = ipm_number_load(type->kind, bytes);
    return ipm_limits_fit(type->limits, type->kind, number) == IPM_FITS
               ? IPM_OK
               : refuse(at, ipm_refusal(type, number, text));
}

static int check_bool(const unsigned char *bytes, const place *at) {
    char text[64];
    snprintf(text, sizeof text, "%u is not a bool", (unsigned)*bytes);
    return *bytes <= 1 ? IPM_OK : refuse(at, text);
}

static int check_elements(const ipm_type *element, const unsigned char *bytes, uint64_t count,
                          const place *at) {
    int code = IPM_OK;
    place each = {.whole = at, .error = at->error};
    for (uint64_t i = 0; i < count && code == IPM_OK && needs_check(element); i++) {
        each.index = i + 1;
        code = check(element, bytes + i * element->size, &each);
    }
    return code;
}

static int check_list(const ipm_type *type, const unsigned char *bytes, const place *at) {
    uint32_t count;
    char text[96];
    memcpy(&count, bytes, sizeof count);
    if (count <= type->count)
        return check_elements(type->element, bytes + type->inner, count, at);
    snprintf(text, sizeof text, "%" PRIu32 " elements are more than its %" PRIu64, count,
             type->count);
    return refuse(at, text);
}

static int check_optional(const ipm_type *type, const unsigned char *bytes, const place *at) {
    const place value = {.whole = at, .error = at->error};
    int code = check_bool(bytes, at);
    return code == IPM_OK && *bytes != 0 && needs_check(type->element)
               ? check(type->element, bytes + type->inner, &value)
               : code;
}

static int check_fields(const ipm_type *type, const unsigned char *bytes, const place *at) {
    int code = IPM_OK;
    for (uint64_t i = 0; i < type->count && code == IPM_OK; i++) {
        const ipm_field *field = &type->fields[i];
        const place part = {.whole = at, .name = field->name, .error = at->error};
        if (needs_check(field->type))
            code = check(field->type, bytes + field->offset, &part);
    }
    return code;
}

static int check(const ipm_type *type, const unsigned char *bytes, const place *at) {
    switch ((int)type->kind) {
    case IPM_BOOL:
        return check_bool(bytes, at);
    case IPM_ARRAY:
        return check_elements(type->element, bytes, type->count, at);
    case IPM_LIST:
        return check_list(type, bytes, at);
    case IPM_OPTIONAL:
        return check_optional(type, bytes, at);
    case IPM_STRUCT:
        return check_fields(type, bytes, at);
    default:
        return check_limits(type, bytes, at);
    }
}

int ipm_type_check(const ipm_type *type, const void *bytes, ipm_error *error) {
    const place whole = {.name = type->name, .error = error};
    return needs_check(type) ? check(type, bytes, &whole) : IPM_OK;
}
