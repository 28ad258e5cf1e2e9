/*
 * The metatables of views, live and detached: v.field, v[i], #v, pairs.
 */
#ifndef LIPM_INDEX_H
#define LIPM_INDEX_H

#include "view.h"

#include <lauxlib.h>

/*
 * Push the metatable of the views of a struct or array type. It is made on the first use.
 * owner    the index of the Struct whose layout owns the type
 * returns  the names for lipm_view.names
 */
const lipm_names *lipm_pushmetatable(lua_State *L, int owner, const ipm_type *type);

/* As lipm_pushmetatable, for the root views of a Struct's handles. `besides` lists metamethods that
 * only root views have. */
const lipm_names *lipm_pushrootmetatable(lua_State *L, int owner, const lipm_layout *layout,
                                         const luaL_Reg *besides);

#endif
