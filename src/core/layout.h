/*
 * The layout object: its memory, and the private part of its types.
 */
#ifndef IPM_CORE_LAYOUT_H
#define IPM_CORE_LAYOUT_H

#include "../ipmmap.h"

/*
 * Every ipm_type is the first member of an ipm_node.
 *
 * depth  the number of nested structs, arrays, lists and optional types, with this one; a parent
 *        counts like a member; at most IPM_MAX_DEPTH, which limits the recursion over types and
 *        parents
 * index  the number of a struct or an enumeration in the order of declaration, from 0; the types
 *        that a struct uses have smaller numbers; other types have the index of their innermost
 *        element
 *
 * What is in the type or in any part of it:
 *
 * has_initial  fields with a default
 * is_limited   numbers with limits
 * is_dynamic   lists or optional values
 * has_bool     bools, also those of optional values
 * has_text     texts
 *
 * by_name, by_number  copies of an enumeration's or flags' constants, in the order of the names (as
 * strcmp) and of the numbers (as unsigned 64-bit numbers)
 */
typedef struct ipm_node {
    ipm_type type;
    uint32_t depth;
    uint32_t index;
    bool has_initial, is_limited, is_dynamic, has_bool, has_text;
    const ipm_constant *by_name, *by_number;
} ipm_node;

static inline const ipm_node *ipm_node_of(const ipm_type *type) {
    return (const ipm_node *)type;
}

struct ipm_layout {
    const ipm_type *type;
    const char *text;
    size_t length;
    struct ipm_chunk *chunks;
};

/* Make an empty layout, to be freed by ipm_layout_free. NULL: no memory. */
ipm_layout *ipm_layout_new(void);

/* Allocate `size` bytes, aligned for any type. The layout frees them. NULL: no memory. */
void *ipm_layout_alloc(ipm_layout *layout, size_t size);

/* The scalar type with this name, or of this kind; or NULL. All layouts share these types. They
 * have no limits. */
const ipm_type *ipm_scalar(const char *name);
const ipm_type *ipm_scalar_of(ipm_kind kind);

/* Whether it is a kind of text: char, char16 or char32. */
static inline bool ipm_kind_is_text(ipm_kind kind) {
    return kind == IPM_CHAR || kind == IPM_CHAR16 || kind == IPM_CHAR32;
}

/* The type of the innermost elements of arrays, lists and optional types; other types themselves.
 */
const ipm_type *ipm_innermost(const ipm_type *type);

/* The constant of an enumeration or flags, or NULL. */
const ipm_constant *ipm_constant_named(const ipm_type *type, const char *name, size_t length);
const ipm_constant *ipm_constant_of(const ipm_type *type, ipm_number number);

/* How many fields a struct inherits. They are its first ones. */
static inline uint64_t ipm_inherited(const ipm_type *type) {
    return type->parent ? type->parent->count : 0;
}

#endif
