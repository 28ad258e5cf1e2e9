/*
 * Assignment to structs and arrays from tables, and from views and values of the same type.
 *
 * Tables are read raw: no metamethod can run in either pass. A table whose metamethods would show
 * more than that is refused, see plain.c.
 */
#include "lipm.h"

#include "../core/word.h"

/* The field that the key at `key` names, or NULL. */
static const ipm_field *find_field(lua_State *L, int key, const ipm_type *type) {
    if (lua_type(L, key) != LUA_TSTRING) {
        return NULL;
    }
    size_t length;
    const char *name = lua_tolstring(L, key, &length);
    return ipm_type_field(type, name, length);
}

static bool is_same_type(const ipm_type *a, const ipm_type *b) {
    return a == b || ipm_type_equal(a, b);
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
static bool is_header(lua_State *L, int index, const lipm_memory *memory, const ipm_type *type) {
    lipm_memory detached = *memory;
    detached.reserved = 0;
    lipm_checkassign(L, index, &detached, type, 0);
    for (uint64_t i = 0; lua_istable(L, index) && i < type->count; i++) {
        lua_pushstring(L, type->fields[i].name);
        bool is_missing = lua_rawget(L, index) == LUA_TNIL;
        lua_pop(L, 1);
        if (is_missing) {
            return false;
        }
    }
    return true;
}

/* A live header among the fields of a whole segment is left out if it is whole, else refused. */
static void check_fields(lua_State *L, int index, const lipm_memory *memory, const ipm_type *type,
                         uint64_t offset) {
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        int value = lua_gettop(L);
        const ipm_field *field = find_field(L, value - 1, type);
        if (field == NULL) {
            lipm_complain_key(L, value - 1, memory, type, offset);
            return; /* never: it raises */
        }
        if (offset + field->offset >= memory->reserved ||
            !is_header(L, value, memory, field->type)) {
            lipm_checkassign(L, value, memory, field->type, offset + field->offset);
        }
        lua_pop(L, 1);
    }
}

static void check_elements(lua_State *L, int index, const lipm_memory *memory, const ipm_type *type,
                           uint64_t offset) {
    const ipm_type *element = type->element;
    lua_Integer last = 0, count = 0;
    lua_pushnil(L);
    int key = lua_gettop(L), value = key + 1;
    while (lua_next(L, index) != 0) {
        lua_Integer at = lua_isinteger(L, key) ? lua_tointeger(L, key) : 0;
        if (at < 1 || (uint64_t)at > type->count) {
            lipm_complain_key(L, key, memory, type, offset);
        }
        lipm_checkassign(L, value, memory, element, offset + ((uint64_t)at - 1) * element->size);
        last = at > last ? at : last;
        count++;
        lua_settop(L, key);
    }
    if (count != last) {
        lipm_complain(L, memory, type, offset,
                      "a table for an array has the keys 1 to n: %I is there, but not %I", last,
                      first_missing(L, index));
    }
}

static void check_table(lua_State *L, int index, const lipm_memory *memory, const ipm_type *type,
                        uint64_t offset) {
    luaL_checkstack(L, LUA_MINSTACK, "table nested too deeply");
    lipm_checkplain(L, index, memory, type, offset);
    if (type->kind == IPM_ARRAY) {
        check_elements(L, index, memory, type, offset);
    } else {
        check_fields(L, index, memory, type, offset);
    }
}

static void check_view(lua_State *L, int index, const lipm_view *source, const lipm_memory *memory,
                       const ipm_type *type, uint64_t offset) {
    if (lipm_base(source->memory) == NULL) {
        lipm_complain_access(L, source->memory, source->type, source->offset);
    }
    if (!is_same_type(source->type, type)) {
        lipm_pushshown(L, index);
        const char *shown = lua_tostring(L, -1);
        lipm_complain(L, memory, type, offset, "%s is not a %s of the same layout%s", shown,
                      type->name, lipm_pushdifference(L, source->type, type));
    }
}

