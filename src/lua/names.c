#include "names.h"

#include <string.h>

static void add_name(lipm_names *names, const void *string, const ipm_field *field) {
    uintptr_t i = lipm_nameslot(string) & names->mask;
    while (names->slots[i].field != NULL)
        i = (i + 1) & names->mask;
    names->slots[i] = (lipm_name){string, field};
}

void lipm_pushnames(lua_State *L, const ipm_type *type) {
    uint64_t count = type->kind == IPM_STRUCT ? type->count : 0;
    uintptr_t slots = 1;
    while (slots < count * 2 + 1)
        slots *= 2;
    size_t size = sizeof(lipm_names) + slots * sizeof(lipm_name);
    lipm_names *names = lua_newuserdatauv(L, size, LIPM_NAMES_VALUES);
    memset(names, 0, size);
    names->mask = slots - 1;
    lua_newtable(L);
    for (uint64_t i = 0; i < count; i++) {
        lua_pushstring(L, type->fields[i].name);
        add_name(names, lua_topointer(L, -1), &type->fields[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setiuservalue(L, -2, LIPM_NAMES_STRINGS);
}

const ipm_field *lipm_findlongname(lua_State *L, int key, const ipm_type *type) {
    size_t length;
    if (lua_type(L, key) != LUA_TSTRING || type->kind != IPM_STRUCT)
        return NULL;
    const char *name = lua_tolstring(L, key, &length);
    return ipm_type_field(type, name, length);
}
