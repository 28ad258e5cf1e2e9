/*
 * Scalars: reading, checking and storing them.
 */
#ifndef LIPM_SCALAR_H
#define LIPM_SCALAR_H

#include "../core/limits.h"
#include "../core/word.h"
#include "memory.h"

#include <lua.h>
#include <string.h>

/* A Lua value that was converted for a scalar's type. `text` belongs to the Lua string. */
typedef struct lipm_scalar {
    uint64_t bits;
    const char *text;
    size_t length; /* of `text` */
    size_t size;   /* the number of bytes that a text takes in memory */
} lipm_scalar;

/* Push the scalar of this type at `at`. No other thread may change it meanwhile. */
void lipm_pushscalar(lua_State *L, const ipm_type *type, const void *at);

/* Push the scalar at the place. Its memory must be accessible; other processes may change it. */
void lipm_pushlive(lua_State *L, const lipm_place *place);

/* The range of an integer type, as Lua integers. */
typedef struct lipm_range {
    lua_Integer min, max;
} lipm_range;

/* The ranges of the integer types, by ipm_kind. */
extern const lipm_range lipm_ranges[];

/* The bits of a number as a float. returns  false: a finite number is out of range */
bool lipm_narrow(lua_Number number, uint64_t *bits);

/* The part of lipm_toscalar for types that are not numbers. */
bool lipm_toother(lua_State *L, int index, const ipm_type *type, lipm_scalar *scalar);

/* The part of lipm_toscalar for a number type and a value that is no number: a name of an
 * enumeration. */
bool lipm_toname(lua_State *L, int index, const ipm_type *type, lipm_scalar *scalar);

/* The part of lipm_storescalar for text. */
void lipm_storetext(void *at, const ipm_type *type, const lipm_scalar *scalar);

/* Keep the names of an enumeration alive, so that reading them allocates nothing. The Struct at
 * `owner` keeps them. */
void lipm_keepnames(lua_State *L, int owner, const ipm_type *type);

/* The bits of a number as a float or a double. returns  false: a finite number is out of range */
static inline bool lipm_fromnumber(ipm_kind kind, lua_Number number, uint64_t *bits) {
    if (kind != IPM_DOUBLE)
        return lipm_narrow(number, bits);
    memcpy(bits, &number, sizeof number);
    return true;
}

/* Convert the value at `index`. returns  false: it is no value of the type. Never allocates. */
static inline bool lipm_toscalar(lua_State *L, int index, const ipm_type *type,
                                 lipm_scalar *scalar) {
    int is_exact;
    if (type->kind == IPM_BOOL || type->kind >= IPM_CHAR)
        return lipm_toother(L, index, type, scalar);
    if (lua_type(L, index) != LUA_TNUMBER)
        return lipm_toname(L, index, type, scalar);
    if (type->kind >= IPM_FLOAT)
        return lipm_fromnumber(type->kind, lua_tonumber(L, index), &scalar->bits) &&
               ipm_within(type, scalar->bits);
    lua_Integer integer = lua_tointegerx(L, index, &is_exact);
    const lipm_range *range = &lipm_ranges[type->kind];
    scalar->bits = (uint64_t)integer;
    return is_exact && integer >= range->min && integer <= range->max &&
           ipm_within(type, scalar->bits);
}

/* Store a result of lipm_toscalar for the same type. */
static inline void lipm_storescalar(void *at, const ipm_type *type, const lipm_scalar *scalar) {
    if (type->kind >= IPM_CHAR) {
        lipm_storetext(at, type, scalar);
        return;
    }
    switch (type->size) {
    case 1:
        ipm_store_u8(at, (uint8_t)scalar->bits);
        break;
    case 2:
        ipm_store_u16(at, (uint16_t)scalar->bits);
        break;
    case 4:
        ipm_store_u32(at, (uint32_t)scalar->bits);
        break;
    default:
        ipm_store_u64(at, scalar->bits);
    }
}

/* Raise an error that says why lipm_toscalar refused the value at `index` for the place. */
IPM_COLD _Noreturn int lipm_complain_scalar(lua_State *L, int index, const lipm_place *place);

/* Raise an error that says which limit the number does not keep. */
IPM_COLD _Noreturn int lipm_complain_limits(lua_State *L, const lipm_place *place, uint64_t bits);

/* Push the range of a number type as messages show it: "0 to 255". */
const char *lipm_pushrange(lua_State *L, const ipm_type *type);

/* Add the number at `index` to the scalar at `old`. returns  false: the sum is out of range, or
 * outside the limits. Never allocates. */
bool lipm_addscalar(lua_State *L, int index, const ipm_type *type, const void *old,
                    lipm_scalar *sum);

#endif
