#include "literal.h"

#include "../core/number.h"
#include "functions.h"

#include <lauxlib.h>
#include <math.h>

void lipm_pushnumber(lua_State *L, ipm_kind kind, ipm_number number) {
    if (ipm_kind_is_real(kind))
        lua_pushnumber(L, number.f);
    else
        lua_pushinteger(L, (lua_Integer)number.u);
}

/*
 * number_text(value, is_unsigned): the decimal text of a number, as schema text has it: an integer
 * if it is integral, otherwise the shortest decimal that gives the same double; "nan", "inf" and
 * "-inf". With is_unsigned a negative integer stands for the unsigned number of the same 64 bits.
 * Returns nil for a value that is no number. For definitions.
 */
int lipm_numbertext(lua_State *L) {
    char text[IPM_NUMBER_TEXT];
    int is_integral;
    if (lua_type(L, 1) != LUA_TNUMBER) {
        luaL_pushfail(L);
        return 1;
    }
    lua_Integer integer = lua_tointegerx(L, 1, &is_integral);
    lua_Number real = lua_tonumber(L, 1);
    bool is_minus_zero = integer == 0 && signbit(real);
    if (!is_integral || is_minus_zero)
        ipm_number_write(IPM_DOUBLE, (ipm_number){.f = real}, text);
    else if (lua_isinteger(L, 1) && lua_toboolean(L, 2))
        ipm_number_write(IPM_UINT64, (ipm_number){.u = (uint64_t)integer}, text);
    else
        ipm_number_write(IPM_INT64, (ipm_number){.i = integer}, text);
    lua_pushstring(L, text);
    return 1;
}
