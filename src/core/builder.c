#include "builder.h"

#include "error.h"

#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A field's name, and the last struct that has a field with this name. */
struct name {
    const char *text;
    uint32_t owner;
};

static int compare_structs(const void *a, const void *b) {
    return strcmp(((const ipm_type *)a)->name, ((const ipm_type *)b)->name);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* A text counts as an array without an element type here. */
static int compare_arrays(const void *a, const void *b) {
    const ipm_type *left = a, *right = b;
    uintptr_t l = (uintptr_t)left->element, r = (uintptr_t)right->element;
    if (l != r)
        return l < r ? -1 : 1;
    return (left->size > right->size) - (left->size < right->size);
}

typedef int compare_function(const void *, const void *);

static void *search(void *const *tree, const void *key, compare_function *compare) {
    void **found = tfind(key, tree, compare);
    return found == NULL ? NULL : *found;
}

static void ignore(void *node) {
    (void)node;
}

static int no_memory(ipm_builder *builder) {
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
    tdestroy(builder->structs, ignore);
    tdestroy(builder->arrays, ignore);
    tdestroy(builder->names, ignore);
    free(builder->fields);
}

static const char *copy_text(ipm_builder *builder, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = ipm_layout_alloc(builder->layout, size);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}

/* This layout's struct with the name; NULL: none. */
static const ipm_type *finished(const ipm_builder *builder, const char *name) {
    ipm_type probe = {.name = name};
    return search(&builder->structs, &probe, compare_structs);
}

/* ---- Arrays ------------------------------------------------------------------------------ */

/*
 * The name of an array type. An array of 24 "Point2D[3]" is "Point2D[24][3]". An array of 24 single
 * chars is "char[24][1]", because "char[24]" is a text.
 */
static const char *bracketed(ipm_builder *builder, const ipm_type *element, uint64_t count,
                             ipm_kind kind) {
    const char *inner = strchr(element->name, '[');
    size_t base = inner == NULL ? strlen(element->name) : (size_t)(inner - element->name);
    if (inner == NULL)
        inner = kind == IPM_ARRAY && element->kind == IPM_CHAR ? "[1]" : "";
    size_t size = base + strlen(inner) + sizeof "[18446744073709551615]";
    char *name = ipm_layout_alloc(builder->layout, size);
    if (name != NULL)
        snprintf(name, size, "%.*s[%" PRIu64 "]%s", (int)base, element->name, count, inner);
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

/* Set *type to the equal type in the tree, or else add a copy of `made` with the array's name. */
static int share(ipm_builder *builder, const ipm_node *made, const ipm_type *element,
                 uint64_t count, const ipm_type **type) {
    *type = search(&builder->arrays, made, compare_arrays);
    if (*type != NULL)
        return IPM_OK;
    ipm_node *node = ipm_layout_alloc(builder->layout, sizeof *node);
    const char *name = bracketed(builder, element, count, made->type.kind);
    if (node == NULL || name == NULL)
        return no_memory(builder);
    *node = *made;
    node->type.name = name;
    if (tsearch(node, &builder->arrays, compare_arrays) == NULL)
        return no_memory(builder);
    *type = &node->type;
    return IPM_OK;
}

int ipm_builder_array(ipm_builder *builder, const ipm_type *element, uint64_t count,
                      const ipm_type **type) {
    int code = check_count(builder, element, count);
    if (code != IPM_OK)
        return code;
    const ipm_node *inner = ipm_node_of(element);
    if (inner->depth >= IPM_MAX_DEPTH)
        return ipm_builder_refuse(builder, "nested deeper than %d", IPM_MAX_DEPTH);
    ipm_node node = {
        .type = {.kind = IPM_ARRAY,
                 .align = element->align,
                 .size = element->size * count,
                 .count = count,
                 .element = element},
        .depth = inner->depth + 1,
        .index = inner->index,
    };
    return share(builder, &node, element, count, type);
}

int ipm_builder_text(ipm_builder *builder, uint64_t size, const ipm_type **type) {
    const ipm_type *character = ipm_scalar("char");
    int code = check_count(builder, character, size);
    if (code != IPM_OK)
        return code;
    if (size == 1) {
        *type = character;
        return IPM_OK;
    }
    ipm_node node = {.type = {.kind = IPM_CHAR, .align = 1, .size = size}};
    return share(builder, &node, character, size, type);
}

/* ---- Structs ----------------------------------------------------------------------------- */

/* Refuse a second field with this name in the struct being defined. */
static int claim_name(ipm_builder *builder, const char *text, const char **kept) {
    struct name probe = {.text = text};
    struct name *name = search(&builder->names, &probe, compare_names);
    if (name == NULL) {
        name = ipm_layout_alloc(builder->layout, sizeof *name);
        const char *copy = copy_text(builder, text);
        if (name == NULL || copy == NULL)
            return no_memory(builder);
        *name = (struct name){.text = copy, .owner = UINT32_MAX};
        if (tsearch(name, &builder->names, compare_names) == NULL)
            return no_memory(builder);
    }
    if (name->owner == builder->current.index)
        return builder->member != NULL
                   ? ipm_builder_refuse(builder, "there are two fields of that name")
                   : ipm_builder_refuse(builder, "duplicate field '%s'", text);
    name->owner = builder->current.index;
    *kept = name->text;
    return IPM_OK;
}

static int append(ipm_builder *builder, const char *name, const ipm_type *type, uint64_t offset) {
    ipm_type *current = &builder->current.type;
    if (builder->field_total == IPM_MAX_FIELDS)
        return ipm_builder_refuse(builder, "more than %d fields in all structs together",
                                  IPM_MAX_FIELDS);
    if (current->count == builder->capacity) {
        size_t capacity = builder->capacity == 0 ? 16 : builder->capacity * 2;
        ipm_field *fields = realloc(builder->fields, capacity * sizeof *fields);
        if (fields == NULL)
            return no_memory(builder);
        builder->fields = fields;
        builder->capacity = capacity;
    }
    ipm_field *field = &builder->fields[current->count];
    int code = claim_name(builder, name, &field->name);
    if (code != IPM_OK)
        return code;
    field->type = type;
    field->offset = offset;
    builder->field_total++;
    current->count++;
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
    const char *copy = copy_text(builder, name);
    if (copy == NULL)
        return no_memory(builder);
    builder->subject = copy;
    if (ipm_scalar(name) != NULL)
        return ipm_builder_refuse(builder, "a struct cannot have the name of a scalar type");
    if (finished(builder, name) != NULL)
        return ipm_builder_refuse(builder, "duplicate struct '%s'", name);
    builder->current = (ipm_node){
        .type = {.kind = IPM_STRUCT, .align = 1, .name = copy},
        .depth = 1,
        .index = builder->struct_count,
    };
    return IPM_OK;
}

int ipm_builder_extend(ipm_builder *builder, const ipm_type *parent) {
    if (parent->kind != IPM_STRUCT)
        return ipm_builder_refuse(builder, "its parent '%s' is not a struct", parent->name);
    int code = deepen(builder, parent);
    for (uint64_t i = 0; code == IPM_OK && i < parent->count; i++) {
        const ipm_field *field = &parent->fields[i];
        code = append(builder, field->name, field->type, field->offset);
    }
    builder->current.type.parent = parent;
    builder->current.type.size = parent->size;
    builder->current.type.align = parent->align;
    return code;
}

static uint64_t align_up(uint64_t size, uint32_t align) {
    return (size + align - 1) & ~(uint64_t)(align - 1);
}

int ipm_builder_field(ipm_builder *builder, const char *name, const ipm_type *type) {
    ipm_type *current = &builder->current.type;
    uint64_t offset = align_up(current->size, type->align);
    int code = deepen(builder, type);
    if (code == IPM_OK)
        code = append(builder, name, type, offset);
    if (code != IPM_OK)
        return code;
    current->size = offset + type->size;
    if (current->align < type->align)
        current->align = type->align;
    if (align_up(current->size, current->align) > IPM_MAX_SIZE)
        return ipm_builder_refuse(builder, "with '%s' the struct is larger than %" PRIu64 " bytes",
                                  name, IPM_MAX_SIZE);
    return IPM_OK;
}

int ipm_builder_end(ipm_builder *builder, const ipm_type **type) {
    ipm_type *current = &builder->current.type;
    if (current->count == 0)
        return ipm_builder_refuse(builder, "a struct needs a field or a parent");
    current->size = align_up(current->size, current->align);
    size_t bytes = (size_t)current->count * sizeof *current->fields;
    ipm_field *fields = ipm_layout_alloc(builder->layout, bytes);
    ipm_node *node = ipm_layout_alloc(builder->layout, sizeof *node);
    if (fields == NULL || node == NULL)
        return no_memory(builder);
    current->fields = memcpy(fields, builder->fields, bytes);
    *node = builder->current;
    if (tsearch(node, &builder->structs, compare_structs) == NULL)
        return no_memory(builder);
    builder->struct_count++;
    builder->subject = NULL;
    *type = &node->type;
    return IPM_OK;
}

/* ---- Known structs ----------------------------------------------------------------------- */

static int import_type(ipm_builder *builder, const ipm_type *type, const ipm_type **copy);

/* Import all parts of a struct before it begins: the builder builds one struct at a time. */
static int import_parts(ipm_builder *builder, const ipm_type *type) {
    const ipm_type *copy;
    int code = type->parent == NULL ? IPM_OK : import_type(builder, type->parent, &copy);
    for (uint64_t i = ipm_inherited(type); code == IPM_OK && i < type->count; i++)
        code = import_type(builder, type->fields[i].type, &copy);
    return code;
}

/*
 * Import a struct by building it again, with all checks. Its offsets are not copied: they would be
 * wrong if this layout already has another struct under the name of one of its parts.
 */
static int import_struct(ipm_builder *builder, const ipm_type *type, const ipm_type **copy) {
    const ipm_type *part;
    if (builder->definition != NULL && strcmp(type->name, builder->definition) == 0)
        return ipm_builder_refuse(builder, "a struct cannot be part of itself");
    int code = import_parts(builder, type);
    if (code == IPM_OK)
        code = ipm_builder_begin(builder, type->name);
    if (code == IPM_OK && type->parent != NULL)
        code = ipm_builder_extend(builder, finished(builder, type->parent->name));
    for (uint64_t i = ipm_inherited(type); code == IPM_OK && i < type->count; i++) {
        code = import_type(builder, type->fields[i].type, &part);
        if (code == IPM_OK)
            code = ipm_builder_field(builder, type->fields[i].name, part);
    }
    return code == IPM_OK ? ipm_builder_end(builder, copy) : code;
}

static int import_type(ipm_builder *builder, const ipm_type *type, const ipm_type **copy) {
    const ipm_type *element = type->element;
    if (type->kind == IPM_STRUCT) {
        *copy = finished(builder, type->name);
        return *copy == NULL ? import_struct(builder, type, copy) : IPM_OK;
    }
    if (type->kind == IPM_ARRAY) {
        int code = import_type(builder, element, &element);
        return code == IPM_OK ? ipm_builder_array(builder, element, type->count, copy) : code;
    }
    if (type->kind == IPM_CHAR)
        return ipm_builder_text(builder, type->size, copy);
    *copy = type;
    return IPM_OK;
}

int ipm_builder_type(ipm_builder *builder, const char *name, const ipm_type **type) {
    *type = ipm_scalar(name);
    if (*type == NULL)
        *type = finished(builder, name);
    if (*type != NULL || builder->known == NULL)
        return IPM_OK;
    const ipm_type *known = builder->known->find(builder->known->context, name);
    return known == NULL ? IPM_OK : import_type(builder, known, type);
}
