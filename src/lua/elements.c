#include "elements.h"

#include "assign.h"
#include "list.h"
#include "field.h"

static const lipm_view *check_list_view(lua_State *L) {
    const lipm_view *self = lipm_checkself(L);
    if (self->place.type->kind != IPM_LIST)
        luaL_typeerror(L, 1, "view of a list");
    return self;
}

static IPM_COLD int refuse_index(lua_State *L, const lipm_view *self, uint64_t index,
                                 uint64_t count) {
    return index == 0 ? lipm_complain_key(L, 2, &self->place)
                      : lipm_complain_index(L, &self->place, index, count);
}

/* The element after the last one is nil, so that ipairs ends there. */
static int list_index(lua_State *L) {
    const lipm_view *self = check_list_view(L);
    uint64_t count = lipm_checkcount(L, &self->place), index = lipm_toindex(L);
    if (index - 1 < count)
        return lipm_pushpart(L, index, self, lipm_elementplace(&self->place, index - 1));
    if (index != count + 1)
        return refuse_index(L, self, index, count);
    lua_pushnil(L);
    return 1;
}

/* Store the number of elements. */
static int set_count(lua_State *L, const lipm_place *list, uint64_t count) {
    unsigned char *at = lipm_change(list->memory, list->offset, sizeof(uint32_t));
    if (at == NULL)
        return lipm_complain_access(L, list);
    ipm_store_u32(at, (uint32_t)count);
    return 0;
}

/* Append a scalar, which needs no draft: its address is found before the count is stored. */
static int append_scalar(lua_State *L, const lipm_place *list, uint64_t count) {
    lipm_place part = lipm_elementplace(list, count);
    lipm_scalar scalar;
    if (!lipm_toscalar(L, 3, part.type, &scalar))
        return lipm_complain_scalar(L, 3, &part);
    if (lipm_change(list->memory, list->offset, sizeof(uint32_t)) == NULL)
        return lipm_complain_access(L, list);
    unsigned char *at = lipm_change(list->memory, part.offset, part.type->size);
    if (at == NULL)
        return lipm_complain_access(L, list);
    lipm_storescalar(at, part.type, &scalar);
    return set_count(L, list, count + 1);
}

static int append_element(lua_State *L, const lipm_view *self, uint64_t count) {
    const lipm_place *list = &self->place;
    lipm_assignment assignment;
    if (count == list->type->count)
        return lipm_complain_full(L, list);
    if (lipm_is_scalar(list->type->element))
        return append_scalar(L, list, count);
    lipm_prepareappend(L, lua_upvalueindex(LIPM_OWNER_UPVALUE), 3, list, count,
                       self->names->element, &assignment);
    if (lipm_base(list->memory) == NULL)
        return lipm_complain_access(L, list);
    if (lipm_loadcount(list->memory->base + list->offset) != count)
        return lipm_complain(L, list, "the list changed while it was assigned");
    return lipm_assign(&assignment, list) ? 0 : lipm_complain_access(L, list);
}

/* Only the last element can be removed. To remove one behind it changes nothing. */
static int remove_last(lua_State *L, const lipm_view *self, uint64_t index, uint64_t count) {
    if (index == count + 1)
        return 0;
    if (index != count)
        return lipm_complain(L, &self->place,
                             "only the last element can be removed, %I, not %I: assign a table, or "
                             "move the last one here first",
                             (lua_Integer)count, (lua_Integer)index);
    return set_count(L, &self->place, count - 1);
}

static int list_newindex(lua_State *L) {
    const lipm_view *self = check_list_view(L);
    uint64_t count = lipm_checkcount(L, &self->place), index = lipm_toindex(L);
    if (index - 1 > count)
        return refuse_index(L, self, index, count);
    if (!lua_isnil(L, 3) && index <= count)
        return lipm_setpart(L, lipm_elementplace(&self->place, index - 1), self->names->element);
    if (!self->place.memory->is_writable)
        return lipm_complain_write(L, &self->place);
    return lua_isnil(L, 3) ? remove_last(L, self, index, count) : append_element(L, self, count);
}

/* next(view, index) */
static int list_next(lua_State *L) {
    lua_settop(L, 2);
    const lipm_view *self = check_list_view(L);
    uint64_t count = lipm_checkcount(L, &self->place);
    uint64_t index = lua_isnil(L, 2) ? 0 : lipm_toindex(L);
    if (index >= count)
        return 0;
    lua_pushinteger(L, (lua_Integer)index + 1);
    return lipm_pushpair(L, index + 1, self, lipm_elementplace(&self->place, index));
}

static int list_len(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)lipm_checkcount(L, &check_list_view(L)->place));
    return 1;
}

const luaL_Reg lipm_list_metamethods[] = {
    {"__index", list_index},
    {"__newindex", list_newindex},
    {"next", list_next},
    {"__len", list_len},
    {NULL, NULL},
};
