/*
 * Types made of others: texts, arrays, lists, optional types, and numbers with limits.
 */
#include "builder.h"
#include "number.h"
#include "utf.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#define ORDER(a, b)                                                                                \
    if ((a) != (b))                                                                                \
    return (a) < (b) ? -1 : 1

static int compare_limits(const ipm_limits *a, const ipm_limits *b) {
    ORDER(a != NULL, b != NULL);
    if (a == NULL)
        return 0;
    ORDER(a->has_min, b->has_min);
    ORDER(a->has_max, b->has_max);
    ORDER(a->min.u, b->min.u);
    ORDER(a->max.u, b->max.u);
    return 0;
}

static int compare_derived(const void *a, const void *b) {
    const ipm_type *left = a, *right = b;
    ORDER(left->kind, right->kind);
    ORDER((uintptr_t)left->element, (uintptr_t)right->element);
    ORDER(left->size, right->size);
    ORDER(left->count, right->count);
    return compare_limits(left->limits, right->limits);
}

/*
 * The name of an array type or text. An array of 24 "Point2D[3]" is "Point2D[24][3]". An array of
 * 24 single chars is "char[24][1]", because "char[24]" is a text.
 */
static const char *bracketed(ipm_builder *builder, const ipm_type *element, uint64_t count,
                             ipm_kind kind) {
    const char *inner = strchr(element->name, '[');
    size_t base = inner == NULL ? strlen(element->name) : (size_t)(inner - element->name);
    if (inner == NULL)
        inner = kind == IPM_ARRAY && ipm_kind_is_text(element->kind) ? "[1]" : "";
    size_t size = base + strlen(inner) + sizeof "[18446744073709551615]";
    char *name = ipm_layout_alloc(builder->layout, size);
    if (name != NULL)
        snprintf(name, size, "%.*s[%" PRIu64 "]%s", (int)base, element->name, count, inner);
    return name;
}

/* "Item[<=64]", "int32?" */
static const char *suffixed(ipm_builder *builder, const ipm_type *made) {
    const char *element = made->element->name;
    size_t size = strlen(element) + sizeof "[<=4294967295]";
    char *name = ipm_layout_alloc(builder->layout, size);
    if (name != NULL && made->kind == IPM_LIST)
        snprintf(name, size, "%s[<=%" PRIu64 "]", element, made->count);
    else if (name != NULL)
        snprintf(name, size, "%s?", element);
    return name;
}

static int check_count(ipm_builder *builder, const ipm_type *element, uint64_t count) {
    if (count == 0)
        return ipm_builder_refuse(builder, "an array of 0 elements");
    if (count > IPM_MAX_SIZE / element->size)
        return ipm_builder_refuse(builder,
                                  "an array of %" PRIu64 " elements of %" PRIu64
                                  " bytes is larger than %" PRIu64 " bytes",
                                  count, element->size, IPM_MAX_SIZE);
    return IPM_OK;
}

/* returns  the equal type that was made before, or NULL */
static const ipm_type *made_before(ipm_builder *builder, const ipm_node *made) {
    void **found = tfind(made, &builder->derived, compare_derived);
    return found == NULL ? NULL : *found;
}

static int keep(ipm_builder *builder, ipm_node *made, const char *name, const ipm_type **type) {
    made->type.name = name;
    ipm_node *node = ipm_builder_copy(builder, made, sizeof *made);
    if (name == NULL || node == NULL || tsearch(node, &builder->derived, compare_derived) == NULL)
        return ipm_builder_no_memory(builder);
    *type = &node->type;
    return IPM_OK;
}

/* Set the type's element, and what follows from it. */
static int set_element(ipm_builder *builder, ipm_node *made, const ipm_type *element) {
    const ipm_node *inner = ipm_node_of(element);
    if (inner->depth >= IPM_MAX_DEPTH)
        return ipm_builder_refuse(builder, "nested deeper than %d", IPM_MAX_DEPTH);
    made->type.element = element;
    made->depth = inner->depth + 1;
    made->index = inner->index;
    made->has_initial = inner->has_initial;
    made->is_limited = inner->is_limited;
    made->is_dynamic = inner->is_dynamic || made->type.kind != IPM_ARRAY;
    made->has_bool = inner->has_bool || made->type.kind == IPM_OPTIONAL;
    made->has_text = inner->has_text;
    return IPM_OK;
}

