/*
 * Assignment to structs and arrays from tables, and from views and values of the same type, whose
 * layout may have fewer fields, or have them elsewhere.
 *
 * Tables are read raw: no metamethod can run in either pass. A table whose metamethods would show
 * more than that is refused, see plain.h.
 */
#include "assign.h"

#include "../core/difference.h"
#include "../core/word.h"
#include "error.h"
#include "plain.h"
#include "scalar.h"
#include "view.h"

#include <lauxlib.h>
#include <string.h>

/* The field that the key at `key` names, or NULL. */
static const ipm_field *field_of_key(lua_State *L, int key, const ipm_type *type) {
    if (lua_type(L, key) != LUA_TSTRING)
        return NULL;
    size_t length;
    const char *name = lua_tolstring(L, key, &length);
    return ipm_type_field(type, name, length);
}

static bool is_same_type(const ipm_type *a, const ipm_type *b) {
    return a == b || ipm_type_equal(a, b);
}

bool lipm_fits(const ipm_type *given, const ipm_type *here) {
    ipm_error unwanted;
    return given == here || ipm_type_compare(here, "", given, "", IPM_BY_PATH, &unwanted) == IPM_OK;
}

static lua_Integer first_missing(lua_State *L, int index) {
    lua_Integer key = 1;
    while (lua_rawgeti(L, index, key) != LUA_TNIL) {
        lua_pop(L, 1);
        key++;
    }
    return key;
}

/* Whether the value at `index` is a whole header, as totable gives it; raise if it is a wrong one.
 */
static bool is_header(lua_State *L, int index, const lipm_place *place) {
    lipm_memory detached = *place->memory;
    detached.reserved = 0;
    lipm_checkassign(L, index, &(lipm_place){&detached, place->type, 0});
    for (uint64_t i = 0; lua_istable(L, index) && i < place->type->count; i++) {
        lua_pushstring(L, place->type->fields[i].name);
        bool is_missing = lua_rawget(L, index) == LUA_TNIL;
        lua_pop(L, 1);
        if (is_missing)
            return false;
    }
    return true;
}

/* A live header among the fields of a whole segment is left out if it is whole, else refused. */
static void check_struct(lua_State *L, int index, const lipm_place *place) {
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        int value = lua_gettop(L);
        const ipm_field *field = field_of_key(L, value - 1, place->type);
        if (field == NULL) {
            lipm_complain_key(L, value - 1, place);
            return; /* never: it raises */
        }
        lipm_place part = lipm_fieldplace(place, field);
        if (part.offset >= place->memory->reserved || !is_header(L, value, &part))
            lipm_checkassign(L, value, &part);
        lua_pop(L, 1);
    }
}

static void check_elements(lua_State *L, int index, const lipm_place *place) {
    lua_Integer last = 0, count = 0;
    lua_pushnil(L);
    int key = lua_gettop(L), value = key + 1;
    while (lua_next(L, index) != 0) {
        lua_Integer at = lua_isinteger(L, key) ? lua_tointeger(L, key) : 0;
        if (at < 1 || (uint64_t)at > place->type->count)
            lipm_complain_key(L, key, place);
        lipm_place part = lipm_elementplace(place, (uint64_t)at - 1);
        lipm_checkassign(L, value, &part);
        last = at > last ? at : last;
        count++;
        lua_settop(L, key);
    }
    if (count != last)
        lipm_complain(L, place, "a table for an array has the keys 1 to n: %I is there, but not %I",
                      last, first_missing(L, index));
}

static void check_table(lua_State *L, int index, const lipm_place *place) {
    luaL_checkstack(L, LUA_MINSTACK, "table nested too deeply");
    lipm_checkplain(L, index, place);
    if (place->type->kind == IPM_ARRAY)
        check_elements(L, index, place);
    else
        check_struct(L, index, place);
}

static void check_source(lua_State *L, int index, const lipm_view *source,
                         const lipm_place *place) {
    if (lipm_base(source->place.memory) == NULL)
        lipm_complain_access(L, &source->place);
    if (!lipm_fits(source->place.type, place->type)) {
        lipm_pushshown(L, index);
        const char *shown = lua_tostring(L, -1);
        lipm_complain(L, place, "%s is not a %s of the same layout%s", shown, place->type->name,
                      lipm_pushdifference(L, source->place.type, place->type));
    }
}

