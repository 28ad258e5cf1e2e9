/*
 * Errors about handle.name, if a handle has no method of that name. A field of the struct is not a
 * member of the handle: a program reaches it through a view or by its path.
 */
#include "error.h"
#include "functions.h"
#include "handle.h"

#include <lauxlib.h>

#define OWNER_OF_METHODS lua_upvalueindex(1)
#define MEMBER 2

/* The Struct's type, or NULL if the Struct was collected. */
static const ipm_type *living_type(const lipm_layout *layout) {
    return layout->layout != NULL ? ipm_layout_type(layout->layout) : NULL;
}

/* The key at MEMBER if it is the name of a field, or NULL. */
static const char *to_field(lua_State *L, const ipm_type *type) {
    size_t length;
    if (type == NULL || lua_type(L, MEMBER) != LUA_TSTRING)
        return NULL;
    const char *key = lua_tolstring(L, MEMBER, &length);
    return ipm_type_field(type, key, length) != NULL ? key : NULL;
}

/* __index(methods, key) of the table of a Struct's methods. */
int lipm_handle_unknown(lua_State *L) {
    const ipm_type *type = living_type(lua_touserdata(L, OWNER_OF_METHODS));
    const char *field = to_field(L, type);
    if (field != NULL) {
        return luaL_error(L,
                          "%s.%s: a handle has no fields: read it by handle:read('%s'), or as "
                          "view.%s of the view that lock() returns",
                          type->name, field, field, field);
    }
    lipm_pushshown(L, MEMBER);
    return luaL_error(L, "%s: %s is neither a method of a handle nor a field of its struct",
                      type != NULL ? type->name : "?", lua_tostring(L, -1));
}

/* __newindex(handle, key, value) */
int lipm_handle_newindex(lua_State *L) {
    const lipm_handle *handle = lipm_checkanyhandle(L);
    const ipm_type *type = living_type(handle->layout);
    const char *field = to_field(L, type);
    if (field != NULL) {
        return luaL_error(L,
                          "%s.%s: a handle has no fields: write it by handle:write('%s', value), "
                          "or as view.%s of the view that lock() returns",
                          type->name, field, field, field);
    }
    lipm_pushshown(L, MEMBER);
    return luaL_error(L, "%s: a handle cannot be changed (%s)", lipm_handlename(handle),
                      lua_tostring(L, -1));
}