int ipm_builder_text(ipm_builder *builder, const ipm_type *character, uint64_t count,
                     const ipm_type **type) {
    int code = check_count(builder, character, count);
    if (code != IPM_OK)
        return code;
    ipm_node made = {.type = {.kind = character->kind,
                              .align = character->align,
                              .size = character->size * count},
                     .has_text = true};
    *type = count == 1 ? character : made_before(builder, &made);
    if (*type != NULL)
        return IPM_OK;
    return keep(builder, &made, bracketed(builder, character, count, character->kind), type);
}

int ipm_builder_array(ipm_builder *builder, const ipm_type *element, uint64_t count,
                      const ipm_type **type) {
    ipm_node made = {.type = {.kind = IPM_ARRAY, .align = element->align, .count = count}};
    int code = check_count(builder, element, count);
    if (code == IPM_OK)
        code = set_element(builder, &made, element);
    if (code != IPM_OK)
        return code;
    made.type.size = element->size * count;
    *type = made_before(builder, &made);
    return *type != NULL
               ? IPM_OK
               : keep(builder, &made, bracketed(builder, element, count, IPM_ARRAY), type);
}

/* Lay out a list or an optional type: a number or bool of `head` bytes, and the elements. */
static int build_headed(ipm_builder *builder, ipm_kind kind, const ipm_type *element,
                        uint64_t count, uint32_t head, const ipm_type **type) {
    uint32_t align = element->align > head ? element->align : head;
    uint64_t inner = ipm_align_up(head, element->align);
    ipm_node made = {.type = {.kind = kind, .align = align, .count = count, .inner = inner}};
    int code = check_count(builder, element, count);
    if (code == IPM_OK)
        code = set_element(builder, &made, element);
    if (code != IPM_OK)
        return code;
    made.type.size = ipm_align_up(inner + element->size * count, align);
    if (made.type.size > IPM_MAX_SIZE)
        return ipm_builder_refuse(builder, "%" PRIu64 " bytes are more than %" PRIu64,
                                  made.type.size, IPM_MAX_SIZE);
    *type = made_before(builder, &made);
    return *type != NULL ? IPM_OK : keep(builder, &made, suffixed(builder, &made.type), type);
}

int ipm_builder_list(ipm_builder *builder, const ipm_type *element, uint64_t count,
                     const ipm_type **type) {
    if (count == 0 || count > UINT32_MAX)
        return ipm_builder_refuse(builder, "a list holds 1 to 4294967295 elements, not %" PRIu64,
                                  count);
    return build_headed(builder, IPM_LIST, element, count, sizeof(uint32_t), type);
}

int ipm_builder_optional(ipm_builder *builder, const ipm_type *element, const ipm_type **type) {
    if (element->kind == IPM_LIST)
        return ipm_builder_refuse(builder, "an optional list: put the list into a struct");
    return build_headed(builder, IPM_OPTIONAL, element, 1, sizeof(bool), type);
}

static int limit_number(ipm_builder *builder, const ipm_type *type, const ipm_limits *limits,
                        const ipm_type **limited) {
    ipm_node made = *ipm_node_of(type);
    made.type.limits = limits;
    made.is_limited = true;
    *limited = made_before(builder, &made);
    if (*limited != NULL)
        return IPM_OK;
    made.type.limits = ipm_builder_copy(builder, limits, sizeof *limits);
    return made.type.limits == NULL ? ipm_builder_no_memory(builder)
                                    : keep(builder, &made, type->name, limited);
}

int ipm_builder_limit(ipm_builder *builder, const ipm_type *type, const ipm_limits *limits,
                      const ipm_type **limited) {
    const ipm_type *element = type->element;
    if (element == NULL)
        return limit_number(builder, type, limits, limited);
    int code = ipm_builder_limit(builder, element, limits, &element);
    if (code != IPM_OK)
        return code;
    if (type->kind == IPM_ARRAY)
        return ipm_builder_array(builder, element, type->count, limited);
    if (type->kind == IPM_LIST)
        return ipm_builder_list(builder, element, type->count, limited);
    return ipm_builder_optional(builder, element, limited);
}
