/*
 * The layout object: its memory, and the private part of its types.
 */
#ifndef IPM_CORE_LAYOUT_H
#define IPM_CORE_LAYOUT_H

#include "../ipmmap.h"

/*
 * Every ipm_type is the first member of an ipm_node.
 *
 * depth  the number of nested structs and arrays, with this one; a parent counts like a member;
 *        at most IPM_MAX_DEPTH, which limits the recursion over types and parents
 * index  the struct's number in the order of declaration, from 0; the structs that it uses have
 *        smaller numbers; other types have the index of their innermost element
 */
typedef struct ipm_node {
    ipm_type type;
    uint32_t depth;
    uint32_t index;
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

/* The scalar type with this name, or NULL. All layouts share these types. */
const ipm_type *ipm_scalar(const char *name);

/* How many fields a struct inherits. They are its first ones. */
static inline uint64_t ipm_inherited(const ipm_type *type) {
    return type->parent ? type->parent->count : 0;
}

#endif
