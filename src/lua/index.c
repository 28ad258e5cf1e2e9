/*
 * The metamethods are the same for live and for detached memory. Each struct or array type of a
 * layout has a metatable of its own. Its functions are closures with the Struct as an upvalue. They
 * recognise a view by the brand at its beginning, which takes 5 ns of about 40 for an access.
 * Comparing metatables would take 13 ns, and luaL_checkudata 20.
 */
#include "index.h"

#include "elements.h"
#include "error.h"
#include "field.h"

/* ---- Structs ----------------------------------------------------------------------------- */

/* The field's name that equals the string at `key`. Raises if there is none. */
static inline const lipm_name *check_field_name(lua_State *L, int key, const lipm_view *self) {
    const lipm_name *name = lipm_findname(L, key, self->names, self->place.type);
    if (name == NULL)
        lipm_complain_key(L, key, &self->place);
    return name;
}

static int struct_index(lua_State *L) {
    const lipm_view *self = lipm_checkself(L);
    const lipm_name *name = check_field_name(L, 2, self);
    return lipm_pushpart(L, name->number, self, lipm_fieldplace(&self->place, name->field));
}

static int struct_newindex(lua_State *L) {
    const lipm_view *self = lipm_checkself(L);
    const lipm_name *name = check_field_name(L, 2, self);
    return lipm_setpart(L, lipm_fieldplace(&self->place, name->field), name->names);
}

/* next(view, name): returns the next field's name and value, in memory order. */
static int struct_next(lua_State *L) {
    lua_settop(L, 2);
    const lipm_view *self = lipm_checkself(L);
    const ipm_type *type = self->place.type;
    if (type->kind != IPM_STRUCT)
        return luaL_typeerror(L, 1, "view of a struct");
    const ipm_field *field =
        lua_isnil(L, 2) ? type->fields : check_field_name(L, 2, self)->field + 1;
    if (field == type->fields + type->count)
        return 0;
    lua_pushstring(L, field->name);
    uint64_t number = check_field_name(L, 3, self)->number;
    return lipm_pushpair(L, number, self, lipm_fieldplace(&self->place, field));
}

/* ---- Arrays ------------------------------------------------------------------------------ */

static const lipm_view *check_array(lua_State *L) {
    const lipm_view *self = lipm_checkself(L);
    if (self->place.type->kind != IPM_ARRAY)
        luaL_typeerror(L, 1, "view of an array");
    return self;
}

/* The element after the last one is nil, so that ipairs ends there. */
static int array_index(lua_State *L) {
    const lipm_view *self = check_array(L);
    uint64_t count = self->place.type->count;
    uint64_t index = lipm_toindex(L);
    if (index - 1 >= count) {
        if (index != count + 1)
            return lipm_complain_key(L, 2, &self->place);
        lua_pushnil(L);
        return 1;
    }
    return lipm_pushpart(L, index, self, lipm_elementplace(&self->place, index - 1));
}

static int array_newindex(lua_State *L) {
    const lipm_view *self = check_array(L);
    uint64_t index = lipm_toindex(L);
    if (index - 1 >= self->place.type->count)
        return lipm_complain_key(L, 2, &self->place);
    return lipm_setpart(L, lipm_elementplace(&self->place, index - 1), self->names->element);
}

static int array_next(lua_State *L) {
    lua_settop(L, 2);
    const lipm_view *self = check_array(L);
    uint64_t index = lua_isnil(L, 2) ? 0 : lipm_toindex(L);
    if (index >= self->place.type->count)
        return 0;
    lua_pushinteger(L, (lua_Integer)index + 1);
    return lipm_pushpair(L, index + 1, self, lipm_elementplace(&self->place, index));
}

static int array_len(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)check_array(L)->place.type->count);
    return 1;
}

/* ---- Structs, arrays and lists ------------------------------------------------------------------
 */

static int view_pairs(lua_State *L) {
    lipm_checkself(L);
    lua_getmetatable(L, 1);
    lua_getfield(L, -1, "next");
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* Returns "DemoMmapStructure.data_xy (Point2D): 0x55d0c2a4f2a8", also while no lock is held. */
static int view_tostring(lua_State *L) {
    const lipm_view *self = lipm_checkview(L, 1);
    const lipm_memory *memory = self->place.memory;
    lipm_pushpath(L, &self->place);
    if (memory->layout->layout != NULL && self->place.type != memory->type)
        lua_pushfstring(L, " (%s): %p", self->place.type->name, (const void *)self);
    else
        lua_pushfstring(L, ": %p", (const void *)self);
    lua_concat(L, 2);
    return 1;
}

/* Those of lists that lists share with structs and arrays. */
static const luaL_Reg shared_metamethods[] = {
    {"__pairs", view_pairs},
    {"__tostring", view_tostring},
    {NULL, NULL},
};

static const luaL_Reg struct_metamethods[] = {
    {"__index", struct_index}, {"__newindex", struct_newindex}, {"__pairs", view_pairs},
    {"next", struct_next},     {"__tostring", view_tostring},   {NULL, NULL},
};

static const luaL_Reg array_metamethods[] = {
    {"__index", array_index},
    {"__newindex", array_newindex},
    {"__pairs", view_pairs},
    {"next", array_next},
    {"__tostring", view_tostring},
    {"__len", array_len},
    {NULL, NULL},
};

static void push_new_metatable(lua_State *L, int owner, const ipm_type *type,
                               const luaL_Reg *besides) {
    const luaL_Reg *metamethods = type->kind == IPM_STRUCT ? struct_metamethods
                                  : type->kind == IPM_LIST ? lipm_list_metamethods
                                                           : array_metamethods;
    lua_newtable(L);
    lua_pushstring(L, type->name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, true);
    lua_rawsetp(L, -2, &lipm_view_brand);
    lua_pushvalue(L, owner);
    luaL_setfuncs(L, metamethods, LIPM_VIEW_UPVALUES);
    if (type->kind == IPM_LIST)
        luaL_setfuncs(L, shared_metamethods, 0);
    if (besides != NULL)
        luaL_setfuncs(L, besides, 0);
}

/* The Struct at `owner` keeps the names of each type under `key`, and the names keep the
 * metatable. Push that metatable, and return the names. */
static const lipm_names *push_metatable(lua_State *L, int owner, const ipm_type *type,
                                        const void *key, const luaL_Reg *besides) {
    const lipm_names *names = lipm_pushnames(L, owner, type, key);
    if (lua_getiuservalue(L, -1, LIPM_NAMES_METATABLE) != LUA_TTABLE) {
        lua_pop(L, 1);
        push_new_metatable(L, owner, type, besides);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, -3, LIPM_NAMES_METATABLE);
    }
    lua_replace(L, -2);
    return names;
}

const lipm_names *lipm_pushmetatable(lua_State *L, int owner, const ipm_type *type) {
    return push_metatable(L, owner, type, type, NULL);
}

const lipm_names *lipm_pushrootmetatable(lua_State *L, int owner, const lipm_layout *layout,
                                         const luaL_Reg *besides) {
    return push_metatable(L, owner, ipm_layout_type(layout->layout), layout, besides);
}
