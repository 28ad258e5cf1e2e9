/***
Descriptions of a Struct's types as Lua tables, for tools that work with any struct.
@submodule ipmmap
*/
#include "functions.h"
#include "layout.h"

#include <lauxlib.h>

static const char *const kinds[] = {
    [IPM_BOOL] = "bool",     [IPM_INT8] = "int8",     [IPM_UINT8] = "uint8",
    [IPM_INT16] = "int16",   [IPM_UINT16] = "uint16", [IPM_INT32] = "int32",
    [IPM_UINT32] = "uint32", [IPM_INT64] = "int64",   [IPM_UINT64] = "uint64",
    [IPM_FLOAT] = "float",   [IPM_DOUBLE] = "double", [IPM_CHAR] = "char",
    [IPM_ARRAY] = "array",   [IPM_STRUCT] = "struct",
};

static void push_type(lua_State *L, int made, const ipm_type *type);

static void push_fields(lua_State *L, int made, const ipm_type *type) {
    lua_newtable(L);
    for (uint64_t i = 0; i < type->count; i++) {
        const ipm_field *field = &type->fields[i];
        lua_createtable(L, 0, 3);
        lua_pushstring(L, field->name);
        lua_setfield(L, -2, "name");
        lua_pushinteger(L, (lua_Integer)field->offset);
        lua_setfield(L, -2, "offset");
        push_type(L, made, field->type);
        lua_setfield(L, -2, "type");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* Push the table that describes the type. `made`: the index of the tables made so far, by type. */
static void push_type(lua_State *L, int made, const ipm_type *type) {
    luaL_checkstack(L, 8, "struct nested too deeply");
    if (lua_rawgetp(L, made, type) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 7);
    lua_pushstring(L, type->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, kinds[type->kind]);
    lua_setfield(L, -2, "kind");
    lua_pushinteger(L, (lua_Integer)type->size);
    lua_setfield(L, -2, "size");
    lua_pushinteger(L, (lua_Integer)type->align);
    lua_setfield(L, -2, "align");
    if (type->kind == IPM_ARRAY) {
        lua_pushinteger(L, (lua_Integer)type->count);
        lua_setfield(L, -2, "count");
        push_type(L, made, type->element);
        lua_setfield(L, -2, "element");
    } else if (type->kind == IPM_STRUCT) {
        push_fields(L, made, type);
        lua_setfield(L, -2, "fields");
        if (type->parent != NULL) {
            push_type(L, made, type->parent);
            lua_setfield(L, -2, "parent");
        }
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, made, type);
}

/***
Describe the struct and all types in it. Each type is described by a table with `name`, as in a
definition (`"char[256]"`, `"Point2D[24]"`); `kind` (`"bool"`, `"int8"`, … `"double"`, `"char"`,
`"array"`, `"struct"`); `size` and `align` in bytes. For an array it also has `count` and `element`,
the description of the elements' type. For a struct it also has `fields`, a list of
`{ name, offset, type }` in memory order with offsets in bytes from the struct's start; and
`parent`, the description of the struct that it extends, or nil.
@function Struct:type
@treturn table the description of the struct. A type that occurs several times has one table
*/
int lipm_type(lua_State *L) {
    const ipm_type *type = ipm_layout_type(lipm_checklayout(L, 1)->layout);
    lua_settop(L, 1);
    lua_newtable(L);
    push_type(L, 2, type);
    return 1;
}
