/*
 * Arguments that name a part of a view or value: elements of an array or list.
 */
#ifndef LIPM_SPAN_H
#define LIPM_SPAN_H

#include "memory.h"

#include <lua.h>

/* A part of a place: all of it, or some elements of an array or of a list. */
typedef struct lipm_span {
    uint64_t offset; /* in the memory */
    uint64_t size;   /* in bytes */
    uint64_t first;  /* the index of the first element, from 0 */
    uint64_t count;  /* how many elements, or fields of a struct */
} lipm_span;

/*
 * The span from the element at the index that the value at `index` is, to that of the value after
 * it. nil and none stand for the first and the last element; without both, the span is the whole
 * place. Raises if there is an index and the place is neither an array nor a list, or if the index
 * is out of range.
 */
lipm_span lipm_checkspan(lua_State *L, int index, const lipm_place *place);

#endif
