/*
 * Memory, and places in it.
 *
 * A memory holds the bytes of one struct or array: those of a detached value, those of a feed until
 * it is closed, or those of a segment while a handle holds its lock. A place is a part of a memory;
 * messages show its path.
 *
 * Lua may run other code whenever it allocates memory (finalizers), builds a message or interrupts
 * a wait (hooks). That code may unlock or close any handle. So an address from lipm_base or
 * lipm_change is valid only until the next call that may allocate, build a message or wait.
 *
 * In all of the binding, functions named lipm_check... and lipm_pin... raise errors; functions
 * named lipm_to... and lipm_test... do not.
 */
#ifndef LIPM_MEMORY_H
#define LIPM_MEMORY_H

#include "../core/cold.h"
#include "../ipmmap.h"

#include <stdbool.h>
#include <stdint.h>

/* A Struct: the userdata "ipmmap.struct". */
typedef struct lipm_layout {
    ipm_layout *layout; /* NULL once freed: the Struct is collected and no open handle needs it */
    uint32_t alive;     /* 1 until the Struct is collected, then 0 */
    uint32_t uses;      /* how many times open handles use the layout */
    uint32_t paths;     /* the number of cached paths */
} lipm_layout;

/* The user values of a Struct: a table of the classes of its views and handles, which are names,
 * metatables and methods; a table of cached paths; and memory for the next draft, or nil. */
enum {
    LIPM_STRUCT_CLASSES = 1,
    LIPM_STRUCT_PATHS,
    LIPM_STRUCT_DRAFT,
    LIPM_STRUCT_VALUES = LIPM_STRUCT_DRAFT
};

typedef struct lipm_memory {
    lipm_layout *layout;
    const ipm_type *type;    /* the type of the whole */
    unsigned char *base;     /* NULL: no lock is held, or the feed is closed: do not access it */
    const uint32_t *watched; /* a handle: the fork generation; a value: the layout's `alive` */
    uint32_t expected;       /* if *watched differs, the memory must not be accessed either */
    uint32_t reserved;       /* how many bytes at the start cannot be assigned: a live header */
    unsigned char *ready;    /* the bytes that may be changed now: all bytes of a value; or those */
    uint64_t ready_offset;   /* that ipm_segment_change gave last in the handle's transaction */
    uint64_t ready_size;
    ipm_segment *segment; /* NULL: the memory of a detached value */
    bool is_live;         /* the memory belongs to a handle */
    bool is_writable;     /* false for readers and feeds */
} lipm_memory;

/* The part of a memory that has this type and begins at this offset, in bytes. */
typedef struct lipm_place {
    lipm_memory *memory;
    const ipm_type *type;
    uint64_t offset;
} lipm_place;

static inline bool lipm_is_scalar(const ipm_type *type) {
    return type->kind < IPM_ARRAY;
}

static inline bool lipm_is_text(const ipm_type *type) {
    return type->kind >= IPM_CHAR && type->kind <= IPM_CHAR32;
}

/* The place of a field of the struct `whole`. */
static inline lipm_place lipm_fieldplace(const lipm_place *whole, const ipm_field *field) {
    return (lipm_place){whole->memory, field->type, whole->offset + field->offset};
}

/* The place of an element of the array or list `whole`. The first element has the index 0. */
static inline lipm_place lipm_elementplace(const lipm_place *whole, uint64_t index) {
    const ipm_type *type = whole->type, *element = type->element;
    return (lipm_place){whole->memory, element,
                        whole->offset + type->inner + index * element->size};
}

/* The place of the value of the optional part `whole`. */
static inline lipm_place lipm_valueplace(const lipm_place *whole) {
    return lipm_elementplace(whole, 0);
}

/* One step into a struct, an array, a list or an optional part. */
typedef struct lipm_step {
    const ipm_field *field; /* NULL: an element, or the value of an optional part */
    bool is_value;          /* the value of an optional part */
    uint64_t index;         /* of the field or element, from 0 */
    const ipm_type *type;
    uint64_t offset; /* in the whole */
} lipm_step;

/* The step to the part that contains the byte at `offset`. For a byte of padding, the step to the
 * part before it. For a byte before the first element of a list or the value of an optional part,
 * the step to these. */
lipm_step lipm_descend(const ipm_type *type, uint64_t offset);

/* The address of the memory's first byte, or NULL if the memory must not be accessed now. */
static inline unsigned char *lipm_base(const lipm_memory *memory) {
    return *memory->watched == memory->expected ? memory->base : NULL;
}

/* The part of lipm_change for a range that is not ready for changes. */
unsigned char *lipm_makeready(lipm_memory *memory, uint64_t offset, uint64_t size);

/*
 * Make a range of bytes ready for changes. The memory must be accessible (lipm_base) and writable.
 * returns  the address of the range; NULL: the range cannot be changed
 */
static inline unsigned char *lipm_change(lipm_memory *memory, uint64_t offset, uint64_t size) {
    uint64_t at = offset - memory->ready_offset;
    return at < memory->ready_size && size <= memory->ready_size - at
               ? memory->ready + at
               : lipm_makeready(memory, offset, size);
}

#endif
