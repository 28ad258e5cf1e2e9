/*
 * Checking the values of a struct.
 */
#include "error.h"
#include "layout.h"
#include "limits.h"
#include "whereabouts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

static int check(const ipm_type *type, const unsigned char *bytes, const ipm_whereabouts *at);

static bool needs_check(const ipm_type *type) {
    const ipm_node *node = ipm_node_of(type);
    return node->is_limited || node->is_dynamic || node->has_bool;
}

static int check_limits(const ipm_type *type, const unsigned char *bytes,
                        const ipm_whereabouts *at) {
    char text[IPM_REFUSAL_TEXT];
    ipm_number number = ipm_number_load(type->kind, bytes);
    return ipm_limits_fit(type->limits, type->kind, number) == IPM_FITS
               ? IPM_OK
               : ipm_refuse(at, IPM_EINVALID, ipm_refusal(type, number, text));
}

static int check_bool(const unsigned char *bytes, const ipm_whereabouts *at) {
    char text[64];
    snprintf(text, sizeof text, "%u is not a bool", (unsigned)*bytes);
    return *bytes <= 1 ? IPM_OK : ipm_refuse(at, IPM_EINVALID, text);
}

static int check_elements(const ipm_type *element, const unsigned char *bytes, uint64_t count,
                          const ipm_whereabouts *at) {
    int code = IPM_OK;
    ipm_whereabouts each = {.whole = at, .error = at->error};
    for (uint64_t i = 0; i < count && code == IPM_OK && needs_check(element); i++) {
        each.index = i + 1;
        code = check(element, bytes + i * element->size, &each);
    }
    return code;
}

static int check_list(const ipm_type *type, const unsigned char *bytes, const ipm_whereabouts *at) {
    uint32_t count;
    char text[96];
    memcpy(&count, bytes, sizeof count);
    if (count <= type->count)
        return check_elements(type->element, bytes + type->inner, count, at);
    snprintf(text, sizeof text, "%" PRIu32 " elements are more than its %" PRIu64, count,
             type->count);
    return ipm_refuse(at, IPM_EINVALID, text);
}

static int check_optional(const ipm_type *type, const unsigned char *bytes,
                          const ipm_whereabouts *at) {
    const ipm_whereabouts value = {.whole = at, .error = at->error};
    int code = check_bool(bytes, at);
    return code == IPM_OK && *bytes != 0 && needs_check(type->element)
               ? check(type->element, bytes + type->inner, &value)
               : code;
}

static int check_fields(const ipm_type *type, const unsigned char *bytes,
                        const ipm_whereabouts *at) {
    int code = IPM_OK;
    for (uint64_t i = 0; i < type->count && code == IPM_OK; i++) {
        const ipm_field *field = &type->fields[i];
        const ipm_whereabouts part = {.whole = at, .name = field->name, .error = at->error};
        if (needs_check(field->type))
            code = check(field->type, bytes + field->offset, &part);
    }
    return code;
}

static int check(const ipm_type *type, const unsigned char *bytes, const ipm_whereabouts *at) {
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
    const ipm_whereabouts whole = {.name = type->name, .error = error};
    return needs_check(type) ? check(type, bytes, &whole) : IPM_OK;
}
