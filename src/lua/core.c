/*
 * The C module ipmmap.core, on which the Lua files in lua/ipmmap are built.
 *
 * Each file of the binding uses only those before it in this order: memory, view, error, utf,
 * scalar, list, names, plain, fill, draft, flat, source, assign, path, layout, literal, type,
 * field, elements, index, value, span, totable, bytes, check, feed, follow, handle, slice, lock,
 * own, access, update, fold, changed, wait, wait_any, commits, leaves, listen, convert, share,
 * info, member, open, core.
 */
#include "error.h"
#include "functions.h"
#include "layout.h"
#include "open.h"

#include <lauxlib.h>

#define CORE "ipmmap.core"

static const luaL_Reg module_functions[] = {
    {"open", lipm_open},
    {"totable", lipm_totable},
    {"bytes", lipm_bytes},
    {"setbytes", lipm_setbytes},
    {"describe", lipm_describe},
    {"now", lipm_now},
    {"boottime", lipm_boottime},
    {"sleep", lipm_sleep},
    {"repair", lipm_repair},
    {"adopt", lipm_adopt},
    {"pointer", lipm_pointer},
    {"wait_any", lipm_wait_any},
    {"ticks", lipm_ticks},
    {"number_text", lipm_numbertext},
    {"check", lipm_check},
    {"set_share", lipm_setshare},
    {NULL, NULL},
};

static const luaL_Reg struct_functions[] = {
    {"initial", lipm_initial}, {"new", lipm_new}, {"convert", lipm_convert},
    {"type", lipm_type},       {NULL, NULL},
};

static int yield_in_close(lua_State *L) {
    return lua_yield(L, 0);
}

static int close_by_yield(lua_State *L) {
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, yield_in_close);
    lua_setfield(L, -2, "__close");
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return 0;
}

/*
 * Refuse Lua 5.4.0 to 5.4.2: 5.4.0 ends a block as if without an error if the error is nil, so the
 * lock's changes would be committed, and all three allocate memory for each block. Lua does not
 * tell its release; but only since 5.4.3 a __close metamethod may yield.
 */
static void check_release(lua_State *L) {
    lua_State *thread = lua_newthread(L);
    int results;
    lua_pushcfunction(thread, close_by_yield);
    if (lua_resume(thread, L, 0, &results) != LUA_YIELD)
        luaL_error(L, "ipmmap needs Lua 5.4.3 or later, and this is an earlier Lua 5.4");
    lua_pop(L, 1);
}

LUAMOD_API IPM_API int luaopen_ipmmap_core(lua_State *L);

/* Each Lua state has one table, even if the module is loaded several times, because the table holds
 * the registered Structs and Enums. */
int luaopen_ipmmap_core(lua_State *L) {
    luaL_checkversion(L);
    if (lua_getfield(L, LUA_REGISTRYINDEX, CORE) == LUA_TTABLE)
        return 1;
    lua_pop(L, 1);
    check_release(L);
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
    lua_newtable(L);
    lua_setfield(L, -2, "enums");
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, CORE);
    return 1;
}
