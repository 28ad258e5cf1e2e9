/*
 * The library in one piece for a host's Lua: the module ipmmap with all that it requires inside.
 */
#include "modules.h"

#include "../ipmmap.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

int luaopen_ipmmap_core(lua_State *L);

static const char *next_line(lua_State *L, void *place, size_t *size) {
    const char *const **line = place;
    (void)L;
    if (**line == NULL)
        return NULL;
    *size = strlen(**line);
    return *(*line)++;
}

static void push_chunk(lua_State *L, const lipm_module *module) {
    const char *const *line = module->lines;
    if (lua_load(L, next_line, &line, module->chunk, "t") != LUA_OK)
        lua_error(L);
}

/* Called by require with the module's name. */
static int load_module(lua_State *L) {
    const lipm_module *module = lua_touserdata(L, lua_upvalueindex(1));
    push_chunk(L, module);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

int luaopen_ipmmap(lua_State *L) {
    luaL_checkversion(L);
    if (lua_getglobal(L, "require") == LUA_TNIL)
        return luaL_error(L, "ipmmap needs Lua's package library: call luaL_openlibs first");
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_ipmmap_core);
    lua_setfield(L, -2, "ipmmap.core");
    for (const lipm_module *module = lipm_modules + 1; module->name != NULL; module++) {
        lua_pushlightuserdata(L, (void *)module);
        lua_pushcclosure(L, load_module, 1);
        lua_setfield(L, -2, module->name);
    }
    push_chunk(L, lipm_modules);
    lua_pushstring(L, lipm_modules->name);
    lua_call(L, 1, 1);
    return 1;
}
