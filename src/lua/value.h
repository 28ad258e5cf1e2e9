/*
 * Detached values: a struct or array in this process's memory.
 */
#ifndef LIPM_VALUE_H
#define LIPM_VALUE_H

#include "view.h"

typedef struct lipm_value {
    lipm_view view;
    lipm_memory memory;
    _Alignas(8) unsigned char bytes[];
} lipm_value;

/* Push a detached value, whose bytes the caller must set. owner: the index of the Struct. */
lipm_value *lipm_pushvalue(lua_State *L, int owner, lipm_layout *layout, const ipm_type *type);

/* Push a copy of a part of any type: a scalar; a detached value; or what an optional part contains,
 * or nil. bytes: no other thread changes them */
void lipm_pushcopy(lua_State *L, int owner, lipm_layout *layout, const ipm_type *type,
                   const unsigned char *bytes);

#endif
