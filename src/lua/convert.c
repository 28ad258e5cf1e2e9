/***
Values of a layout that has changed.
@submodule ipmmap
*/
#include "convert.h"

#include "error.h"
#include "functions.h"
#include "layout.h"
#include "value.h"

#include <lauxlib.h>

static void push_paths(lua_State *L, const ipm_paths *list, const lipm_handle *handle) {
    size_t count = list->count;
    lua_createtable(L, count < INT_MAX ? (int)count : 0, 0);
    for (size_t i = 0; i < count; i++) {
        if (handle != NULL)
            lipm_checkopen(L, handle);
        lua_pushstring(L, list->paths[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

void lipm_pushmigration(lua_State *L, const ipm_migration *migration, const lipm_handle *handle) {
    const struct {
        const char *name;
        const ipm_paths *list;
    } lists[] = {
        {"kept", &migration->kept}, {"added", &migration->added}, {"dropped", &migration->dropped}};
    lua_createtable(L, 0, 3);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (handle != NULL)
            lipm_checkopen(L, handle);
        push_paths(L, lists[i].list, handle);
        lua_setfield(L, -2, lists[i].name);
    }
}

/* (report as light userdata): the table. It may raise, and its caller has the report to free. */
static int push_report(lua_State *L) {
    lipm_pushmigration(L, lua_touserdata(L, 1), NULL);
    return 1;
}

/***
Convert a struct of another layout, such as a value that was stored before the definition changed.
Each field that both have, by its path, is copied if its type is the same, a wider number of the
same kind (an enumeration counts as its integer), a longer text, or a longer array or list; an array
may become a list, and a value may become optional. Structs are converted field by field. All other
fields have their default, or zero. What could lose a value, also by the new limits, is refused,
unless `how` is `"lossy"`. Then each value is stored if assignment would take it, and otherwise is
lost: its field has the default, or zero. A text that is too long is cut after a whole character.
@function Struct:convert
@tparam view|value from a struct, whatever its name
@tparam[opt] string how `"lossy"`
@treturn[1] value
@treturn[1] table `kept`, `added` and `dropped`, lists of paths, as in `info().migrated`
@treturn[2] nil
@treturn[2] string message: the field and both types
@treturn[2] string code: `"layout"`
@raise not a view or value of a struct; a view whose lock was released
*/
int lipm_convert(lua_State *L) {
    static const char *const ways[] = {"lossy", NULL};
    lipm_layout *layout = lipm_checklayout(L, 1);
    const ipm_type *to = ipm_layout_type(layout->layout);
    const lipm_view *from = lipm_checkview(L, 2);
    bool lossy = !lua_isnoneornil(L, 3) && luaL_checkoption(L, 3, NULL, ways) == 0;
    luaL_argcheck(L, from->place.type->kind == IPM_STRUCT, 2, "not a struct");
    lua_settop(L, 3);
    lipm_value *value = lipm_pushvalue(L, 1, layout, to);
    const unsigned char *base = lipm_base(from->place.memory);
    if (base == NULL)
        return lipm_complain_access(L, &from->place);
    ipm_migration *migration;
    ipm_error error;
    if (ipm_convert(from->place.type, base + from->place.offset, to, value->bytes, lossy,
                    &migration, &error) != IPM_OK)
        return lipm_fail(L, &error);
    lua_pushcfunction(L, push_report);
    lua_pushlightuserdata(L, migration);
    int status = lua_pcall(L, 1, 1, 0);
    ipm_migration_free(migration);
    return status == LUA_OK ? 2 : lua_error(L);
}
