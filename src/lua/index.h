/*
 * The metatables of views, live and detached: v.field, v[i], #v, pairs.
 */
#ifndef LIPM_INDEX_H
#define LIPM_INDEX_H

#include "view.h"

#include <lauxlib.h>

/*
 * Push the metatable of views of a struct or array type, made at first need.
 * owner    index of the Struct whose layout owns the type
 * returns  the names that such a view is to know
 */
const lipm_names *lipm_pushmetatable(lua_State *L, int owner, const ipm_type *type);

/* The same for the root views of a Struct's handles, which have those metamethods besides. */
const lipm_names *lipm_pushrootmetatable(lua_State *L, int owner, const lipm_layout *layout,
                                         const luaL_Reg *besides);

#endif