void lipm_checkassign(lua_State *L, int index, const lipm_place *place) {
    const lipm_view *source;
    lipm_scalar scalar;
    if (place->offset < place->memory->reserved && place->type != place->memory->type)
        lipm_complain(L, place, "set only by creation, touch and clear");
    if (lipm_is_scalar(place->type)) {
        if (!lipm_toscalar(L, index, place->type, &scalar))
            lipm_complain_scalar(L, index, place);
    } else if (lua_istable(L, index)) {
        check_table(L, index, place);
    } else if ((source = lipm_testview(L, index)) != NULL) {
        check_source(L, index, source, place);
    } else {
        lipm_pushshown(L, index);
        lipm_complain(L, place, "%s is neither a table nor a %s", lua_tostring(L, -1),
                      place->type->name);
    }
}

static bool assign_struct(lua_State *L, int index, const lipm_place *place) {
    bool is_stored = true;
    lua_pushnil(L);
    while (is_stored && lua_next(L, index) != 0) {
        int value = lua_gettop(L);
        const ipm_field *field = field_of_key(L, value - 1, place->type);
        is_stored = field != NULL;
        if (is_stored) {
            lipm_place part = lipm_fieldplace(place, field);
            is_stored = part.offset < place->memory->reserved || lipm_assign(L, value, &part);
        }
        lua_settop(L, value - 1);
    }
    if (!is_stored)
        lua_pop(L, 1);
    return is_stored;
}

static bool assign_elements(lua_State *L, int index, const lipm_place *place) {
    uint64_t count = lua_rawlen(L, index);
    bool is_stored = count <= place->type->count;
    int value = lua_gettop(L) + 1;
    for (uint64_t i = 0; is_stored && i < count; i++) {
        lipm_place part = lipm_elementplace(place, i);
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        is_stored = lipm_assign(L, value, &part);
        lua_settop(L, value - 1);
    }
    return is_stored;
}

/* A live header stays as it is: only the assignment of a whole segment reaches it. */
static bool copy_whole(const lipm_place *place, const unsigned char *from) {
    lipm_memory *memory = place->memory;
    uint64_t kept = place->offset < memory->reserved ? memory->reserved - place->offset : 0;
    if (place->type->size <= kept)
        return true;
    uint64_t size = place->type->size - kept;
    unsigned char *to = lipm_change(memory, place->offset + kept, size);
    if (to == NULL)
        return false;
    if (to != from + kept)
        ipm_copy_shared(to, from + kept, size);
    return true;
}

static bool copy_struct(const lipm_place *place, const ipm_type *type, const unsigned char *from) {
    bool is_stored = true;
    for (uint64_t i = 0; is_stored && i < type->count; i++) {
        const ipm_field *given = &type->fields[i];
        const ipm_field *field = ipm_type_field(place->type, given->name, strlen(given->name));
        if (field != NULL) {
            lipm_place part = lipm_fieldplace(place, field);
            is_stored = lipm_copyfields(&part, given->type, from + given->offset);
        }
    }
    return is_stored;
}

static bool copy_elements(const lipm_place *place, const ipm_type *type,
                          const unsigned char *from) {
    bool is_stored = true;
    for (uint64_t i = 0; is_stored && i < type->count; i++) {
        lipm_place part = lipm_elementplace(place, i);
        is_stored = lipm_copyfields(&part, type->element, from + i * type->element->size);
    }
    return is_stored;
}

bool lipm_copyfields(const lipm_place *place, const ipm_type *type, const unsigned char *from) {
    if (is_same_type(place->type, type))
        return copy_whole(place, from);
    return type->kind == IPM_ARRAY ? copy_elements(place, type, from)
                                   : copy_struct(place, type, from);
}

static bool assign_source(const lipm_view *source, const lipm_place *place) {
    const unsigned char *base = lipm_base(source->place.memory);
    const ipm_type *type = source->place.type;
    return base != NULL && lipm_fits(type, place->type) &&
           lipm_copyfields(place, type, base + source->place.offset);
}

static bool assign_scalar(lua_State *L, int index, const lipm_place *place) {
    lipm_scalar scalar;
    if (!lipm_toscalar(L, index, place->type, &scalar))
        return false;
    unsigned char *at = lipm_change(place->memory, place->offset, place->type->size);
    if (at == NULL)
        return false;
    lipm_storescalar(at, place->type, &scalar);
    return true;
}

bool lipm_assign(lua_State *L, int index, const lipm_place *place) {
    if (lipm_is_scalar(place->type))
        return assign_scalar(L, index, place);
    if (!lua_istable(L, index)) {
        const lipm_view *source = lipm_testview(L, index);
        return source != NULL && assign_source(source, place);
    }
    return place->type->kind == IPM_ARRAY ? assign_elements(L, index, place)
                                          : assign_struct(L, index, place);
}
