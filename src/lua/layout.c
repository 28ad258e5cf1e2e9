/***
The userdata "ipmmap.struct": a layout, and the metatables of the views of its types.
lua/ipmmap/struct.lua sets its __index, and has the rest of a Struct's methods.
@submodule ipmmap
*/
#include "layout.h"

#include "../core/schema.h"
#include "error.h"
#include "functions.h"
#include "path.h"

#include <lauxlib.h>
#include <string.h>

#define STRUCT_CLASS "ipmmap.struct"

static void free_unused(lipm_layout *layout) {
    if (layout->alive == 0 && layout->uses == 0) {
        ipm_layout_free(layout->layout);
        layout->layout = NULL;
    }
}

void lipm_retainlayout(lipm_layout *layout) {
    layout->uses++;
}

void lipm_releaselayout(lipm_layout *layout) {
    layout->uses--;
    free_unused(layout);
}

lipm_layout *lipm_checklayout(lua_State *L, int index) {
    lipm_layout *layout = luaL_checkudata(L, index, STRUCT_CLASS);
    luaL_argcheck(L, layout->alive, index, "the struct was collected");
    return layout;
}

static const ipm_type *check_type(lua_State *L) {
    return ipm_layout_type(lipm_checklayout(L, 1)->layout);
}

lipm_layout *lipm_pushlayout(lua_State *L) {
    lipm_layout *layout = lua_newuserdatauv(L, sizeof *layout, LIPM_STRUCT_VALUES);
    memset(layout, 0, sizeof *layout);
    luaL_setmetatable(L, STRUCT_CLASS);
    lua_newtable(L);
    lua_setiuservalue(L, -2, LIPM_STRUCT_CLASSES);
    lua_newtable(L);
    lua_setiuservalue(L, -2, LIPM_STRUCT_PATHS);
    return layout;
}

void lipm_copylayout(lua_State *L, const ipm_layout *from, lipm_layout *to) {
    size_t length;
    ipm_error error;
    const char *text = ipm_layout_text(from, &length);
    if (ipm_layout_parse(text, length, &to->layout, &error) != IPM_OK)
        lipm_raise(L, &error);
    to->alive = 1;
}

/* Return the Struct on the top of the stack, or nil and what is wrong with its definition. */
static int return_layout(lua_State *L, lipm_layout *layout, int code, const ipm_error *error) {
    if (code == IPM_EINVALID) {
        luaL_pushfail(L);
        lua_pushstring(L, error->text);
        return 2;
    }
    if (code != IPM_OK)
        return lipm_raise(L, error);
    layout->alive = 1;
    return 1;
}

/* parse(text): returns a Struct, or the layout of an enumeration if the text ends with one; or nil
 * and what is wrong with the text. */
static int layout_parse(lua_State *L) {
    size_t length;
    ipm_error error;
    const char *text = luaL_checklstring(L, 1, &length);
    lipm_layout *layout = lipm_pushlayout(L);
    int code = ipm_layout_parse(text, length, &layout->layout, &error);
    return return_layout(L, layout, code, &error);
}

/* ---- Definitions ------------------------------------------------------------------------- */

/* The table of registered Structs, at index `structs`, for the core's lookup. */
typedef struct registry {
    lua_State *L;
    int structs;
    int status; /* LUA_OK, or the status of the error object on the stack's top */
} registry;

/* get_registered(structs, name as light userdata): returns the type of the Struct that has the
 * name, or NULL, as light userdata. */
static int get_registered(lua_State *L) {
    const ipm_type *type = NULL;
    lua_pushstring(L, lua_touserdata(L, 2));
    if (lua_rawget(L, 1) != LUA_TNIL)
        type = ipm_layout_type(lipm_checklayout(L, 3)->layout);
    lua_pushlightuserdata(L, (void *)type);
    return 1;
}

/* The core calls this function while it has memory to free. So an error of Lua is caught here: it
 * must not jump over the core. */
static const ipm_type *find_registered(void *context, const char *name) {
    registry *in = context;
    lua_pushcfunction(in->L, get_registered);
    lua_pushvalue(in->L, in->structs);
    lua_pushlightuserdata(in->L, (void *)name);
    in->status = lua_pcall(in->L, 2, 1, 0);
    if (in->status != LUA_OK)
        return NULL;
    const ipm_type *type = lua_touserdata(in->L, -1);
    lua_pop(in->L, 1);
    return type;
}

/* Push the declarations of the list { name, type, name, type, ... } at `index`. */
static ipm_declaration *push_declarations(lua_State *L, int index, size_t count) {
    ipm_declaration *declarations = lua_newuserdatauv(L, count * sizeof *declarations, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer)(2 * i + 1));
        lua_rawgeti(L, index, (lua_Integer)(2 * i + 2));
        luaL_checktype(L, -2, LUA_TSTRING);
        luaL_checktype(L, -1, LUA_TSTRING);
        declarations[i].name = lua_tostring(L, -2);
        declarations[i].type = lua_tolstring(L, -1, &declarations[i].length);
        lua_pop(L, 2); /* the list keeps the strings */
    }
    return declarations;
}

