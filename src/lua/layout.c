/***
The userdata "ipmmap.struct": a layout, and the metatables of the views of its types. What a
Struct does besides is said in lua/ipmmap/struct.lua, which also gives it its __index.
@submodule ipmmap
*/
#include "layout.h"

#include "error.h"
#include "functions.h"
#include "path.h"

#include <lauxlib.h>
#include <string.h>

#define STRUCT_CLASS "ipmmap.struct"

void lipm_freelayout(lipm_layout *layout) {
    if (layout->alive == 0 && layout->handles == 0) {
        ipm_layout_free(layout->layout);
        layout->layout = NULL;
    }
}

lipm_layout *lipm_checklayout(lua_State *L, int index) {
    lipm_layout *layout = luaL_checkudata(L, index, STRUCT_CLASS);
    luaL_argcheck(L, layout->alive, index, "the struct was collected");
    return layout;
}

static const ipm_type *check_type(lua_State *L) {
    return ipm_layout_type(lipm_checklayout(L, 1)->layout);
}

/* Push a Struct that has no layout yet. */
static lipm_layout *push_layout(lua_State *L) {
    lipm_layout *layout = lua_newuserdatauv(L, sizeof *layout, LIPM_STRUCT_VALUES);
    memset(layout, 0, sizeof *layout);
    luaL_setmetatable(L, STRUCT_CLASS);
    lua_newtable(L);
    lua_setiuservalue(L, -2, LIPM_STRUCT_METATABLES);
    lua_newtable(L);
    lua_setiuservalue(L, -2, LIPM_STRUCT_PATHS);
    return layout;
}

/* parse(text): a Struct, or nil and what is wrong with the text. */
static int layout_parse(lua_State *L) {
    size_t length;
    ipm_error error;
    const char *text = luaL_checklstring(L, 1, &length);
    lipm_layout *layout = push_layout(L);
    int code = ipm_layout_parse(text, length, &layout->layout, &error);
    if (code == IPM_EINVALID) {
        luaL_pushfail(L);
        lua_pushstring(L, error.text);
        return 2;
    }
    if (code != IPM_OK)
        return lipm_raise(L, &error);
    layout->alive = 1;
    return 1;
}

/***
The Struct that a segment's data file describes: for tools that work on any segment. It is not
registered, so it can be opened but not nested.
@function describe
@tparam string path of the data file
@treturn[1] Struct
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: `"not_found"`, `"corrupt"`, `"permission"`, `"system"`
*/
int lipm_describe(lua_State *L) {
    ipm_error error;
    const char *path = luaL_checkstring(L, 1);
    lipm_layout *layout = push_layout(L);
    if (ipm_layout_load(path, &layout->layout, &error) != IPM_OK)
        return lipm_fail(L, &error);
    layout->alive = 1;
    return 1;
}

static int layout_gc(lua_State *L) {
    lipm_layout *layout = luaL_checkudata(L, 1, STRUCT_CLASS);
    layout->alive = 0;
    lipm_freelayout(layout);
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

static int layout_is_shared(lua_State *L) {
    lua_pushboolean(L, ipm_type_is_shared(check_type(L)));
    return 1;
}

/***
Where a part lies.
@function Struct:offsetof
@tparam string path such as `"multi_pts.multi_points[3].x"`; indices start at 1
@treturn integer bytes from the start of the struct
@raise a path that leads nowhere
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
    {"name", layout_name},
    {"size", layout_size},
    {"align", layout_align},
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
