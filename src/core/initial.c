#include "initial.h"

#include "word.h"

/* Repeat the first `size` bytes until the end. Each copy is twice as large as the one before. */
static void repeat(unsigned char *bytes, uint64_t size, uint64_t whole) {
    while (size < whole) {
        uint64_t more = size < whole - size ? size : whole - size;
        ipm_copy_shared(bytes + size, bytes, more);
        size += more;
    }
}

static void store_field(const ipm_field *field, unsigned char *into) {
    if (field->initial == NULL) {
        ipm_type_store_defaults(field->type, into);
        return;
    }
    ipm_copy_to_shared(into, field->initial, field->initial_size);
    repeat(into, field->initial_size, field->type->size);
}

/* A new list is empty, and a new optional value absent. */
void ipm_type_store_defaults(const ipm_type *type, void *into) {
    if (!ipm_type_has_initial(type))
        return;
    if (type->kind == IPM_ARRAY) {
        ipm_type_store_defaults(type->element, into);
        repeat(into, type->element->size, type->size);
    }
    for (uint64_t i = 0; type->kind == IPM_STRUCT && i < type->count; i++)
        store_field(&type->fields[i], (unsigned char *)into + type->fields[i].offset);
}

void ipm_type_initialize(const ipm_type *type, void *into) {
    ipm_zero_shared(into, type->size);
    ipm_type_store_defaults(type, into);
}