/*
 * define(name, parent's name or nil, { name, type, name, type, ... }, registered layouts): returns
 * a Struct; or nil and what is wrong, and, if a type's text was not understood, that text. The name
 * may be followed by a pack, "Point (pack 1)", and a type by attributes, "float (min 0)". The
 * strings must stay in the list during the call. Finalizers may run meanwhile, so no other code may
 * have access to the list.
 */
static int layout_define(lua_State *L) {
    ipm_error error;
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TTABLE);
    registry structs = {.L = L, .structs = 4, .status = LUA_OK};
    ipm_definition definition = {
        .name = luaL_checkstring(L, 1),
        .parent = luaL_optstring(L, 2, NULL),
        .count = lua_rawlen(L, 3) / 2,
        .known = {find_registered, &structs},
    };
    definition.declarations = push_declarations(L, 3, definition.count);
    lipm_layout *layout = lipm_pushlayout(L);
    int code = ipm_layout_define(&definition, &layout->layout, &error);
    if (structs.status != LUA_OK)
        return lua_error(L);
    int results = return_layout(L, layout, code, &error);
    if (definition.untyped != NULL) {
        lua_pushlstring(L, definition.untyped->type, definition.untyped->length);
        results++;
    }
    return results;
}

static const char *parent_name(const ipm_type *type) {
    return type->parent == NULL ? "nothing" : type->parent->name;
}

/*
 * difference(old, new), for two Structs of the same name: returns the first difference in memory as
 * text; nil if there is none, though attributes may differ. Structs with the same fields at the
 * same offsets differ if they extend different structs.
 */
static int layout_difference(lua_State *L) {
    ipm_error error;
    const ipm_layout *old = lipm_checklayout(L, 1)->layout, *new = lipm_checklayout(L, 2)->layout;
    const ipm_type *there = ipm_layout_type(old), *here = ipm_layout_type(new);
    if (ipm_type_compare(there, "there", here, "here", IPM_EXACT, &error) != IPM_OK)
        lua_pushstring(L, error.text);
    else if (strcmp(parent_name(there), parent_name(here)) == 0)
        lua_pushnil(L);
    else
        lua_pushfstring(L, "it extends %s there, %s here", parent_name(there), parent_name(here));
    return 1;
}

/* ------------------------------------------------------------------------------------------ */

/***
Make a Struct from the schema in a segment's data file. This is for tools that open any segment. The
Struct is not registered, so it can be opened but not nested.
@function describe
@tparam string path the path of the data file
@treturn[1] Struct
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: `"not_found"`, `"corrupt"`, `"permission"`, `"system"`
*/
int lipm_describe(lua_State *L) {
    ipm_error error;
    const char *path = luaL_checkstring(L, 1);
    lipm_layout *layout = lipm_pushlayout(L);
    if (ipm_layout_load(path, &layout->layout, &error) != IPM_OK)
        return lipm_fail(L, &error);
    layout->alive = 1;
    return 1;
}

static int layout_gc(lua_State *L) {
    lipm_layout *layout = luaL_checkudata(L, 1, STRUCT_CLASS);
    layout->alive = 0;
    free_unused(layout);
    return 0;
}

static int layout_tostring(lua_State *L) {
    size_t length;
    const char *text = ipm_layout_text(lipm_checklayout(L, 1)->layout, &length);
    lua_pushlstring(L, text, length);
    return 1;
}

static int layout_name(lua_State *L) {
    lua_pushstring(L, check_type(L)->name);
    return 1;
}

static int layout_size(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)check_type(L)->size);
    return 1;
}

static int layout_align(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)check_type(L)->align);
    return 1;
}

/* Whether the layout is an enumeration or flags. */
static int layout_is_enum(lua_State *L) {
    lua_pushboolean(L, check_type(L)->names != NULL);
    return 1;
}

static int layout_is_shared(lua_State *L) {
    lua_pushboolean(L, ipm_type_is_shared(check_type(L)));
    return 1;
}

/***
The offset of a part of the struct.
@function Struct:offsetof
@tparam string path such as `"multi_pts.multi_points[3].x"`; indices start at 1
@treturn integer bytes from the start of the struct
@raise an error if the path leads to no part of the struct
*/
static int layout_offsetof(lua_State *L) {
    lipm_layout *layout = lipm_checklayout(L, 1);
    lua_pushinteger(L, (lua_Integer)lipm_checkpath(L, 2, 1, layout)->offset);
    return 1;
}

static const luaL_Reg layout_metamethods[] = {
    {"__gc", layout_gc},
    {"__tostring", layout_tostring},
    {NULL, NULL},
};

static const luaL_Reg layout_functions[] = {
    {"parse", layout_parse},
    {"define", layout_define},
    {"difference", layout_difference},
    {"name", layout_name},
    {"size", layout_size},
    {"align", layout_align},
    {"is_enum", layout_is_enum},
    {"is_shared", layout_is_shared},
    {"offsetof", layout_offsetof},
    {NULL, NULL},
};

void lipm_open_layout(lua_State *L) {
    luaL_newlib(L, layout_functions);
    luaL_newmetatable(L, STRUCT_CLASS);
    luaL_setfuncs(L, layout_metamethods, 0);
    lua_setfield(L, -2, "metatable");
}
