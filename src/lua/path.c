#include "path.h"

#include "error.h"

#include <lauxlib.h>

#define CACHED_PATHS 256

static lipm_part *find_part(lua_State *L, int index, const lipm_layout *layout) {
    size_t length;
    ipm_error error;
    const char *path = lua_tolstring(L, index, &length);
    lipm_part *part = lua_newuserdatauv(L, sizeof *part, 0);
    if (ipm_type_find(ipm_layout_type(layout->layout), path, length, &part->type, &part->offset,
                      &error) != IPM_OK)
        lipm_raise(L, &error);
    return part;
}

const lipm_part *lipm_checkpath(lua_State *L, int index, int owner, lipm_layout *layout) {
    if (lua_type(L, index) != LUA_TSTRING) {
        lipm_pushshown(L, index);
        luaL_error(L, "%s: %s is not a path", ipm_layout_type(layout->layout)->name,
                   lua_tostring(L, -1));
    }
    lua_getiuservalue(L, owner, LIPM_STRUCT_PATHS);
    lua_pushvalue(L, index);
    lua_rawget(L, -2);
    const lipm_part *part = lua_touserdata(L, -1);
    if (part == NULL) {
        lua_pop(L, 1);
        if (layout->paths == CACHED_PATHS) {
            lua_newtable(L);
            lua_pushvalue(L, -1);
            lua_setiuservalue(L, owner, LIPM_STRUCT_PATHS);
            lua_replace(L, -2);
            layout->paths = 0;
        }
        part = find_part(L, index, layout);
        lua_pushvalue(L, index);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
        layout->paths++;
    }
    return part;
}
