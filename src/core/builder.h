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

/* Structs and enumerations of other layouts. find returns the one with a name, or NULL. */
typedef struct ipm_known {
    const ipm_type *(*find)(void *context, const char *name);
    void *context;
} ipm_known;

typedef struct ipm_builder {
    ipm_layout *layout;
    ipm_error *error;
    const char *subject; /* the struct or enumeration being defined, or NULL */
    uint32_t line;       /* the caller's present line in its text */

    const ipm_known *known; /* NULL: none */
    const char *definition; /* the name of the struct that a program defines; NULL: text is read */
    const char *member;     /* the field of the definition to name in errors; NULL: none */

    void *named;   /* search trees of the C library: they are balanced, so that hostile names */
    void *derived; /* cannot make them slow, unlike a hash table */
    void *names;
    uint32_t named_count;   /* structs and enumerations */
    uint64_t field_total;   /* of all structs */
    uint64_t initial_total; /* bytes of all defaults */

    ipm_node current; /* the struct or enumeration being defined */
    ipm_enum names_of_current;
    ipm_field *fields; /* of the struct */
    size_t capacity;
    ipm_constant *constants; /* of the enumeration */
    size_t constant_capacity;
} ipm_builder;

void ipm_builder_open(ipm_builder *builder, ipm_layout *layout, ipm_error *error);
void ipm_builder_close(ipm_builder *builder);

/* Fail with IPM_EINVALID. The text names the present struct and the line or the field. */
int ipm_builder_refuse(ipm_builder *builder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int ipm_builder_no_memory(ipm_builder *builder);

/* Copy bytes into the layout. NULL: no memory */
void *ipm_builder_copy(ipm_builder *builder, const void *bytes, size_t size);

/*
 * Allocate `size` zero bytes in the layout for a default. Refuses more than IPM_MAX_INITIAL bytes
 * of all defaults together.
 */
int ipm_builder_initial(ipm_builder *builder, uint64_t size, void **bytes);

/* This layout's struct or enumeration with the name; NULL: none. */
const ipm_type *ipm_builder_finished(const ipm_builder *builder, const char *name);

/*
 * Set *type to the scalar, or the finished struct or enumeration with this name, or to NULL. The
 * first call for a known one copies it and all its parts into the layout. Do not call this for a
 * known one between begin and end.
 */
int ipm_builder_type(ipm_builder *builder, const char *name, const ipm_type **type);

/* Types made of others. One that was made before is found again. */

/* A text of `count` units; character: a scalar of a kind of text, such as char. */
int ipm_builder_text(ipm_builder *builder, const ipm_type *character, uint64_t count,
                     const ipm_type **type);
/* element[count] */
int ipm_builder_array(ipm_builder *builder, const ipm_type *element, uint64_t count,
                      const ipm_type **type);
/* element[<=count] */
int ipm_builder_list(ipm_builder *builder, const ipm_type *element, uint64_t count,
                     const ipm_type **type);
/* element? */
int ipm_builder_optional(ipm_builder *builder, const ipm_type *element, const ipm_type **type);
/* The type with limits of its innermost elements, which are numbers without limits. */
int ipm_builder_limit(ipm_builder *builder, const ipm_type *type, const ipm_limits *limits,
                      const ipm_type **limited);

/*
 * Define a struct: call begin, extend if it has a parent, pack if it is packed, field for each
 * field in memory order, end. The field's strings and its default are not copied, but its name is;
 * its offset is not read.
 */
int ipm_builder_begin(ipm_builder *builder, const char *name);
int ipm_builder_extend(ipm_builder *builder, const ipm_type *parent);
int ipm_builder_pack(ipm_builder *builder, uint64_t pack);
int ipm_builder_field(ipm_builder *builder, const ipm_field *field);
int ipm_builder_end(ipm_builder *builder, const ipm_type **type);

/* Define an enumeration or flags: call begin_enum, integer, constant for each name, end_enum. */
int ipm_builder_begin_enum(ipm_builder *builder, const char *name, bool is_flags);
int ipm_builder_integer(ipm_builder *builder, const ipm_type *integer);
int ipm_builder_constant(ipm_builder *builder, const char *name, ipm_number number);
int ipm_builder_end_enum(ipm_builder *builder, const ipm_type **type);

/* Shared by the parts of the builder. */

/* Begin a struct or an enumeration; `what` is "a struct" or "an enumeration". */
int ipm_builder_begin_named(ipm_builder *builder, const char *name, const char *what);
/* Keep the name of a field or constant, which the present struct or enumeration must not have yet;
 * `what` is "field" or "name". */
int ipm_builder_claim(ipm_builder *builder, const char *text, const char *what, const char **kept);
/* Keep the present struct or enumeration. */
int ipm_builder_end_named(ipm_builder *builder, const ipm_type **type);

static inline uint64_t ipm_align_up(uint64_t size, uint32_t align) {
    return (size + align - 1) & ~(uint64_t)(align - 1);
}

#endif
