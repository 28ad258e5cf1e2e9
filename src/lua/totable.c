/***
Views and values as plain tables.
@submodule ipmmap
*/
#include "error.h"
#include "functions.h"
#include "list.h"
#include "scalar.h"
#include "view.h"

#include <lauxlib.h>
#include <limits.h>

static void push_plain(lua_State *L, const lipm_place *place);

static void push_plain_optional(lua_State *L, const lipm_place *place) {
    lipm_place value = lipm_valueplace(place);
    if (lipm_is_present(place->memory->base + place->offset))
        push_plain(L, &value);
    else
        lua_pushnil(L);
}

/* Push a part as plain Lua values. Access is checked again for each part: filling a table may run
 * finalizers, and these may release the lock. */
static void push_plain(lua_State *L, const lipm_place *place) {
    const ipm_type *type = place->type;
    if (lipm_base(place->memory) == NULL)
        lipm_complain_access(L, place);
    if (lipm_is_scalar(type)) {
        lipm_pushlive(L, place);
        return;
    }
    luaL_checkstack(L, 4, "struct nested too deeply");
    if (type->kind == IPM_OPTIONAL) {
        push_plain_optional(L, place);
        return;
    }
    uint64_t parts = type->kind == IPM_LIST ? lipm_checkcount(L, place) : type->count;
    int count = parts <= INT_MAX ? (int)parts : INT_MAX;
    if (type->kind != IPM_STRUCT) {
        lua_createtable(L, count, 0);
        for (uint64_t i = 0; i < parts; i++) {
            lipm_place part = lipm_elementplace(place, i);
            push_plain(L, &part);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    } else {
        lua_createtable(L, 0, count);
        for (uint64_t i = 0; i < type->count; i++) {
            lipm_place part = lipm_fieldplace(place, &type->fields[i]);
            push_plain(L, &part);
            lua_setfield(L, -2, type->fields[i].name);
        }
    }
}

/***
Copy a view or value into plain tables, including all nested structs and arrays.
@function totable
@tparam view|value v
@treturn table for a struct, a table by field name, which lacks the optional fields that are
absent; for an array or a list, a list
@raise an error if `v` is neither a view nor a value, or if it is a view whose lock was released
*/
int lipm_totable(lua_State *L) {
    const lipm_view *view = lipm_checkview(L, 1);
    push_plain(L, &view->place);
    return 1;
}
