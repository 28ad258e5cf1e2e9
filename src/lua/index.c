/*
 * The metamethods are the same for live and for detached memory. Each struct or array type of a
 * layout has a metatable of its own; its functions are closures that know the Struct. They know a
 * view by the brand that it begins with, which takes 5 ns; comparing metatables takes 13, and
 * luaL_checkudata 20, of about 40 for an access.
 */
#include "index.h"

#include "assign.h"
#include "error.h"
#include "names.h"
#include "scalar.h"

#include <stdlib.h>

enum { OWNER_UPVALUE = 1, VIEW_UPVALUES = OWNER_UPVALUE };

/* Arrays of more elements than this let the collector have the views of those not in use. */
#define CACHED_ELEMENTS 1024

static _Noreturn void refuse_self(lua_State *L) {
    luaL_typeerror(L, 1, "view");
    abort(); /* what raises does not come here */
}

/*
 * The view that a metamethod was called on, of memory that can be touched now. If it was called by
 * hand, the view may be of any type.
 */
static inline const lipm_view *check_self(lua_State *L) {
    const lipm_view *self = lua_touserdata(L, 1);
    if (self == NULL || lua_rawlen(L, 1) < sizeof *self || self->brand != &lipm_view_brand)
        refuse_self(L);
    if (lipm_base(self->place.memory) == NULL)
        lipm_complain_access(L, &self->place);
    return self;
}

/* ---- Nested views ------------------------------------------------------------------------ */

static void push_cache(lua_State *L, const lipm_view *self) {
    lua_newtable(L);
    if (self->place.type->kind == IPM_ARRAY && self->place.type->count > CACHED_ELEMENTS) {
        lua_createtable(L, 0, 1);
        lua_pushliteral(L, "v");
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
    }
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, LIPM_VIEW_NESTED);
}

/* Push the view of a part of the view at 1; the part's key is at `key`. */
static int push_nested(lua_State *L, int key, const lipm_view *self, const lipm_place *part) {
    if (lua_getiuservalue(L, 1, LIPM_VIEW_NESTED) == LUA_TTABLE) {
        lua_pushvalue(L, key);
        if (lua_rawget(L, -2) == LUA_TUSERDATA)
            return 1;
        lua_pop(L, 1);
    } else {
        push_cache(L, self);
    }
    if (lua_touserdata(L, lua_upvalueindex(OWNER_UPVALUE)) != self->place.memory->layout)
        luaL_error(L, "a view of another struct");
    lua_pushvalue(L, key);
    lipm_view *nested = lua_newuserdatauv(L, sizeof *nested, LIPM_VIEW_VALUES);
    const lipm_names *names = lipm_pushmetatable(L, lua_upvalueindex(OWNER_UPVALUE), part->type);
    *nested = (lipm_view){&lipm_view_brand, *part, names};
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LIPM_VIEW_CONTAINER);
    lua_pushvalue(L, -1);
    lua_insert(L, -4);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return 1;
}

/* Push a part of the view at 1; no other code ran since its memory was found good. */
static int push_part(lua_State *L, int key, const lipm_view *self, lipm_place part) {
    if (lipm_is_scalar(part.type)) {
        lipm_pushlive(L, &part);
        return 1;
    }
    return push_nested(L, key, self, &part);
}

/* Return the key on the top and its part. */
static int push_pair(lua_State *L, const lipm_view *self, lipm_place part) {
    int key = lua_gettop(L);
    check_self(L);
    lua_pushvalue(L, key);
    push_part(L, key, self, part);
    lua_replace(L, key + 1);
    lua_settop(L, key + 1);
    return 2;
}

/* Assign the value at 3 to a part of a view. */
static int set_part(lua_State *L, lipm_place part) {
    lipm_memory *memory = part.memory;
    lipm_scalar scalar;
    if (!memory->is_writable)
        return lipm_complain_write(L, &part);
    if (!lipm_is_scalar(part.type) || part.offset < memory->reserved) {
        lipm_checkassign(L, 3, &part);
        return lipm_assign(L, 3, &part) ? 0 : lipm_complain_access(L, &part);
    }
    if (!lipm_toscalar(L, 3, part.type, &scalar))
        return lipm_complain_scalar(L, 3, &part);
    unsigned char *at = lipm_change(memory, part.offset, part.type->size);
    if (at == NULL)
        return lipm_complain_access(L, &part);
    lipm_storescalar(at, part.type, &scalar);
    return 0;
}

/* ---- Structs ----------------------------------------------------------------------------- */

/* The field named by the string at 2. */
static inline const ipm_field *check_field_name(lua_State *L, const lipm_view *self) {
    const ipm_field *field = lipm_findname(L, 2, self->names, self->place.type);
    if (field == NULL)
        lipm_complain_key(L, 2, &self->place);
    return field;
}

