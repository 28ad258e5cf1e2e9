/*
 * One scalar, between Lua and memory.
 */
#ifndef LIPM_SCALAR_H
#define LIPM_SCALAR_H

#include "memory.h"

#include <lua.h>

/* A value on its way into a scalar. `text` belongs to the Lua string. */
typedef struct lipm_scalar {
    uint64_t bits;
    const char *text;
    size_t length;
} lipm_scalar;

/* Push the scalar of this type at `at`, which nobody else changes. */
void lipm_pushscalar(lua_State *L, const ipm_type *type, const void *at);

/* Push the scalar at that place of a memory that can be touched, but that others may change. */
void lipm_pushlive(lua_State *L, const lipm_place *place);

/* Convert the value at `index`; false if the type refuses it. Never allocates. */
bool lipm_toscalar(lua_State *L, int index, const ipm_type *type, lipm_scalar *scalar);

/* Store what lipm_toscalar made for the same type. */
void lipm_storescalar(void *at, const ipm_type *type, const lipm_scalar *scalar);

/* Raise why lipm_toscalar refused the value at `index` for that place. */
IPM_COLD int lipm_complain_scalar(lua_State *L, int index, const lipm_place *place);

/* Push the range of a number's type as a message shows it: "0 to 255". */
const char *lipm_pushrange(lua_State *L, const ipm_type *type);

/* What `old` + the number at `index` gives in the type; false: out of range. Never allocates. */
bool lipm_addscalar(lua_State *L, int index, const ipm_type *type, const void *old,
                    lipm_scalar *sum);

#endif
