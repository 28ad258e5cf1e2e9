/*
 * The layout object: its memory and what its types keep for themselves.
 */
#ifndef IPM_CORE_LAYOUT_H
#define IPM_CORE_LAYOUT_H

#include "../ipmmap.h"

/*
 * What every ipm_type is the first member of.
 *
 * depth  structs and arrays below and including this one, a parent counting like a member;
 *        at most IPM_MAX_DEPTH, so that recursion over types and parents is bounded
 * index  structs are numbered from 0 as they are declared, so all that a struct is made of has
 *        a smaller index; other types have their innermost element's
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

/* An empty layout, or NULL: no memory. Freed by ipm_layout_free. */
ipm_layout *ipm_layout_new(void);

/* `size` bytes, aligned for anything, that live as long as the layout; NULL: no memory. */
void *ipm_layout_alloc(ipm_layout *layout, size_t size);

/* The scalar type of that name, or NULL; the same in all layouts. */
const ipm_type *ipm_scalar(const char *name);

/* How many of a struct's fields, the first ones, are its parent's. */
static inline uint64_t ipm_inherited(const ipm_type *type) {
    return type->parent ? type->parent->count : 0;
}

#endif
