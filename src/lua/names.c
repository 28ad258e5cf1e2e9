#include "names.h"

#include "scalar.h"

#include <lauxlib.h>
#include <string.h>

/* If a struct has at most this many bytes and fields, its scalars are one piece of a draft. */
#define PIECE_SIZE 512
#define PIECE_FIELDS 64

static void add_name(lipm_names *names, const lipm_name *name) {
    uintptr_t i = lipm_nameslot(name->string) & names->mask;
    while (names->slots[i].field != NULL)
        i = (i + 1) & names->mask;
    names->slots[i] = *name;
}

const lipm_names *lipm_pushanynames(lua_State *L, int owner, const ipm_type *type) {
    if (type->kind == IPM_OPTIONAL)
        type = type->element;
    if (!lipm_is_scalar(type))
        return lipm_pushnames(L, owner, type, type);
    lipm_keepnames(L, owner, type);
    lua_pushnil(L);
    return NULL;
}

/* The names of a nested type, which the Struct keeps. */
static const lipm_names *nested_names(lua_State *L, int owner, const ipm_type *type) {
    const lipm_names *names = lipm_pushanynames(L, owner, type);
    lua_pop(L, 1);
    return names;
}

/* Add the fields of a struct to the names on the top of the stack. */
static void add_fields(lua_State *L, int owner, lipm_names *names, const ipm_type *type) {
    bool is_small = type->size <= PIECE_SIZE && type->count <= PIECE_FIELDS;
    uint64_t filled = 0, parts = 0;
    lua_newtable(L);
    for (uint64_t i = 0; i < type->count; i++) {
        const ipm_field *field = &type->fields[i];
        lipm_name name = {.field = field, .names = nested_names(L, owner, field->type)};
        if (!lipm_is_scalar(field->type)) {
            name.number = ++parts;
        } else if (is_small) {
            name.bit = UINT64_C(1) << i;
            names->has_bits = true;
            names->all |= name.bit;
            filled += field->type->size;
        }
        lua_pushstring(L, field->name);
        name.string = lua_topointer(L, -1);
        add_name(names, &name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    if (filled != type->size)
        names->all = 0;
    lua_setiuservalue(L, -2, LIPM_NAMES_STRINGS);
}

static void push_new_names(lua_State *L, int owner, const ipm_type *type) {
    uint64_t count = type->kind == IPM_STRUCT ? type->count : 0;
    uintptr_t slots = 1;
    while (slots < count * 2 + 1)
        slots *= 2;
    size_t size = sizeof(lipm_names) + slots * sizeof(lipm_name);
    lipm_names *names = lua_newuserdatauv(L, size, LIPM_NAMES_VALUES);
    memset(names, 0, size);
    names->mask = slots - 1;
    for (uintptr_t i = 0; i < slots; i++)
        names->slots[i].string = names;
    if (type->kind == IPM_STRUCT)
        add_fields(L, owner, names, type);
    else
        names->element = nested_names(L, owner, type->element);
}

const lipm_names *lipm_pushnames(lua_State *L, int owner, const ipm_type *type, const void *key) {
    luaL_checkstack(L, LUA_MINSTACK, "struct nested too deeply");
    lua_getiuservalue(L, owner, LIPM_STRUCT_CLASSES);
    if (lua_rawgetp(L, -1, key) != LUA_TUSERDATA) {
        lua_pop(L, 1);
        push_new_names(L, owner, type);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, -3, key);
    }
    lua_replace(L, -2);
    return lua_touserdata(L, -1);
}

const lipm_name *lipm_findlongname(lua_State *L, int key, const lipm_names *names,
                                   const ipm_type *type) {
    size_t length;
    if (lua_type(L, key) != LUA_TSTRING)
        return NULL;
    const char *string = lua_tolstring(L, key, &length);
    const ipm_field *field = ipm_type_field(type, string, length);
    for (uintptr_t i = 0; field != NULL && i <= names->mask; i++)
        if (names->slots[i].field == field)
            return &names->slots[i];
    return NULL;
}
