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

#endif
