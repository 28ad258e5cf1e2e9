/*
 * Tables that are more than what is in them: their metamethods show fields, elements or a length
 * that an assignment, which reads tables raw, would leave out without a word. They are refused.
 * A table with methods behind __index, an object of a class, is as good as a plain one: what counts
 * is whether a part of the place is there, and not in the table itself.
 */
#include "lipm.h"

/* Lua itself gives up a chain of as many tables. */
#define LONGEST_CHAIN 2000

#define REFUSAL                                                                                    \
    "it comes by __index of the table's metatable, which assignment does not use: give a plain "   \
    "table"

static void refuse_metamethod(lua_State *L, const char *name, const lipm_memory *memory,
                              const ipm_type *type, uint64_t offset) {
    lipm_complain(L, memory, type, offset,
                  "the table's metatable has %s, which assignment does not use: give a plain table",
                  name);
}

/* Raise if the table on the top has a field of the struct that the one at `index` lacks. */
static void check_fields(lua_State *L, int index, const lipm_memory *memory, const ipm_type *type,
                         uint64_t offset) {
    int behind = lua_gettop(L);
    for (uint64_t i = 0; i < type->count; i++) {
        const ipm_field *field = &type->fields[i];
        lua_pushstring(L, field->name);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, behind) != LUA_TNIL) {
            lua_pushvalue(L, -2);
            if (lua_rawget(L, index) == LUA_TNIL) {
                lipm_complain(L, memory, field->type, offset + field->offset, REFUSAL);
            }
        }
        lua_settop(L, behind);
    }
}

/* The same for the next element of an array. */
static void check_next(lua_State *L, int index, const lipm_memory *memory, const ipm_type *type,
                       uint64_t offset) {
    uint64_t count = lua_rawlen(L, index);
    if (lua_rawgeti(L, -1, (lua_Integer)count + 1) == LUA_TNIL) {
        return;
    }
    if (count >= type->count) {
        refuse_metamethod(L, "__index", memory, type, offset);
    } else {
        lipm_complain(L, memory, type->element, offset + count * type->element->size, REFUSAL);
    }
}

void lipm_checkplain(lua_State *L, int index, const lipm_memory *memory, const ipm_type *type,
                     uint64_t offset) {
    int top = lua_gettop(L);
    bool is_array = type->kind == IPM_ARRAY;
    if (!lua_getmetatable(L, index)) {
        return;
    }
    if (luaL_getmetafield(L, index, "__pairs") != LUA_TNIL) {
        refuse_metamethod(L, "__pairs", memory, type, offset);
    }
    if (is_array && luaL_getmetafield(L, index, "__len") != LUA_TNIL) {
        refuse_metamethod(L, "__len", memory, type, offset);
    }
    lua_pushvalue(L, index);
    for (int i = 0; luaL_getmetafield(L, -1, "__index") != LUA_TNIL; i++) {
        if (!lua_istable(L, -1) || i == LONGEST_CHAIN) {
            refuse_metamethod(L, "__index", memory, type, offset);
        }
        lua_replace(L, top + 1);
        lua_settop(L, top + 1);
        (is_array ? check_next : check_fields)(L, index, memory, type, offset);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
}
