#include "flat.h"

#include "../core/layout.h"
#include "error.h"
#include "fill.h"
#include "scalar.h"
#include "utf.h"

#include <lauxlib.h>
#include <string.h>

void lipm_draftscalar(lipm_draft *draft, int index, const lipm_place *place) {
    lipm_scalar scalar;
    if (!lipm_toscalar(draft->L, index, place->type, &scalar))
        lipm_complain_scalar(draft->L, index, place);
    const ipm_type *type = place->type;
    uint64_t size = lipm_is_text(type) ? scalar.size : type->size;
    lipm_piece *piece = lipm_pieceat(draft, lipm_addpiece(draft, place->offset, size));
    if (type->kind == IPM_CHAR)
        memcpy(piece->bytes, scalar.text, size);
    else if (lipm_is_text(type))
        lipm_storeutf(piece->bytes, type->kind, scalar.text, scalar.length);
    else
        lipm_storescalar(piece->bytes, type, &scalar);
    piece->zeros = type->size - size;
}

void lipm_draftrest(lipm_draft *draft, const lipm_place *place, uint64_t first) {
    uint64_t size = (place->type->count - first) * place->type->element->size;
    uint64_t offset = place->offset + first * place->type->element->size;
    if (size == 0)
        return;
    if (!lipm_has_initial(place)) {
        lipm_pieceat(draft, lipm_addpiece(draft, offset, 0))->zeros = size;
        return;
    }
    uint64_t at = lipm_addpiece(draft, offset, size);
    lipm_fill(place, offset - place->offset, size, lipm_pieceat(draft, at)->bytes);
}

lua_Integer lipm_firstmissing(lua_State *L, int index) {
    lua_Integer key = 1;
    while (lua_rawgeti(L, index, key) != LUA_TNIL) {
        lua_pop(L, 1);
        key++;
    }
    return key;
}

/* ---- Structs ----------------------------------------------------------------------------- */

/* Whether a list can stand for the struct: its fields are all of one scalar type. */
static bool is_vector(const ipm_type *type) {
    for (uint64_t i = 0; i < type->count; i++)
        if (!lipm_is_scalar(type->fields[i].type) ||
            strcmp(type->fields[i].type->name, type->fields[0].type->name) != 0)
            return false;
    return true;
}

void lipm_draftvector(lipm_draft *draft, int index, int key, const lipm_place *place) {
    lua_State *L = draft->L;
    const ipm_type *type = place->type;
    uint64_t count = 0;
    if (!lua_isinteger(L, key) || !is_vector(type))
        lipm_complain_key(L, key, place);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1), count++) {
        lua_Integer i = lua_tointeger(L, -2);
        if (!lua_isinteger(L, -2))
            lipm_complain(L, place, "a table for %s has either names or the numbers 1 to %I",
                          type->name, (lua_Integer)type->count);
        if (i < 1 || (uint64_t)i > type->count)
            lipm_complain_key(L, lua_absindex(L, -2), place);
        lipm_place part = lipm_fieldplace(place, &type->fields[i - 1]);
        lipm_draftscalar(draft, lua_absindex(L, -1), &part);
    }
    if (count != type->count)
        lipm_complain(L, place, "a list for %s has %I values, not %I", type->name,
                      (lua_Integer)type->count, (lua_Integer)count);
}

/* ---- Arrays of arrays -------------------------------------------------------------------- */

bool lipm_is_flat(lua_State *L, int index, const ipm_type *type) {
    if (type->kind != IPM_ARRAY || type->element->kind != IPM_ARRAY ||
        !lipm_is_scalar(ipm_innermost(type)))
        return false;
    int first = lua_rawgeti(L, index, 1);
    bool is_scalar = first == LUA_TNUMBER || first == LUA_TSTRING || first == LUA_TBOOLEAN;
    lua_pop(L, 1);
    return is_scalar;
}

void lipm_draftflat(lipm_draft *draft, int index, const lipm_place *place) {
    lua_State *L = draft->L;
    const ipm_type *element = ipm_innermost(place->type);
    uint64_t count = place->type->size / element->size, given = lua_rawlen(L, index), seen = 0;
    const ipm_type whole = {
        .kind = IPM_ARRAY,
        .align = element->align,
        .size = place->type->size,
        .count = count,
        .name = place->type->name,
        .element = element,
    };
    const lipm_place flat = {place->memory, &whole, place->offset};
    if (given > count)
        lipm_complain(L, place, "a list of %I values is too long: %s has %I", (lua_Integer)given,
                      whole.name, (lua_Integer)count);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1), seen++) {
        lua_Integer i = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        if (i < 1 || (uint64_t)i > given)
            lipm_complain_key(L, lua_absindex(L, -2), place);
        lipm_place part = lipm_elementplace(&flat, (uint64_t)i - 1);
        lipm_draftscalar(draft, lua_absindex(L, -1), &part);
    }
    if (seen != given)
        lipm_complain(L, place, "the list has a gap: %I is there, but not %I", (lua_Integer)given,
                      lipm_firstmissing(L, index));
    lipm_draftrest(draft, &(lipm_place){place->memory, &whole, place->offset}, given);
}
