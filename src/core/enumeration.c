/*
 * Enumerations and flags: names of numbers.
 */
#include "builder.h"
#include "number.h"

#include <stdlib.h>
#include <string.h>

int ipm_builder_begin_enum(ipm_builder *builder, const char *name, bool is_flags) {
    builder->names_of_current = (ipm_enum){.is_flags = is_flags};
    return ipm_builder_begin_named(builder, name, is_flags ? "flags" : "an enumeration");
}

int ipm_builder_integer(ipm_builder *builder, const ipm_type *integer) {
    ipm_type *current = &builder->current.type;
    if (!ipm_kind_is_integer(integer->kind) || integer->names != NULL)
        return ipm_builder_refuse(builder,
                                  "the names are of an integer type, such as uint8, not of "
                                  "'%s'",
                                  integer->name);
    current->kind = integer->kind;
    current->align = integer->align;
    current->size = integer->size;
    builder->current.depth = 0;
    return IPM_OK;
}

int ipm_builder_constant(ipm_builder *builder, const char *name, ipm_number number) {
    ipm_enum *names = &builder->names_of_current;
    if (names->is_flags && number.u == 0)
        return ipm_builder_refuse(builder, "%s = 0: a flag has at least one bit", name);
    if (names->count == builder->constant_capacity) {
        size_t capacity = names->count == 0 ? 16 : names->count * 2;
        ipm_constant *constants = realloc(builder->constants, capacity * sizeof *constants);
        if (constants == NULL)
            return ipm_builder_no_memory(builder);
        builder->constants = constants;
        builder->constant_capacity = capacity;
    }
    ipm_constant *added = &builder->constants[names->count++];
    added->number = number;
    return ipm_builder_claim(builder, name, "name", &added->name);
}

static int order_by_name(const void *a, const void *b) {
    return strcmp(((const ipm_constant *)a)->name, ((const ipm_constant *)b)->name);
}

static int order_by_number(const void *a, const void *b) {
    const ipm_constant *left = a, *right = b;
    return (left->number.u > right->number.u) - (left->number.u < right->number.u);
}

/* returns  a sorted copy of the constants; NULL: no memory */
static const ipm_constant *sorted(ipm_builder *builder, const ipm_enum *names,
                                  int (*order)(const void *, const void *)) {
    ipm_constant *list = ipm_builder_copy(builder, builder->constants, names->count * sizeof *list);
    if (list != NULL)
        qsort(list, names->count, sizeof *list, order);
    return list;
}

int ipm_builder_end_enum(ipm_builder *builder, const ipm_type **type) {
    ipm_node *current = &builder->current;
    ipm_enum *names = &builder->names_of_current;
    if (names->count == 0)
        return ipm_builder_refuse(builder, "%s at least one name",
                                  names->is_flags ? "flags have" : "an enumeration has");
    names->constants =
        ipm_builder_copy(builder, builder->constants, names->count * sizeof *names->constants);
    current->type.names = ipm_builder_copy(builder, names, sizeof *names);
    if (names->constants == NULL || current->type.names == NULL)
        return ipm_builder_no_memory(builder);
    const ipm_constant *by_number = sorted(builder, names, order_by_number);
    current->by_number = by_number;
    current->by_name = sorted(builder, names, order_by_name);
    if (by_number == NULL || current->by_name == NULL)
        return ipm_builder_no_memory(builder);
    for (size_t i = 1; i < names->count; i++)
        if (by_number[i - 1].number.u == by_number[i].number.u) {
            char text[IPM_NUMBER_TEXT];
            return ipm_builder_refuse(
                builder, "'%s' and '%s' have the same number, %s", by_number[i - 1].name,
                by_number[i].name, ipm_number_write(current->type.kind, by_number[i].number, text));
        }
    return ipm_builder_end_named(builder, type);
}

const ipm_constant *ipm_constant_named(const ipm_type *type, const char *name, size_t length) {
    const ipm_constant *list = ipm_node_of(type)->by_name;
    size_t first = 0, end = type->names->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        const char *found = list[middle].name;
        size_t found_length = strlen(found);
        int order = memcmp(name, found, length < found_length ? length : found_length);
        if (order == 0)
            order = (length > found_length) - (length < found_length);
        if (order == 0)
            return &list[middle];
        if (order > 0)
            first = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

const ipm_constant *ipm_constant_of(const ipm_type *type, ipm_number number) {
    const ipm_constant *list = ipm_node_of(type)->by_number;
    size_t first = 0, end = type->names->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (list[middle].number.u == number.u)
            return &list[middle];
        if (list[middle].number.u < number.u)
            first = middle + 1;
        else
            end = middle;
    }
    return NULL;
}
