/*
 * Building a layout type by type, in the order of declaration, with every limit checked.
 *
 * A builder is on the caller's stack while one text is read. Its functions return IPM_OK,
 * IPM_EINVALID or IPM_ESYSTEM with the error filled in as "Demo: line 3: what is wrong", or as
 * "Demo.points: what is wrong" for a definition; after a failure only close may be called.
 */
#ifndef IPM_CORE_BUILDER_H
#define IPM_CORE_BUILDER_H

#include "layout.h"

/* Structs of other layouts: find returns the one of that name, or NULL. */
typedef struct ipm_known {
    const ipm_type *(*find)(void *context, const char *name);
    void *context;
} ipm_known;

typedef struct ipm_builder {
    ipm_layout *layout;
    ipm_error *error;
    const char *subject; /* the struct being defined, or NULL */
    uint32_t line;       /* where the caller is in its text */

    const ipm_known *known; /* NULL: none */
    const char *definition; /* the name of the struct that a program defines; NULL: text is read */
    const char *member;     /* the definition's field that errors name; NULL: none */

    void *structs; /* search trees of the C library, which are balanced: hostile names */
    void *arrays;  /* cannot make them slow, as they could a hash table */
    void *names;
    uint32_t struct_count;
    uint64_t field_total; /* of all structs */

    ipm_node current; /* the struct being defined */
    ipm_field *fields;
    size_t capacity;
} ipm_builder;

void ipm_builder_open(ipm_builder *builder, ipm_layout *layout, ipm_error *error);
void ipm_builder_close(ipm_builder *builder);

/* Fail with IPM_EINVALID at the place where the caller is. */
int ipm_builder_refuse(ipm_builder *builder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Set *type to the scalar or finished struct of that name, or to NULL. The first call for a known
 * struct copies it and all its parts into the layout. Not to be called for one between begin and
 * end.
 */
int ipm_builder_type(ipm_builder *builder, const char *name, const ipm_type **type);

/* char[size] */
int ipm_builder_text(ipm_builder *builder, uint64_t size, const ipm_type **type);

/* element[count] */
int ipm_builder_array(ipm_builder *builder, const ipm_type *element, uint64_t count,
                      const ipm_type **type);

/* Define a struct: begin, perhaps extend a parent, its own fields in memory order, end. */
int ipm_builder_begin(ipm_builder *builder, const char *name);
int ipm_builder_extend(ipm_builder *builder, const ipm_type *parent);
int ipm_builder_field(ipm_builder *builder, const char *name, const ipm_type *type);
int ipm_builder_end(ipm_builder *builder, const ipm_type **type);

#endif
