#include "layout.h"

#include <stdlib.h>
#include <string.h>

/* Each chunk is twice as large as the one before, so a layout of any size needs few of them. */
#define FIRST_CHUNK 2048
#define LAST_CHUNK ((size_t)1 << 20)

struct ipm_chunk {
    struct ipm_chunk *next;
    size_t size, used;
    max_align_t bytes[];
};

ipm_layout *ipm_layout_new(void) {
    return calloc(1, sizeof(ipm_layout));
}

void ipm_layout_free(ipm_layout *layout) {
    if (layout == NULL)
        return;
    for (struct ipm_chunk *chunk = layout->chunks; chunk != NULL;) {
        struct ipm_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    free(layout);
}

static struct ipm_chunk *add_chunk(ipm_layout *layout, size_t least) {
    size_t size = layout->chunks == NULL ? FIRST_CHUNK : layout->chunks->size * 2;
    if (size > LAST_CHUNK)
        size = LAST_CHUNK;
    if (size < least)
        size = least;
    if (size > SIZE_MAX - sizeof(struct ipm_chunk))
        return NULL;
    struct ipm_chunk *chunk = malloc(sizeof *chunk + size);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct ipm_chunk){.next = layout->chunks, .size = size};
    return layout->chunks = chunk;
}

void *ipm_layout_alloc(ipm_layout *layout, size_t size) {
    const size_t unit = _Alignof(max_align_t);
    if (size > SIZE_MAX - unit)
        return NULL;
    size = (size + unit - 1) / unit * unit;
    struct ipm_chunk *chunk = layout->chunks;
    if (chunk == NULL || chunk->size - chunk->used < size)
        chunk = add_chunk(layout, size);
    if (chunk == NULL)
        return NULL;
    void *place = (char *)chunk->bytes + chunk->used;
    chunk->used += size;
    return place;
}

const ipm_type *ipm_layout_type(const ipm_layout *layout) {
    return layout->type;
}

const char *ipm_layout_text(const ipm_layout *layout, size_t *length) {
    if (length != NULL)
        *length = layout->length;
    return layout->text;
}

#define SCALAR(scalar_kind, bytes, spelling)                                                       \
    {                                                                                              \
        .type = {.kind = (scalar_kind), .align = (bytes), .size = (bytes), .name = (spelling)},    \
        .has_bool = (scalar_kind) == IPM_BOOL, .has_text = (scalar_kind) >= IPM_CHAR               \
    }

static const ipm_node scalars[] = {
    SCALAR(IPM_BOOL, 1, "bool"),     SCALAR(IPM_INT8, 1, "int8"),
    SCALAR(IPM_UINT8, 1, "uint8"),   SCALAR(IPM_INT16, 2, "int16"),
    SCALAR(IPM_UINT16, 2, "uint16"), SCALAR(IPM_INT32, 4, "int32"),
    SCALAR(IPM_UINT32, 4, "uint32"), SCALAR(IPM_INT64, 8, "int64"),
    SCALAR(IPM_UINT64, 8, "uint64"), SCALAR(IPM_FLOAT, 4, "float"),
    SCALAR(IPM_DOUBLE, 8, "double"), SCALAR(IPM_CHAR, 1, "char"),
    SCALAR(IPM_CHAR16, 2, "char16"), SCALAR(IPM_CHAR32, 4, "char32"),
};

const ipm_type *ipm_scalar(const char *name) {
    if (strcmp(name, "_Bool") == 0) /* C's preprocessor turns bool into this in IPM_SHARED */
        name = "bool";
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        if (strcmp(scalars[i].type.name, name) == 0)
            return &scalars[i].type;
    return NULL;
}

const ipm_type *ipm_scalar_of(ipm_kind kind) {
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        if (scalars[i].type.kind == kind)
            return &scalars[i].type;
    return NULL;
}

const ipm_type *ipm_innermost(const ipm_type *type) {
    while (type->element != NULL)
        type = type->element;
    return type;
}

const ipm_field *ipm_type_field(const ipm_type *type, const char *name, size_t length) {
    if (type->kind != IPM_STRUCT)
        return NULL;
    for (uint64_t i = 0; i < type->count; i++) {
        const ipm_field *field = &type->fields[i];
        if (strlen(field->name) == length && memcmp(field->name, name, length) == 0)
            return field;
    }
    return NULL;
}

/* Whether the field has no attribute, and a type with no other name. */
static bool is_plain(const ipm_field *field, const char *name, ipm_kind kind) {
    const ipm_type *type = field->type;
    return strcmp(field->name, name) == 0 && type->kind == kind && type->names == NULL &&
           type->limits == NULL && field->initial == NULL;
}

/* Check the whole base struct and not only its name: later code writes to its header unchecked. */
static bool is_base(const ipm_type *type) {
    if (strcmp(type->name, "BaseMmapStructure") != 0 || type->count != 1 || type->parent != NULL ||
        type->pack != 0 || !is_plain(&type->fields[0], "header", IPM_STRUCT))
        return false;
    const ipm_type *header = type->fields[0].type;
    return strcmp(header->name, "MmapStructureHeader") == 0 && header->count == 2 &&
           header->parent == NULL && header->pack == 0 &&
           is_plain(&header->fields[0], "header_code", IPM_INT16) &&
           is_plain(&header->fields[1], "time_stamp", IPM_DOUBLE);
}

bool ipm_type_is_shared(const ipm_type *type) {
    if (type->kind != IPM_STRUCT)
        return false;
    for (; type != NULL; type = type->parent)
        if (is_base(type))
            return true;
    return false;
}
