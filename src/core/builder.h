/*
 * Builds a layout type by type, in the order of declaration, and checks every limit.
 *
 * A builder is on the caller's stack while one text is read. Its functions return IPM_OK,
 * IPM_EINVALID or IPM_ESYSTEM. They fill in the error's text as "Demo: line 3: what is wrong", or
 * as "Demo.points: what is wrong" for a definition. After a failure only close may be called.
 */
#ifndef IPM_CORE_BUILDER_H
#define IPM_CORE_BUILDER_H

#include "layout.h"

/* Structs of other layouts. find returns the struct with a name, or NULL. */
typedef struct ipm_known {
    const ipm_type *(*find)(void *context, const char *name);
    void *context;
} ipm_known;

typedef struct ipm_builder {
    ipm_layout *layout;
    ipm_error *error;
    const char *subject; /* the struct being defined, or NULL */
    uint32_t line;       /* the caller's present line in its text */

    const ipm_known *known; /* NULL: none */
    const char *definition; /* the name of the struct that a program defines; NULL: text is read */
    const char *member;     /* the field of the definition to name in errors; NULL: none */

    void *structs; /* search trees of the C library: they are balanced, so that hostile names */
    void *arrays;  /* cannot make them slow, unlike a hash table */
    void *names;
    uint32_t struct_count;
    uint64_t field_total; /* of all structs */

    ipm_node current; /* the struct being defined */
    ipm_field *fields;
    size_t capacity;
} ipm_builder;

void ipm_builder_open(ipm_builder *builder, ipm_layout *layout, ipm_error *error);
void ipm_builder_close(ipm_builder *builder);

/* Fail with IPM_EINVALID. The text names the present struct and the line or the field. */
int ipm_builder_refuse(ipm_builder *builder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Set *type to the scalar or the finished struct with this name, or to NULL. The first call for a
 * known struct copies the struct and all its parts into the layout. Do not call this for a known
 * struct between begin and end.
 */
int ipm_builder_type(ipm_builder *builder, const char *name, const ipm_type **type);

/* char[size] */
int ipm_builder_text(ipm_builder *builder, uint64_t size, const ipm_type **type);

/* element[count] */
int ipm_builder_array(ipm_builder *builder, const ipm_type *element, uint64_t count,
                      const ipm_type **type);

/* Define a struct: call begin, extend if it has a parent, field for each field in memory order,
 * end. */
int ipm_builder_begin(ipm_builder *builder, const char *name);
int ipm_builder_extend(ipm_builder *builder, const ipm_type *parent);
int ipm_builder_field(ipm_builder *builder, const char *name, const ipm_type *type);
int ipm_builder_end(ipm_builder *builder, const ipm_type **type);

#endif
