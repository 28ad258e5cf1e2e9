#include "builder.h"

#include "error.h"

#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The name of a field or a constant, and the last struct or enumeration that has one of this name.
 */
struct name {
    const char *text;
    uint32_t owner;
};

static int compare_types(const void *a, const void *b) {
    return strcmp(((const ipm_type *)a)->name, ((const ipm_type *)b)->name);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static void ignore(void *node) {
    (void)node;
}

int ipm_builder_no_memory(ipm_builder *builder) {
    return ipm_fail(builder->error, IPM_ESYSTEM, ENOMEM, "reading a schema");
}

int ipm_builder_refuse(ipm_builder *builder, const char *format, ...) {
    char what[sizeof builder->error->text - IPM_MAX_NAME - 32];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (builder->definition != NULL)
        return ipm_fail(builder->error, IPM_EINVALID, 0, "%s%s%s: %s", builder->definition,
                        builder->member == NULL ? "" : ".",
                        builder->member == NULL ? "" : builder->member, what);
    return ipm_fail(builder->error, IPM_EINVALID, 0, "%s: line %" PRIu32 ": %s",
                    builder->subject == NULL ? "schema" : builder->subject, builder->line, what);
}

void ipm_builder_open(ipm_builder *builder, ipm_layout *layout, ipm_error *error) {
    *builder = (ipm_builder){.layout = layout, .error = error};
}

void ipm_builder_close(ipm_builder *builder) {
    tdestroy(builder->named, ignore);
    tdestroy(builder->derived, ignore);
    tdestroy(builder->names, ignore);
    free(builder->fields);
    free(builder->constants);
}

void *ipm_builder_copy(ipm_builder *builder, const void *bytes, size_t size) {
    void *copy = ipm_layout_alloc(builder->layout, size);
    return copy == NULL ? NULL : memcpy(copy, bytes, size);
}

int ipm_builder_initial(ipm_builder *builder, uint64_t size, void **bytes) {
    if (size > IPM_MAX_INITIAL - builder->initial_total)
        return ipm_builder_refuse(builder,
                                  "the defaults of all fields together are larger than %d "
                                  "bytes",
                                  IPM_MAX_INITIAL);
    *bytes = ipm_layout_alloc(builder->layout, size);
    if (*bytes == NULL)
        return ipm_builder_no_memory(builder);
    memset(*bytes, 0, size);
    builder->initial_total += size;
    return IPM_OK;
}

/* ---- Names ------------------------------------------------------------------------------- */

const ipm_type *ipm_builder_finished(const ipm_builder *builder, const char *name) {
    const ipm_type probe = {.name = name};
    void **found = tfind(&probe, &builder->named, compare_types);
    return found == NULL ? NULL : *found;
}

int ipm_builder_claim(ipm_builder *builder, const char *text, const char *what, const char **kept) {
    const struct name probe = {.text = text};
    void **found = tfind(&probe, &builder->names, compare_names);
    struct name *name = found == NULL ? NULL : *found;
    if (name == NULL) {
        name = ipm_layout_alloc(builder->layout, sizeof *name);
        const char *copy = ipm_builder_copy(builder, text, strlen(text) + 1);
        if (name == NULL || copy == NULL)
            return ipm_builder_no_memory(builder);
        *name = (struct name){.text = copy, .owner = UINT32_MAX};
        if (tsearch(name, &builder->names, compare_names) == NULL)
            return ipm_builder_no_memory(builder);
    }
    if (name->owner == builder->current.index)
        return builder->member != NULL
                   ? ipm_builder_refuse(builder, "there are two fields of that name")
                   : ipm_builder_refuse(builder, "duplicate %s '%s'", what, text);
    name->owner = builder->current.index;
    *kept = name->text;
    return IPM_OK;
}

int ipm_builder_begin_named(ipm_builder *builder, const char *name, const char *what) {
    const char *copy = ipm_builder_copy(builder, name, strlen(name) + 1);
    if (copy == NULL)
        return ipm_builder_no_memory(builder);
    builder->subject = copy;
    if (ipm_scalar(name) != NULL)
        return ipm_builder_refuse(builder, "%s cannot have the name of a scalar type", what);
    const ipm_type *other = ipm_builder_finished(builder, name);
    if (other != NULL)
        return ipm_builder_refuse(builder, "duplicate %s '%s'",
                                  other->kind == IPM_STRUCT ? "struct" : "enumeration", name);
    builder->current =
        (ipm_node){.type = {.name = copy}, .depth = 1, .index = builder->named_count};
    return IPM_OK;
}

int ipm_builder_end_named(ipm_builder *builder, const ipm_type **type) {
    ipm_node *node = ipm_builder_copy(builder, &builder->current, sizeof builder->current);
    if (node == NULL || tsearch(node, &builder->named, compare_types) == NULL)
        return ipm_builder_no_memory(builder);
    builder->named_count++;
    builder->subject = NULL;
    *type = &node->type;
    return IPM_OK;
}

/* ---- Structs ----------------------------------------------------------------------------- */

/* Add a field at its offset. */
static int append(ipm_builder *builder, const ipm_field *field) {
    ipm_type *current = &builder->current.type;
    const ipm_node *part = ipm_node_of(field->type);
    const char *name = NULL;
    if (builder->field_total == IPM_MAX_FIELDS)
        return ipm_builder_refuse(builder, "more than %d fields in all structs together",
                                  IPM_MAX_FIELDS);
    if (current->count == builder->capacity) {
        size_t capacity = builder->capacity == 0 ? 16 : builder->capacity * 2;
        ipm_field *fields = realloc(builder->fields, capacity * sizeof *fields);
        if (fields == NULL)
            return ipm_builder_no_memory(builder);
        builder->fields = fields;
        builder->capacity = capacity;
    }
    int code = ipm_builder_claim(builder, field->name, "field", &name);
    if (code != IPM_OK)
        return code;
    ipm_field *added = &builder->fields[current->count++];
    *added = *field;
    added->name = name;
    builder->field_total++;
    builder->current.has_initial |= part->has_initial || field->initial != NULL;
    builder->current.is_limited |= part->is_limited;
    builder->current.is_dynamic |= part->is_dynamic;
    builder->current.has_bool |= part->has_bool;
    builder->current.has_text |= part->has_text;
    return IPM_OK;
}

static int deepen(ipm_builder *builder, const ipm_type *part) {
    uint32_t depth = ipm_node_of(part)->depth + 1;
    if (depth > IPM_MAX_DEPTH)
        return ipm_builder_refuse(builder, "nested deeper than %d", IPM_MAX_DEPTH);
    if (depth > builder->current.depth)
        builder->current.depth = depth;
    return IPM_OK;
}

int ipm_builder_begin(ipm_builder *builder, const char *name) {
    int code = ipm_builder_begin_named(builder, name, "a struct");
    builder->current.type.kind = IPM_STRUCT;
    builder->current.type.align = 1;
    return code;
}

int ipm_builder_extend(ipm_builder *builder, const ipm_type *parent) {
    if (parent->kind != IPM_STRUCT)
        return ipm_builder_refuse(builder, "its parent '%s' is not a struct", parent->name);
    int code = deepen(builder, parent);
    for (uint64_t i = 0; code == IPM_OK && i < parent->count; i++)
        code = append(builder, &parent->fields[i]);
    builder->current.type.parent = parent;
    builder->current.type.size = parent->size;
    builder->current.type.align = parent->align;
    return code;
}

int ipm_builder_pack(ipm_builder *builder, uint64_t pack) {
    ipm_type *current = &builder->current.type;
    if (pack != 1 && pack != 2 && pack != 4 && pack != 8)
        return ipm_builder_refuse(builder, "pack is 1, 2, 4 or 8, not %" PRIu64, pack);
    if (current->parent != NULL && ipm_type_is_shared(current->parent))
        return ipm_builder_refuse(builder,
                                  "a shared struct cannot be packed: put the fields into a "
                                  "packed struct, and that into this one");
    current->pack = (uint32_t)pack;
    if (current->align > pack)
        current->align = (uint32_t)pack;
    return IPM_OK;
}

int ipm_builder_field(ipm_builder *builder, const ipm_field *field) {
    ipm_type *current = &builder->current.type;
    const ipm_type *type = field->type;
    uint32_t align =
        current->pack != 0 && current->pack < type->align ? current->pack : type->align;
    ipm_field placed = *field;
    placed.offset = ipm_align_up(current->size, align);
    int code = deepen(builder, type);
    if (code == IPM_OK)
        code = append(builder, &placed);
    if (code != IPM_OK)
        return code;
    current->size = placed.offset + type->size;
    if (current->align < align)
        current->align = align;
    if (ipm_align_up(current->size, current->align) > IPM_MAX_SIZE)
        return ipm_builder_refuse(builder, "with '%s' the struct is larger than %" PRIu64 " bytes",
                                  field->name, IPM_MAX_SIZE);
    return IPM_OK;
}

int ipm_builder_end(ipm_builder *builder, const ipm_type **type) {
    ipm_type *current = &builder->current.type;
    if (current->count == 0)
        return ipm_builder_refuse(builder, "a struct needs a field or a parent");
    current->size = ipm_align_up(current->size, current->align);
    current->fields = ipm_builder_copy(builder, builder->fields,
                                       (size_t)current->count * sizeof *current->fields);
    if (current->fields == NULL)
        return ipm_builder_no_memory(builder);
    return ipm_builder_end_named(builder, type);
}
