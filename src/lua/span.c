#include "span.h"

#include "error.h"
#include "list.h"

static lua_Integer check_element(lua_State *L, int index, const lipm_place *place,
                                 lua_Integer absent, lua_Integer min, lua_Integer max) {
    int is_whole;
    if (lua_isnoneornil(L, index))
        return absent;
    lua_Integer result = lua_tointegerx(L, index, &is_whole);
    if (lua_type(L, index) != LUA_TNUMBER || !is_whole) {
        lipm_pushshown(L, index);
        lipm_complain(L, place, "%s is not an index", lua_tostring(L, -1));
    }
    if (result < min || result > max)
        lipm_complain(L, place, "index %I is out of range (%I to %I)", result, min, max);
    return result;
}

lipm_span lipm_checkspan(lua_State *L, int index, const lipm_place *place) {
    if (lipm_base(place->memory) == NULL) /* then its type may be gone, too */
        lipm_complain_access(L, place);
    const ipm_type *type = place->type;
    lipm_span whole = {place->offset, type->size, 0, type->count};
    if (lua_isnoneornil(L, index) && lua_isnoneornil(L, index + 1))
        return whole;
    if (type->kind != IPM_ARRAY && type->kind != IPM_LIST)
        lipm_complain(L, place, "%s is not an array, so indices name no part of it", type->name);
    lua_Integer count =
        type->kind == IPM_LIST ? (lua_Integer)lipm_checkcount(L, place) : (lua_Integer)type->count;
    lua_Integer i = check_element(L, index, place, 1, 1, count + 1);
    lua_Integer j = check_element(L, index + 1, place, count, i - 1, count);
    uint64_t first = (uint64_t)i - 1, given = (uint64_t)(j - i + 1);
    return (lipm_span){lipm_elementplace(place, first).offset, given * type->element->size, first,
                       given};
}
