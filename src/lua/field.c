#include "field.h"

#include "assign.h"
#include "index.h"
#include "list.h"

#include <stdlib.h>

/* In arrays and lists with more elements than this, the collector frees the elements' views that
 * are not in use. */
#define CACHED_ELEMENTS 1024

void lipm_refuseself(lua_State *L) {
    luaL_typeerror(L, 1, "view");
    abort(); /* not reached: luaL_typeerror raises */
}

/* ---- Nested views ------------------------------------------------------------------------ */

static void push_cache(lua_State *L, const lipm_view *self) {
    if (self->place.type->kind != IPM_STRUCT && self->place.type->count > CACHED_ELEMENTS)
        lipm_pushweak(L);
    else
        lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, LIPM_VIEW_NESTED);
}

/* Push the view of a part of the view at index 1. */
static int push_nested(lua_State *L, uint64_t number, const lipm_view *self,
                       const lipm_place *part) {
    if (lua_getiuservalue(L, 1, LIPM_VIEW_NESTED) == LUA_TTABLE) {
        if (lua_rawgeti(L, -1, (lua_Integer)number) == LUA_TUSERDATA)
            return 1;
        lua_pop(L, 1);
    } else {
        push_cache(L, self);
    }
    if (lua_touserdata(L, lua_upvalueindex(LIPM_OWNER_UPVALUE)) != self->place.memory->layout)
        luaL_error(L, "a view of another struct");
    lipm_view *nested = lua_newuserdatauv(L, sizeof *nested, LIPM_VIEW_VALUES);
    const lipm_names *names =
        lipm_pushmetatable(L, lua_upvalueindex(LIPM_OWNER_UPVALUE), part->type);
    *nested = (lipm_view){&lipm_view_brand, *part, names};
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LIPM_VIEW_CONTAINER);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, (lua_Integer)number);
    return 1;
}

/* An optional part is nil, or what it contains. */
static IPM_COLD int push_optional(lua_State *L, uint64_t number, const lipm_view *self,
                                  const lipm_place *part) {
    if (lipm_is_present(part->memory->base + part->offset))
        return lipm_pushpart(L, number, self, lipm_valueplace(part));
    lua_pushnil(L);
    return 1;
}

int lipm_pushwhole(lua_State *L, uint64_t number, const lipm_view *self, const lipm_place *part) {
    return (part->type->kind == IPM_OPTIONAL ? push_optional : push_nested)(L, number, self, part);
}

int lipm_pushpair(lua_State *L, uint64_t number, const lipm_view *self, lipm_place part) {
    int key = lua_gettop(L);
    lipm_checkself(L);
    lua_pushvalue(L, key);
    lipm_pushpart(L, number, self, part);
    lua_replace(L, key + 1);
    lua_settop(L, key + 1);
    return 2;
}

/* ---- Assignment -------------------------------------------------------------------------- */

/* Assign nil, or a scalar that is no text, to an optional part, which needs no draft. */
static int set_optional(lua_State *L, const lipm_place *part) {
    lipm_place value = lipm_valueplace(part);
    bool is_absent = lua_isnil(L, 3);
    lipm_scalar scalar;
    if (!is_absent && !lipm_toscalar(L, 3, value.type, &scalar))
        return lipm_complain_scalar(L, 3, &value);
    unsigned char *at = lipm_change(part->memory, part->offset, part->type->size);
    if (at == NULL)
        return lipm_complain_access(L, part);
    if (is_absent) {
        ipm_zero_shared(at, part->type->size);
    } else {
        lipm_storescalar(at + part->type->inner, value.type, &scalar);
        ipm_store_u8(at, 1);
    }
    return 0;
}

int lipm_setwhole(lua_State *L, const lipm_place *part, const lipm_names *names) {
    lipm_assignment assignment;
    if (part->type->kind == IPM_OPTIONAL && part->type->element->kind < IPM_CHAR)
        return set_optional(L, part);
    lipm_prepare(L, lua_upvalueindex(LIPM_OWNER_UPVALUE), 3, part, names, &assignment);
    bool is_touchable = lipm_base(part->memory) != NULL;
    return is_touchable && lipm_assign(&assignment, part) ? 0 : lipm_complain_access(L, part);
}
