/*
 * Memory, and places in it.
 *
 * A memory is a struct's bytes: a detached value's own, or a handle's while it holds its lock. A
 * place is a part of a memory, and messages give its path.
 *
 * Lua may run other code whenever memory is allocated (finalizers), a message is built or a wait
 * is interrupted (hooks), and that code may unlock or close any handle. So an address got from
 * lipm_base or lipm_change is used before the next such call, and never kept over one.
 *
 * In all of the binding, functions named lipm_check... and lipm_pin... raise; lipm_to... and
 * lipm_test... do not.
 */
#ifndef LIPM_MEMORY_H
#define LIPM_MEMORY_H

#include "../core/cold.h"
#include "../ipmmap.h"

#include <stdbool.h>
#include <stdint.h>

/* A Struct: the userdata "ipmmap.struct". */
typedef struct lipm_layout {
    ipm_layout *layout; /* NULL once freed: after its collection, and the last handle's closing */
    uint32_t alive;     /* 1 until it is collected */
    uint32_t uses;      /* by open handles */
    uint32_t paths;     /* how many are cached */
} lipm_layout;

/* Its user values: tables of what was made for its types and its paths. */
enum { LIPM_STRUCT_METATABLES = 1, LIPM_STRUCT_PATHS, LIPM_STRUCT_VALUES = LIPM_STRUCT_PATHS };

typedef struct lipm_memory {
    lipm_layout *layout;
    const ipm_type *type;    /* of the whole */
    unsigned char *base;     /* NULL: not to be touched, no lock is held */
    const uint32_t *watched; /* nor to be touched once this differs from `expected`: the fork */
    uint32_t expected;       /* generation for a handle, the layout's `alive` for a value */
    uint32_t reserved;       /* bytes at the start that cannot be assigned: a live header */
    unsigned char *ready;    /* the bytes that may be changed now: a value's all, a handle's */
    uint64_t ready_offset;   /* those that ipm_segment_change gave last in this transaction */
    uint64_t ready_size;
    ipm_segment *segment; /* NULL: detached */
    bool is_live;         /* a handle's */
    bool is_writable;
} lipm_memory;

/* Something of that type, so many bytes into the memory. */
typedef struct lipm_place {
    lipm_memory *memory;
    const ipm_type *type;
    uint64_t offset;
} lipm_place;

static inline bool lipm_is_scalar(const ipm_type *type) {
    return type->kind < IPM_ARRAY;
}

/* The place of a field of the struct at that place. */
static inline lipm_place lipm_fieldplace(const lipm_place *whole, const ipm_field *field) {
    return (lipm_place){whole->memory, field->type, whole->offset + field->offset};
}

/* The place of an element of the array at that place; the index is from 0. */
static inline lipm_place lipm_elementplace(const lipm_place *whole, uint64_t index) {
    const ipm_type *element = whole->type->element;
    return (lipm_place){whole->memory, element, whole->offset + index * element->size};
}

/* The address of the memory's first byte, or NULL when it cannot be touched now. */
static inline unsigned char *lipm_base(const lipm_memory *memory) {
    return *memory->watched == memory->expected ? memory->base : NULL;
}

/* What lipm_change does where the range is not ready. */
IPM_COLD unsigned char *lipm_makeready(lipm_memory *memory, uint64_t offset, uint64_t size);

/* The address of a range to change, of memory that can be touched and written; or NULL. */
static inline unsigned char *lipm_change(lipm_memory *memory, uint64_t offset, uint64_t size) {
    uint64_t at = offset - memory->ready_offset;
    return at < memory->ready_size && size <= memory->ready_size - at
               ? memory->ready + at
               : lipm_makeready(memory, offset, size);
}

#endif
