/*
 * Copying structs and enumerations of other layouts into the layout that is built.
 */
#include "builder.h"
#include "utf.h"

#include <string.h>

static int import_type(ipm_builder *builder, const ipm_type *type, const ipm_type **copy);

static int import_enum(ipm_builder *builder, const ipm_type *type, const ipm_type **copy) {
    int code = ipm_builder_begin_enum(builder, type->name, type->names->is_flags);
    if (code == IPM_OK)
        code = ipm_builder_integer(builder, ipm_scalar_of(type->kind));
    for (size_t i = 0; code == IPM_OK && i < type->names->count; i++)
        code = ipm_builder_constant(builder, type->names->constants[i].name,
                                    type->names->constants[i].number);
    return code == IPM_OK ? ipm_builder_end_enum(builder, copy) : code;
}

/* Import all parts of a struct before it begins: the builder builds one struct at a time. */
static int import_parts(ipm_builder *builder, const ipm_type *type) {
    const ipm_type *copy;
    int code = type->parent == NULL ? IPM_OK : import_type(builder, type->parent, &copy);
    for (uint64_t i = ipm_inherited(type); code == IPM_OK && i < type->count; i++)
        code = import_type(builder, type->fields[i].type, &copy);
    return code;
}

static int import_string(ipm_builder *builder, const char **string) {
    if (*string != NULL &&
        (*string = ipm_builder_copy(builder, *string, strlen(*string) + 1)) == NULL)
        return ipm_builder_no_memory(builder);
    return IPM_OK;
}

/* The field has its own layout's type and strings, and gets copies. */
static int import_field(ipm_builder *builder, ipm_field *field) {
    int code = import_type(builder, field->type, &field->type);
    if (code == IPM_OK)
        code = import_string(builder, &field->unit);
    if (code == IPM_OK)
        code = import_string(builder, &field->doc);
    if (code == IPM_OK && field->initial != NULL) {
        void *bytes;
        code = ipm_builder_initial(builder, field->initial_size, &bytes);
        if (code == IPM_OK)
            field->initial = memcpy(bytes, field->initial, field->initial_size);
    }
    return code;
}

/*
 * Import a struct by building it again, with all checks. Its offsets are not copied: they would be
 * wrong if this layout already has another struct under the name of one of its parts.
 */
static int import_struct(ipm_builder *builder, const ipm_type *type, const ipm_type **copy) {
    int code = import_parts(builder, type);
    if (code == IPM_OK)
        code = ipm_builder_begin(builder, type->name);
    if (code == IPM_OK && type->parent != NULL)
        code = ipm_builder_extend(builder, ipm_builder_finished(builder, type->parent->name));
    if (code == IPM_OK && type->pack != 0)
        code = ipm_builder_pack(builder, type->pack);
    for (uint64_t i = ipm_inherited(type); code == IPM_OK && i < type->count; i++) {
        ipm_field field = type->fields[i];
        code = import_field(builder, &field);
        if (code == IPM_OK)
            code = ipm_builder_field(builder, &field);
    }
    return code == IPM_OK ? ipm_builder_end(builder, copy) : code;
}

/* A struct or an enumeration. The layout may have another type of this name: an enumeration of
 * another integer type would make defaults wrong. */
static int import_named(ipm_builder *builder, const ipm_type *type, const ipm_type **copy) {
    if (builder->definition != NULL && strcmp(type->name, builder->definition) == 0)
        return ipm_builder_refuse(builder, "a struct cannot be part of itself");
    *copy = ipm_builder_finished(builder, type->name);
    if (*copy == NULL)
        return (type->names != NULL ? import_enum : import_struct)(builder, type, copy);
    if ((*copy)->kind != type->kind)
        return ipm_builder_refuse(builder, "there are two different types '%s'", type->name);
    return IPM_OK;
}

static int import_type(ipm_builder *builder, const ipm_type *type, const ipm_type **copy) {
    const ipm_type *element = type->element;
    if (type->kind == IPM_STRUCT || type->names != NULL)
        return import_named(builder, type, copy);
    if (type->limits != NULL)
        return ipm_builder_limit(builder, ipm_scalar_of(type->kind), type->limits, copy);
    if (ipm_kind_is_text(type->kind))
        return ipm_builder_text(builder, ipm_scalar_of(type->kind),
                                type->size / ipm_unit_size(type->kind), copy);
    *copy = type;
    if (element == NULL)
        return IPM_OK;
    int code = import_type(builder, element, &element);
    if (code != IPM_OK)
        return code;
    if (type->kind == IPM_ARRAY)
        return ipm_builder_array(builder, element, type->count, copy);
    if (type->kind == IPM_LIST)
        return ipm_builder_list(builder, element, type->count, copy);
    return ipm_builder_optional(builder, element, copy);
}

int ipm_builder_type(ipm_builder *builder, const char *name, const ipm_type **type) {
    *type = ipm_scalar(name);
    if (*type == NULL)
        *type = ipm_builder_finished(builder, name);
    if (*type != NULL || builder->known == NULL)
        return IPM_OK;
    const ipm_type *known = builder->known->find(builder->known->context, name);
    return known == NULL ? IPM_OK : import_type(builder, known, type);
}
