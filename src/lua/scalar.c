#include "scalar.h"

#include "../core/layout.h"
#include "error.h"
#include "utf.h"

#include <float.h>
#include <lauxlib.h>
#include <math.h>
#include <string.h>

/* A text of at most this many bytes is copied into a buffer on the C stack. */
#define SHORT_TEXT 512

/* From here on a double rounds to infinity as a float: FLT_MAX and half of its last place. */
#define FLOAT_LIMIT 0x1.ffffffp127

const lipm_range lipm_ranges[] = {
    [IPM_INT8] = {INT8_MIN, INT8_MAX},    [IPM_UINT8] = {0, UINT8_MAX},
    [IPM_INT16] = {INT16_MIN, INT16_MAX}, [IPM_UINT16] = {0, UINT16_MAX},
    [IPM_INT32] = {INT32_MIN, INT32_MAX}, [IPM_UINT32] = {0, UINT32_MAX},
    [IPM_INT64] = {INT64_MIN, INT64_MAX}, [IPM_UINT64] = {INT64_MIN, INT64_MAX},
};

static float to_float(uint32_t bits) {
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static double to_double(uint64_t bits) {
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

bool lipm_narrow(lua_Number number, uint64_t *bits) {
    if (isfinite(number) && fabs(number) >= FLOAT_LIMIT)
        return false;
    float narrow = (float)number;
    uint32_t word;
    memcpy(&word, &narrow, sizeof word);
    *bits = word;
    return true;
}

/* Push a number that has a name, or that is one of flags. */
static IPM_COLD void push_named(lua_State *L, const ipm_type *type, lua_Integer integer) {
    const ipm_constant *constant =
        type->names->is_flags ? NULL : ipm_constant_of(type, (ipm_number){.i = integer});
    if (constant != NULL)
        lua_pushstring(L, constant->name);
    else
        lua_pushinteger(L, integer);
}

static inline void push_integer(lua_State *L, const ipm_type *type, lua_Integer integer) {
    if (__builtin_expect(type->names == NULL, true))
        lua_pushinteger(L, integer);
    else
        push_named(L, type, integer);
}

void lipm_keepnames(lua_State *L, int owner, const ipm_type *type) {
    if (type->names == NULL || type->names->is_flags)
        return;
    luaL_checkstack(L, 4, "no room for names");
    lua_getiuservalue(L, owner, LIPM_STRUCT_CLASSES);
    if (lua_rawgetp(L, -1, type->names) == LUA_TNIL) {
        lua_newtable(L);
        for (size_t i = 0; i < type->names->count; i++) {
            lua_pushstring(L, type->names->constants[i].name);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        lua_rawsetp(L, -3, type->names);
    }
    lua_pop(L, 2);
}

void lipm_pushscalar(lua_State *L, const ipm_type *type, const void *at) {
    switch (type->kind) {
    case IPM_BOOL:
        lua_pushboolean(L, ipm_load_u8(at) != 0);
        break;
    case IPM_INT8:
        push_integer(L, type, (int8_t)ipm_load_u8(at));
        break;
    case IPM_UINT8:
        push_integer(L, type, ipm_load_u8(at));
        break;
    case IPM_INT16:
        push_integer(L, type, (int16_t)ipm_load_u16(at));
        break;
    case IPM_UINT16:
        push_integer(L, type, ipm_load_u16(at));
        break;
    case IPM_INT32:
        push_integer(L, type, (int32_t)ipm_load_u32(at));
        break;
    case IPM_UINT32:
        push_integer(L, type, ipm_load_u32(at));
        break;
    case IPM_INT64:
    case IPM_UINT64:
        push_integer(L, type, (lua_Integer)ipm_load_u64(at));
        break;
    case IPM_FLOAT:
        lua_pushnumber(L, (lua_Number)to_float(ipm_load_u32(at)));
        break;
    case IPM_DOUBLE:
        lua_pushnumber(L, to_double(ipm_load_u64(at)));
        break;
    case IPM_CHAR:
        lua_pushlstring(L, at, strnlen(at, type->size));
        break;
    case IPM_CHAR16:
    case IPM_CHAR32:
        lipm_pushutf(L, type->kind, at, type->size);
        break;
    case IPM_ARRAY:
    case IPM_LIST:
    case IPM_OPTIONAL:
    case IPM_STRUCT:
        lua_pushnil(L);
        break;
    }
}

/*
 * A process that may write to the file can change it at any moment, even without the lock. Lua
 * reads the bytes of a string several times: for its hash, for a comparison, for the copy. So Lua
 * gets a private copy, and the length is taken from that copy. For a long text, the length found
 * before only limits how much is copied.
 */
static void push_copied(lua_State *L, ipm_kind kind, char *copy, const unsigned char *at,
                        size_t size) {
    ipm_copy_from_shared(copy, at, size);
    if (kind == IPM_CHAR)
        lua_pushlstring(L, copy, strnlen(copy, size));
    else
        lipm_pushutf(L, kind, copy, size);
}

static void push_long_text(lua_State *L, const lipm_place *place, size_t size) {
    char *copy = lua_newuserdatauv(L, size, 0);
    const unsigned char *base = lipm_base(place->memory);
    if (base == NULL)
        lipm_complain_access(L, place);
    push_copied(L, place->type->kind, copy, base + place->offset, size);
    lua_replace(L, -2);
}

static IPM_APART void push_text(lua_State *L, const lipm_place *place) {
    const ipm_type *type = place->type;
    const unsigned char *at = place->memory->base + place->offset;
    char copy[SHORT_TEXT];
    size_t size = type->size;
    if (size > sizeof copy)
        size = type->kind == IPM_CHAR ? strnlen((const char *)at, size)
                                      : lipm_utflength(type->kind, at, size);
    if (size > sizeof copy)
        push_long_text(L, place, size);
    else
        push_copied(L, type->kind, copy, at, size);
}

void lipm_pushlive(lua_State *L, const lipm_place *place) {
    if (place->type->kind < IPM_CHAR)
        lipm_pushscalar(L, place->type, place->memory->base + place->offset);
    else
        push_text(L, place);
}

bool lipm_toother(lua_State *L, int index, const ipm_type *type, lipm_scalar *scalar) {
    switch (type->kind) {
    case IPM_BOOL:
        scalar->bits = (uint64_t)lua_toboolean(L, index);
        return lua_isboolean(L, index);
    case IPM_CHAR:
        if (lua_type(L, index) != LUA_TSTRING)
            return false;
        scalar->text = lua_tolstring(L, index, &scalar->length);
        scalar->size = scalar->length;
        return scalar->length <= type->size && memchr(scalar->text, '\0', scalar->length) == NULL;
    case IPM_CHAR16:
    case IPM_CHAR32:
        if (lua_type(L, index) != LUA_TSTRING)
            return false;
        scalar->text = lua_tolstring(L, index, &scalar->length);
        return lipm_measureutf(type->kind, scalar->text, scalar->length, &scalar->size) &&
               scalar->size <= type->size && memchr(scalar->text, '\0', scalar->length) == NULL;
    default:
        return false;
    }
}

bool lipm_toname(lua_State *L, int index, const ipm_type *type, lipm_scalar *scalar) {
    size_t length;
    if (type->names == NULL || type->names->is_flags || lua_type(L, index) != LUA_TSTRING)
        return false;
    const char *name = lua_tolstring(L, index, &length);
    const ipm_constant *constant = ipm_constant_named(type, name, length);
    if (constant != NULL)
        scalar->bits = constant->number.u;
    return constant != NULL;
}

void lipm_storetext(void *at, const ipm_type *type, const lipm_scalar *scalar) {
    if (type->kind == IPM_CHAR)
        ipm_copy_to_shared(at, scalar->text, scalar->length);
    else
        lipm_storeutf(at, type->kind, scalar->text, scalar->length);
    ipm_zero_shared((char *)at + scalar->size, type->size - scalar->size);
}

/* ---- Adding ------------------------------------------------------------------------------ */

static bool add_unsigned(uint64_t old, lua_Integer n, uint64_t *sum) {
    return n >= 0 ? !__builtin_add_overflow(old, (uint64_t)n, sum)
                  : !__builtin_sub_overflow(old, UINT64_C(0) - (uint64_t)n, sum);
}

static bool add_integer(ipm_kind kind, lua_Integer old, lua_Integer n, uint64_t *sum) {
    lua_Integer result;
    if (__builtin_add_overflow(old, n, &result) || result < lipm_ranges[kind].min ||
        result > lipm_ranges[kind].max)
        return false;
    *sum = (uint64_t)result;
    return true;
}

/* The sum of finite numbers must be finite. */
static bool add_number(ipm_kind kind, lua_Number old, lua_Number n, uint64_t *sum) {
    lua_Number result = old + n;
    return (isfinite(result) || !isfinite(old) || !isfinite(n)) &&
           lipm_fromnumber(kind, result, sum);
}

static bool add_any(lua_State *L, int index, const ipm_type *type, const void *old,
                    lipm_scalar *sum) {
    lua_Integer n = lua_tointeger(L, index);
    switch (type->kind) {
    case IPM_INT8:
        return add_integer(type->kind, (int8_t)ipm_load_u8(old), n, &sum->bits);
    case IPM_UINT8:
        return add_integer(type->kind, ipm_load_u8(old), n, &sum->bits);
    case IPM_INT16:
        return add_integer(type->kind, (int16_t)ipm_load_u16(old), n, &sum->bits);
    case IPM_UINT16:
        return add_integer(type->kind, ipm_load_u16(old), n, &sum->bits);
    case IPM_INT32:
        return add_integer(type->kind, (int32_t)ipm_load_u32(old), n, &sum->bits);
    case IPM_UINT32:
        return add_integer(type->kind, ipm_load_u32(old), n, &sum->bits);
    case IPM_INT64:
        return add_integer(type->kind, (lua_Integer)ipm_load_u64(old), n, &sum->bits);
    case IPM_UINT64:
        return add_unsigned(ipm_load_u64(old), n, &sum->bits);
    case IPM_FLOAT:
        return add_number(type->kind, (lua_Number)to_float(ipm_load_u32(old)),
                          lua_tonumber(L, index), &sum->bits);
    case IPM_DOUBLE:
        return add_number(type->kind, to_double(ipm_load_u64(old)), lua_tonumber(L, index),
                          &sum->bits);
    default:
        return false;
    }
}

bool lipm_addscalar(lua_State *L, int index, const ipm_type *type, const void *old,
                    lipm_scalar *sum) {
    return add_any(L, index, type, old, sum) && ipm_within(type, sum->bits);
}

const char *lipm_pushrange(lua_State *L, const ipm_type *type) {
    switch (type->kind) {
    case IPM_UINT64:
        return lua_pushliteral(L, "0 to 18446744073709551615");
    case IPM_FLOAT:
        return lua_pushliteral(L, "-3.40282347e+38 to 3.40282347e+38");
    case IPM_DOUBLE:
        return lua_pushliteral(L, "-1.7976931348623157e+308 to 1.7976931348623157e+308");
    default:
        return lua_pushfstring(L, "%I to %I", lipm_ranges[type->kind].min,
                               lipm_ranges[type->kind].max);
    }
}

/* ---- Refusals ---------------------------------------------------------------------------- */

static const char *expectation(const ipm_type *type) {
    if (lipm_is_text(type))
        return "a string";
    if (type->names != NULL && !type->names->is_flags)
        return "a name or an integer";
    return type->kind == IPM_BOOL                                ? "a boolean"
           : type->kind == IPM_FLOAT || type->kind == IPM_DOUBLE ? "a number"
                                                                 : "an integer";
}

/* Infinity counts as whole, NaN does not. Does not use floor, because hosts would have to link
 * libm. */
static bool is_whole(lua_Number number) {
    lua_Number size = fabs(number);
    return size >= 0x1p53 || (size < 0x1p53 && (lua_Number)(int64_t)number == number);
}

static bool has_expected_type(lua_State *L, int index, const ipm_type *type) {
    if (lipm_is_text(type))
        return lua_type(L, index) == LUA_TSTRING;
    if (type->kind == IPM_BOOL)
        return lua_isboolean(L, index);
    if (type->names != NULL && !type->names->is_flags && lua_type(L, index) == LUA_TSTRING)
        return true;
    return lua_type(L, index) == LUA_TNUMBER &&
           (type->kind == IPM_FLOAT || type->kind == IPM_DOUBLE ||
            is_whole(lua_tonumber(L, index)));
}

static void push_names(lua_State *L, const ipm_enum *names) {
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (size_t i = 0; i < names->count; i++) {
        luaL_addstring(&buffer, i == 0 ? "" : ", ");
        luaL_addstring(&buffer, names->constants[i].name);
    }
    luaL_pushresult(&buffer);
}

static _Noreturn void complain_text(lua_State *L, int index, const char *shown,
                                    const lipm_place *place) {
    const ipm_type *type = place->type;
    size_t length, size;
    const char *text = lua_tolstring(L, index, &length);
    size = length;
    if (type->kind != IPM_CHAR && !lipm_measureutf(type->kind, text, length, &size))
        lipm_complain(L, place, "%s is not UTF-8", shown);
    if (size > type->size) {
        uint64_t unit = ipm_unit_size(type->kind);
        lipm_complain(L, place, "%s has %I %s, %s holds %I", shown, (lua_Integer)(size / unit),
                      unit == 1 ? "bytes" : "units", type->name, (lua_Integer)(type->size / unit));
    }
    lipm_complain(L, place, "%s has a NUL in it, which would end %s", shown, type->name);
}

/* Raise an error if the value at `index` is in the type's range, but outside its limits. */
static void complain_limits(lua_State *L, int index, const lipm_place *place) {
    ipm_type unlimited = *place->type;
    lipm_scalar scalar;
    unlimited.limits = NULL;
    if (place->type->limits != NULL && lipm_toscalar(L, index, &unlimited, &scalar))
        lipm_complain_limits(L, place, scalar.bits);
}

int lipm_complain_limits(lua_State *L, const lipm_place *place, uint64_t bits) {
    char text[IPM_REFUSAL_TEXT];
    ipm_kind kind = place->type->kind;
    lipm_complain(L, place, "%s", ipm_refusal(place->type, ipm_number_of_bits(kind, bits), text));
}

int lipm_complain_scalar(lua_State *L, int index, const lipm_place *place) {
    const ipm_type *type = place->type;
    lipm_pushshown(L, index);
    const char *shown = lua_tostring(L, -1);
    if (!has_expected_type(L, index, type))
        lipm_complain(L, place, "%s is not %s (%s)", shown, expectation(type), type->name);
    if (lipm_is_text(type))
        complain_text(L, index, shown, place);
    if (lua_type(L, index) == LUA_TSTRING) {
        push_names(L, type->names);
        lipm_complain(L, place, "%s is not a name of %s (%s)", shown, type->name,
                      lua_tostring(L, -1));
    }
    complain_limits(L, index, place);
    lipm_complain(
        L, place, "%s is out of range for %s (%s%s)", shown, type->name, lipm_pushrange(L, type),
        type->kind != IPM_UINT64 ? ""
                                 : "; a Lua integer holds 2^63 and more as the negative number of "
                                   "the same 64 bits, -1 for the largest");
}
