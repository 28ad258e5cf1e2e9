#include "view.h"

#include <lauxlib.h>

const char lipm_view_brand = 'v';

lipm_view *lipm_testview(lua_State *L, int index) {
    lipm_view *view = lua_touserdata(L, index);
    if (view == NULL || lua_rawlen(L, index) < sizeof *view || view->brand != &lipm_view_brand ||
        !lua_getmetatable(L, index))
        return NULL;
    bool is_view = lua_rawgetp(L, -1, &lipm_view_brand) != LUA_TNIL;
    lua_pop(L, 2);
    return is_view ? view : NULL;
}

lipm_view *lipm_checkview(lua_State *L, int index) {
    lipm_view *view = lipm_testview(L, index);
    if (view == NULL)
        luaL_typeerror(L, index, "view or value");
    return view;
}

void lipm_pushweak(lua_State *L) {
    lua_createtable(L, 1, 0);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
}