static int struct_index(lua_State *L) {
    const lipm_view *self = check_self(L);
    return push_part(L, 2, self, lipm_fieldplace(&self->place, check_field_name(L, self)));
}

static int struct_newindex(lua_State *L) {
    const lipm_view *self = check_self(L);
    return set_part(L, lipm_fieldplace(&self->place, check_field_name(L, self)));
}

/* next(view, name): the next field's name and value, in memory order. */
static int struct_next(lua_State *L) {
    lua_settop(L, 2);
    const lipm_view *self = check_self(L);
    const ipm_type *type = self->place.type;
    if (type->kind != IPM_STRUCT)
        return luaL_typeerror(L, 1, "view of a struct");
    const ipm_field *field = lua_isnil(L, 2) ? type->fields : check_field_name(L, self) + 1;
    if (field == type->fields + type->count)
        return 0;
    lua_pushstring(L, field->name);
    return push_pair(L, self, lipm_fieldplace(&self->place, field));
}

/* ---- Arrays ------------------------------------------------------------------------------ */

static const lipm_view *check_array(lua_State *L) {
    const lipm_view *self = check_self(L);
    if (self->place.type->kind != IPM_ARRAY)
        luaL_typeerror(L, 1, "view of an array");
    return self;
}

/* The index at 2, from 1; 0 if it is not a whole number. */
static uint64_t to_index(lua_State *L) {
    int is_whole;
    lua_Integer index = lua_tointegerx(L, 2, &is_whole);
    return is_whole && lua_type(L, 2) == LUA_TNUMBER && index > 0 ? (uint64_t)index : 0;
}

/* One past the end is nil, where ipairs ends. */
static int array_index(lua_State *L) {
    const lipm_view *self = check_array(L);
    uint64_t count = self->place.type->count;
    uint64_t index = to_index(L);
    if (index - 1 >= count) {
        if (index != count + 1)
            return lipm_complain_key(L, 2, &self->place);
        lua_pushnil(L);
        return 1;
    }
    return push_part(L, 2, self, lipm_elementplace(&self->place, index - 1));
}

static int array_newindex(lua_State *L) {
    const lipm_view *self = check_array(L);
    uint64_t index = to_index(L);
    if (index - 1 >= self->place.type->count)
        return lipm_complain_key(L, 2, &self->place);
    return set_part(L, lipm_elementplace(&self->place, index - 1));
}

static int array_next(lua_State *L) {
    lua_settop(L, 2);
    const lipm_view *self = check_array(L);
    uint64_t index = lua_isnil(L, 2) ? 0 : to_index(L);
    if (index >= self->place.type->count)
        return 0;
    lua_pushinteger(L, (lua_Integer)index + 1);
    return push_pair(L, self, lipm_elementplace(&self->place, index));
}

static int array_len(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)check_array(L)->place.type->count);
    return 1;
}

/* ---- Both -------------------------------------------------------------------------------- */

static int view_pairs(lua_State *L) {
    check_self(L);
    lua_getmetatable(L, 1);
    lua_getfield(L, -1, "next");
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* "DemoMmapStructure.data_xy (Point2D): 0x55d0c2a4f2a8"; works whether locked or not. */
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
    bool is_struct = type->kind == IPM_STRUCT;
    lua_newtable(L);
    lua_pushstring(L, type->name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, true);
    lua_rawsetp(L, -2, &lipm_view_brand);
    lua_pushvalue(L, owner);
    luaL_setfuncs(L, is_struct ? struct_metamethods : array_metamethods, VIEW_UPVALUES);
    if (besides != NULL)
        luaL_setfuncs(L, besides, 0);
}

/* The Struct at `owner` remembers the names, and they the metatable, under `key`. */
static const lipm_names *push_metatable(lua_State *L, int owner, const ipm_type *type,
                                        const void *key, const luaL_Reg *besides) {
    lua_getiuservalue(L, owner, LIPM_STRUCT_METATABLES);
    if (lua_rawgetp(L, -1, key) != LUA_TUSERDATA) {
        lua_pop(L, 1);
        lipm_pushnames(L, type);
        push_new_metatable(L, owner, type, besides);
        lua_setiuservalue(L, -2, LIPM_NAMES_METATABLE);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, -3, key);
    }
    const lipm_names *names = lua_touserdata(L, -1);
    lua_getiuservalue(L, -1, LIPM_NAMES_METATABLE);
    lua_replace(L, -3);
    lua_pop(L, 1);
    return names;
}

const lipm_names *lipm_pushmetatable(lua_State *L, int owner, const ipm_type *type) {
    return push_metatable(L, owner, type, type, NULL);
}

const lipm_names *lipm_pushrootmetatable(lua_State *L, int owner, const lipm_layout *layout,
                                         const luaL_Reg *besides) {
    return push_metatable(L, owner, ipm_layout_type(layout->layout), layout, besides);
}
