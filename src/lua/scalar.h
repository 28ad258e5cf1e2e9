/*
 * Scalars: reading, checking and storing them.
 */
#ifndef LIPM_SCALAR_H
#define LIPM_SCALAR_H

#include "memory.h"

#include <lua.h>

/* A Lua value that was converted for a scalar's type. `text` belongs to the Lua string. */
typedef struct lipm_scalar {
    uint64_t bits;
    const char *text;
    size_t length;
} lipm_scalar;

/* Push the scalar of this type at `at`. No other thread may change it meanwhile. */
void lipm_pushscalar(lua_State *L, const ipm_type *type, const void *at);

/* Push the scalar at the place. Its memory must be accessible; other processes may change it. */
void lipm_pushlive(lua_State *L, const lipm_place *place);

/* Convert the value at `index`. returns  false: it is no value of the type. Never allocates. */
bool lipm_toscalar(lua_State *L, int index, const ipm_type *type, lipm_scalar *scalar);

/* Store a result of lipm_toscalar for the same type. */
void lipm_storescalar(void *at, const ipm_type *type, const lipm_scalar *scalar);

/* Raise an error that says why lipm_toscalar refused the value at `index` for the place. */
IPM_COLD int lipm_complain_scalar(lua_State *L, int index, const lipm_place *place);

/* Push the range of a number type as messages show it: "0 to 255". */
const char *lipm_pushrange(lua_State *L, const ipm_type *type);

/* Add the number at `index` to the scalar at `old`. returns  false: the sum is out of range. Never
 * allocates. */
bool lipm_addscalar(lua_State *L, int index, const ipm_type *type, const void *old,
                    lipm_scalar *sum);

#endif
