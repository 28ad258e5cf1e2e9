/*
 * The metamethods are the same for live and for detached memory. Each struct or array type of a
 * layout has a metatable of its own. Its functions are closures with the Struct as an upvalue. They
 * recognise a view by the brand at its beginning, which takes 5 ns of about 40 for an access.
 * Comparing metatables would take 13 ns, and luaL_checkudata 20.
 */
#include "index.h"

#include "assign.h"
#include "error.h"
#include "scalar.h"

#include <stdlib.h>

enum { OWNER_UPVALUE = 1, VIEW_UPVALUES = OWNER_UPVALUE };

/* In arrays with more elements than this, the collector frees the elements' views that are not in
 * use. */
#define CACHED_ELEMENTS 1024

static _Noreturn void refuse_self(lua_State *L) {
    luaL_typeerror(L, 1, "view");
    abort(); /* not reached: luaL_typeerror raises */
}

/*
 * The view at index 1, on which a metamethod was called. Raises if its memory is not accessible.
 * If the program itself calls the metamethod, the view may have any type.
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
    if (self->place.type->kind == IPM_ARRAY && self->place.type->count > CACHED_ELEMENTS)
        lipm_pushweak(L);
    else
        lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, LIPM_VIEW_NESTED);
}

/* Push the view of a part of the view at index 1. An array's element has its index as its number, a
 * struct's field has lipm_name.number. */
static int push_nested(lua_State *L, uint64_t number, const lipm_view *self,
                       const lipm_place *part) {
    if (lua_getiuservalue(L, 1, LIPM_VIEW_NESTED) == LUA_TTABLE) {
        if (lua_rawgeti(L, -1, (lua_Integer)number) == LUA_TUSERDATA)
            return 1;
        lua_pop(L, 1);
    } else {
        push_cache(L, self);
    }
    if (lua_touserdata(L, lua_upvalueindex(OWNER_UPVALUE)) != self->place.memory->layout)
        luaL_error(L, "a view of another struct");
    lipm_view *nested = lua_newuserdatauv(L, sizeof *nested, LIPM_VIEW_VALUES);
    const lipm_names *names = lipm_pushmetatable(L, lua_upvalueindex(OWNER_UPVALUE), part->type);
    *nested = (lipm_view){&lipm_view_brand, *part, names};
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LIPM_VIEW_CONTAINER);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, (lua_Integer)number);
    return 1;
}

/* Push a part of the view at index 1. Call this directly after check_self: no other code may have
 * run since. */
static int push_part(lua_State *L, uint64_t number, const lipm_view *self, lipm_place part) {
    if (lipm_is_scalar(part.type)) {
        lipm_pushlive(L, &part);
        return 1;
    }
    return push_nested(L, number, self, &part);
}

/* Return two values: the key on the top, and its part. */
static int push_pair(lua_State *L, uint64_t number, const lipm_view *self, lipm_place part) {
    int key = lua_gettop(L);
    check_self(L);
    lua_pushvalue(L, key);
    push_part(L, number, self, part);
    lua_replace(L, key + 1);
    lua_settop(L, key + 1);
    return 2;
}

/* The part of set_part for a struct or an array: assign all of it, or nothing. Raises for a part of
 * a live header. */
static IPM_COLD int assign_part(lua_State *L, const lipm_place *part, const lipm_names *names) {
    lipm_assignment assignment;
    lipm_prepare(L, lua_upvalueindex(OWNER_UPVALUE), 3, part, names, &assignment);
    bool is_touchable = lipm_base(part->memory) != NULL;
    return is_touchable && lipm_assign(&assignment, part) ? 0 : lipm_complain_access(L, part);
}

/* Assign the value at index 3 to a part of a view. */
static int set_part(lua_State *L, lipm_place part, const lipm_names *names) {
    lipm_memory *memory = part.memory;
    lipm_scalar scalar;
    if (!memory->is_writable)
        return lipm_complain(L, &part, "a reader cannot write");
    if (!lipm_is_scalar(part.type) || part.offset < memory->reserved)
        return assign_part(L, &part, names);
    if (!lipm_toscalar(L, 3, part.type, &scalar))
        return lipm_complain_scalar(L, 3, &part);
    unsigned char *at = lipm_change(memory, part.offset, part.type->size);
    if (at == NULL)
        return lipm_complain_access(L, &part);
    lipm_storescalar(at, part.type, &scalar);
    return 0;
}

/* ---- Structs ----------------------------------------------------------------------------- */

/* The field's name that equals the string at `key`. Raises if there is none. */
static inline const lipm_name *check_field_name(lua_State *L, int key, const lipm_view *self) {
    const lipm_name *name = lipm_findname(L, key, self->names, self->place.type);
    if (name == NULL)
        lipm_complain_key(L, key, &self->place);
    return name;
}

static int struct_index(lua_State *L) {
    const lipm_view *self = check_self(L);
    const lipm_name *name = check_field_name(L, 2, self);
    return push_part(L, name->number, self, lipm_fieldplace(&self->place, name->field));
}

static int struct_newindex(lua_State *L) {
    const lipm_view *self = check_self(L);
    const lipm_name *name = check_field_name(L, 2, self);
    return set_part(L, lipm_fieldplace(&self->place, name->field), name->names);
}

/* next(view, name): returns the next field's name and value, in memory order. */
static int struct_next(lua_State *L) {
    lua_settop(L, 2);
    const lipm_view *self = check_self(L);
    const ipm_type *type = self->place.type;
    if (type->kind != IPM_STRUCT)
        return luaL_typeerror(L, 1, "view of a struct");
    const ipm_field *field =
        lua_isnil(L, 2) ? type->fields : check_field_name(L, 2, self)->field + 1;
    if (field == type->fields + type->count)
        return 0;
    lua_pushstring(L, field->name);
    uint64_t number = check_field_name(L, 3, self)->number;
    return push_pair(L, number, self, lipm_fieldplace(&self->place, field));
}

/* ---- Arrays ------------------------------------------------------------------------------ */

static const lipm_view *check_array(lua_State *L) {
    const lipm_view *self = check_self(L);
    if (self->place.type->kind != IPM_ARRAY)
        luaL_typeerror(L, 1, "view of an array");
    return self;
}

/* The array index at stack index 2, from 1; or 0 if it is not a positive whole number. */
static uint64_t to_index(lua_State *L) {
    int is_whole;
    lua_Integer index = lua_tointegerx(L, 2, &is_whole);
    return is_whole && lua_type(L, 2) == LUA_TNUMBER && index > 0 ? (uint64_t)index : 0;
}

/* The element after the last one is nil, so that ipairs ends there. */
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
    return push_part(L, index, self, lipm_elementplace(&self->place, index - 1));
}

static int array_newindex(lua_State *L) {
    const lipm_view *self = check_array(L);
    uint64_t index = to_index(L);
    if (index - 1 >= self->place.type->count)
        return lipm_complain_key(L, 2, &self->place);
    return set_part(L, lipm_elementplace(&self->place, index - 1), self->names->element);
}

static int array_next(lua_State *L) {
    lua_settop(L, 2);
    const lipm_view *self = check_array(L);
    uint64_t index = lua_isnil(L, 2) ? 0 : to_index(L);
    if (index >= self->place.type->count)
        return 0;
    lua_pushinteger(L, (lua_Integer)index + 1);
    return push_pair(L, index + 1, self, lipm_elementplace(&self->place, index));
}

static int array_len(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)check_array(L)->place.type->count);
    return 1;
}

/* ---- Structs and arrays ------------------------------------------------------------------ */

static int view_pairs(lua_State *L) {
    check_self(L);
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
