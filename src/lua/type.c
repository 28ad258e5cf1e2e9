/***
Descriptions of a Struct's types as Lua tables, for tools that work with any struct.
@submodule ipmmap
*/
#include "../core/layout.h"
#include "functions.h"
#include "layout.h"
#include "literal.h"
#include "scalar.h"

#include <lauxlib.h>

static const char *const kinds[] = {
    [IPM_BOOL] = "bool",     [IPM_INT8] = "int8",         [IPM_UINT8] = "uint8",
    [IPM_INT16] = "int16",   [IPM_UINT16] = "uint16",     [IPM_INT32] = "int32",
    [IPM_UINT32] = "uint32", [IPM_INT64] = "int64",       [IPM_UINT64] = "uint64",
    [IPM_FLOAT] = "float",   [IPM_DOUBLE] = "double",     [IPM_CHAR] = "char",
    [IPM_CHAR16] = "char16", [IPM_CHAR32] = "char32",     [IPM_ARRAY] = "array",
    [IPM_LIST] = "list",     [IPM_OPTIONAL] = "optional", [IPM_STRUCT] = "struct",
};

static void push_type(lua_State *L, int made, const ipm_type *type);

static void set_string(lua_State *L, const char *key, const char *string) {
    if (string != NULL) {
        lua_pushstring(L, string);
        lua_setfield(L, -2, key);
    }
}

static void set_integer(lua_State *L, const char *key, uint64_t integer) {
    lua_pushinteger(L, (lua_Integer)integer);
    lua_setfield(L, -2, key);
}

static void set_type(lua_State *L, int made, const char *key, const ipm_type *type) {
    push_type(L, made, type);
    lua_setfield(L, -2, key);
}

static void set_names(lua_State *L, const ipm_type *type) {
    const ipm_enum *names = type->names;
    lua_newtable(L);
    for (size_t i = 0; i < names->count; i++) {
        lua_createtable(L, 0, 2);
        set_string(L, "name", names->constants[i].name);
        lipm_pushnumber(L, type->kind, names->constants[i].number);
        lua_setfield(L, -2, "number");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "names");
    lua_pushboolean(L, names->is_flags);
    lua_setfield(L, -2, "flags");
}

static void set_limits(lua_State *L, const ipm_type *type) {
    if (type->limits->has_min) {
        lipm_pushnumber(L, type->kind, type->limits->min);
        lua_setfield(L, -2, "min");
    }
    if (type->limits->has_max) {
        lipm_pushnumber(L, type->kind, type->limits->max);
        lua_setfield(L, -2, "max");
    }
}

/* One value, or a list of one value for each element in memory order. */
static void set_default(lua_State *L, const ipm_field *field) {
    const ipm_type *base = ipm_innermost(field->type);
    const unsigned char *bytes = field->initial;
    uint64_t count = field->initial_size / base->size;
    if (bytes == NULL)
        return;
    if (field->initial_size < field->type->size || count == 1) {
        lipm_pushscalar(L, base, bytes);
    } else {
        lua_newtable(L);
        for (uint64_t i = 0; i < count; i++) {
            lipm_pushscalar(L, base, bytes + i * base->size);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    }
    lua_setfield(L, -2, "default");
}

static void push_fields(lua_State *L, int made, const ipm_type *type) {
    lua_newtable(L);
    for (uint64_t i = 0; i < type->count; i++) {
        const ipm_field *field = &type->fields[i];
        lua_createtable(L, 0, 3);
        set_string(L, "name", field->name);
        set_integer(L, "offset", field->offset);
        set_type(L, made, "type", field->type);
        set_string(L, "unit", field->unit);
        set_string(L, "doc", field->doc);
        set_default(L, field);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void set_parts(lua_State *L, int made, const ipm_type *type) {
    if (type->kind == IPM_STRUCT) {
        push_fields(L, made, type);
        lua_setfield(L, -2, "fields");
        if (type->parent != NULL)
            set_type(L, made, "parent", type->parent);
        if (type->pack != 0)
            set_integer(L, "pack", type->pack);
        return;
    }
    if (type->kind != IPM_OPTIONAL)
        set_integer(L, "count", type->count);
    if (type->kind != IPM_ARRAY)
        set_integer(L, "inner", type->inner);
    set_type(L, made, "element", type->element);
}

/* Push the table that describes the type. `made`: the index of the tables made so far, by type. */
static void push_type(lua_State *L, int made, const ipm_type *type) {
    luaL_checkstack(L, 12, "struct nested too deeply");
    if (lua_rawgetp(L, made, type) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 7);
    set_string(L, "name", type->name);
    set_string(L, "kind", kinds[type->kind]);
    set_integer(L, "size", type->size);
    set_integer(L, "align", type->align);
    if (type->names != NULL)
        set_names(L, type);
    if (type->limits != NULL)
        set_limits(L, type);
    if (!lipm_is_scalar(type))
        set_parts(L, made, type);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, made, type);
}

/***
Describe the struct and all types in it. Each type is described by a table with

- `name`, as in a definition (`"char[256]"`, `"Point2D[24]"`, `"Item[<=64]"`, `"int32?"`);
- `kind`: `"bool"`, `"int8"`, … `"double"`, `"char"`, `"char16"`, `"char32"`, `"array"`, `"list"`,
  `"optional"`, `"struct"`; of an enumeration and of flags, that of the integer type;
- `size` and `align` in bytes.

Further keys are, for

- enumerations and flags: `names`, a list of `{ name, number }` in the order of declaration; and
  `flags`, whether these are flags;
- numbers with limits: `min` and `max`, each a number or nil;
- arrays: `count`, and `element`, the description of the elements' type;
- lists: `count`, the greatest number of elements; `element`; and `inner`, the offset of the first
  element. The number of elements in use is a uint32 at offset 0;
- optional fields: `element`, the description of the value's type; and `inner`, its offset. Whether
  there is a value is a bool at offset 0;
- structs: `fields`, a list of `{ name, offset, type, unit, doc, default }` in memory order, with
  offsets in bytes from the struct's start; `parent`, the description of the struct that it extends,
  or nil; and `pack`, or nil. `default` is nil, a value for the field or for each of its elements,
or a list of values for its elements in memory order.
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