void lipm_checkassign(lua_State *L, int index, const lipm_memory *memory, const ipm_type *type,
                      uint64_t offset) {
    const lipm_view *source;
    lipm_scalar scalar;
    if (offset < memory->reserved && type != memory->type) {
        lipm_complain(L, memory, type, offset, "set only by creation, touch and clear");
    }
    if (lipm_is_scalar(type)) {
        if (!lipm_toscalar(L, index, type, &scalar)) {
            lipm_complain_scalar(L, index, memory, type, offset);
        }
    } else if (lua_istable(L, index)) {
        check_table(L, index, memory, type, offset);
    } else if ((source = lipm_testview(L, index)) != NULL) {
        check_view(L, index, source, memory, type, offset);
    } else {
        lipm_pushshown(L, index);
        lipm_complain(L, memory, type, offset, "%s is neither a table nor a %s",
                      lua_tostring(L, -1), type->name);
    }
}

static bool assign_fields(lua_State *L, int index, lipm_memory *memory, const ipm_type *type,
                          uint64_t offset) {
    bool is_stored = true;
    lua_pushnil(L);
    while (is_stored && lua_next(L, index) != 0) {
        int value = lua_gettop(L);
        const ipm_field *field = find_field(L, value - 1, type);
        is_stored =
            field != NULL && (offset + field->offset < memory->reserved ||
                              lipm_assign(L, value, memory, field->type, offset + field->offset));
        lua_settop(L, value - 1);
    }
    if (!is_stored) {
        lua_pop(L, 1);
    }
    return is_stored;
}

static bool assign_elements(lua_State *L, int index, lipm_memory *memory, const ipm_type *type,
                            uint64_t offset) {
    const ipm_type *element = type->element;
    uint64_t count = lua_rawlen(L, index);
    bool is_stored = count <= type->count;
    int value = lua_gettop(L) + 1;
    for (uint64_t i = 0; is_stored && i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        is_stored = lipm_assign(L, value, memory, element, offset + i * element->size);
        lua_settop(L, value - 1);
    }
    return is_stored;
}

/* A live header stays as it is: only the assignment of a whole segment reaches it. */
static bool assign_view(const lipm_view *source, lipm_memory *memory, const ipm_type *type,
                        uint64_t offset) {
    const unsigned char *base = lipm_base(source->memory);
    uint64_t kept = offset < memory->reserved ? memory->reserved - offset : 0;
    uint64_t size = type->size - kept;
    if (base == NULL || !is_same_type(source->type, type)) {
        return false;
    }
    if (size == 0) {
        return true;
    }
    const unsigned char *from = base + source->offset + kept;
    unsigned char *to = lipm_change(memory, offset + kept, size);
    if (to == NULL) {
        return false;
    }
    if (to != from) {
        ipm_copy_shared(to, from, size);
    }
    return true;
}

static bool assign_scalar(lua_State *L, int index, lipm_memory *memory, const ipm_type *type,
                          uint64_t offset) {
    lipm_scalar scalar;
    if (!lipm_toscalar(L, index, type, &scalar)) {
        return false;
    }
    unsigned char *at = lipm_change(memory, offset, type->size);
    if (at == NULL) {
        return false;
    }
    lipm_storescalar(at, type, &scalar);
    return true;
}

bool lipm_assign(lua_State *L, int index, lipm_memory *memory, const ipm_type *type,
                 uint64_t offset) {
    if (lipm_is_scalar(type)) {
        return assign_scalar(L, index, memory, type, offset);
    }
    if (!lua_istable(L, index)) {
        const lipm_view *source = lipm_testview(L, index);
        return source != NULL && assign_view(source, memory, type, offset);
    }
    return type->kind == IPM_ARRAY ? assign_elements(L, index, memory, type, offset)
                                   : assign_fields(L, index, memory, type, offset);
}
