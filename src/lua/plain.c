#include "plain.h"

#include "error.h"

#include <lauxlib.h>

/* The longest chain of __index tables, as in Lua itself (MAXTAGLOOP). */
#define LONGEST_CHAIN 2000

#define BEHIND                                                                                     \
    "it comes by __index of the table's metatable, which assignment does not use: give a plain "   \
    "table"

static void refuse_metamethod(lua_State *L, const char *name, const lipm_place *place) {
    lipm_complain(L, place,
                  "the table's metatable has %s, which assignment does not use: give a plain table",
                  name);
}

/* Raise if the table on the top has a field of the struct that the table at `index` lacks. */
static void refuse_fields(lua_State *L, int index, const lipm_place *place) {
    int behind = lua_gettop(L);
    for (uint64_t i = 0; i < place->type->count; i++) {
        const ipm_field *field = &place->type->fields[i];
        lua_pushstring(L, field->name);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, behind) != LUA_TNIL) {
            lua_pushvalue(L, -2);
            if (lua_rawget(L, index) == LUA_TNIL) {
                lipm_place part = lipm_fieldplace(place, field);
                lipm_complain(L, &part, BEHIND);
            }
        }
        lua_settop(L, behind);
    }
}

/* Raise if the table on the top has the next element after those of the table at `index`. */
static void refuse_element(lua_State *L, int index, const lipm_place *place) {
    uint64_t count = lua_rawlen(L, index);
    if (lua_rawgeti(L, -1, (lua_Integer)count + 1) == LUA_TNIL)
        return;
    if (count >= place->type->count) {
        refuse_metamethod(L, "__index", place);
    } else {
        lipm_place part = lipm_elementplace(place, count);
        lipm_complain(L, &part, BEHIND);
    }
}

void lipm_checkplain(lua_State *L, int index, const lipm_place *place) {
    if (!lua_getmetatable(L, index))
        return;
    int top = lua_gettop(L) - 1;
    bool is_array = place->type->kind != IPM_STRUCT;
    if (luaL_getmetafield(L, index, "__pairs") != LUA_TNIL)
        refuse_metamethod(L, "__pairs", place);
    if (is_array && luaL_getmetafield(L, index, "__len") != LUA_TNIL)
        refuse_metamethod(L, "__len", place);
    lua_pushvalue(L, index);
    for (int i = 0; luaL_getmetafield(L, -1, "__index") != LUA_TNIL; i++) {
        if (!lua_istable(L, -1) || i == LONGEST_CHAIN)
            refuse_metamethod(L, "__index", place);
        lua_replace(L, top + 1);
        lua_settop(L, top + 1);
        (is_array ? refuse_element : refuse_fields)(L, index, place);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
}
