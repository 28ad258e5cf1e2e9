/*
 * The C module ipmmap.core, on which the Lua files in lua/ipmmap are built.
 *
 * Each file of the binding uses only those before it in this order: memory, view, error, names,
 * scalar, plain, draft, assign, path, layout, type, index, value, totable, bytes, feed, follow,
 * handle, slice, lock, access, changed, wait, commits, leaves, listen, convert, info, member, open,
 * core.
 */
#include "error.h"
#include "functions.h"
#include "layout.h"
#include "open.h"

#include <lauxlib.h>

#define CORE "ipmmap.core"

static const luaL_Reg module_functions[] = {
    {"open", lipm_open},         {"totable", lipm_totable},
    {"bytes", lipm_bytes},       {"setbytes", lipm_setbytes},
    {"describe", lipm_describe}, {"now", lipm_now},
    {"sleep", lipm_sleep},       {"repair", lipm_repair},
    {"adopt", lipm_adopt},       {NULL, NULL},
};

static const luaL_Reg struct_functions[] = {
    {"new", lipm_new},
    {"convert", lipm_convert},
    {"type", lipm_type},
    {NULL, NULL},
};

LUAMOD_API IPM_API int luaopen_ipmmap_core(lua_State *L);

/* Each Lua state has one table, even if the module is loaded several times, because the table holds
 * the registered Structs. */
int luaopen_ipmmap_core(lua_State *L) {
    luaL_checkversion(L);
    if (lua_getfield(L, LUA_REGISTRYINDEX, CORE) == LUA_TTABLE)
        return 1;
    luaL_newlib(L, module_functions);
    lua_pushliteral(L, IPM_VERSION);
    lua_setfield(L, -2, "version");
    lipm_open_error(L);
    lipm_open_layout(L);
    luaL_setfuncs(L, struct_functions, 0);
    lua_setfield(L, -2, "struct");
    lipm_open_handle(L);
    lua_setfield(L, -2, "methods");
    lipm_open_feed(L);
    lua_setfield(L, -2, "feed");
    lua_newtable(L);
    lua_setfield(L, -2, "structs");
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, CORE);
    return 1;
}
