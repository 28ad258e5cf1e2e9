/*
 * The userdata "ipmmap.struct". Its type is lipm_layout, in memory.h.
 */
#ifndef LIPM_LAYOUT_H
#define LIPM_LAYOUT_H

#include "memory.h"

#include <lua.h>

/* The Struct at `index`. Raises if the value there is none. */
lipm_layout *lipm_checklayout(lua_State *L, int index);

/* Free the layout if its Struct was collected and no open handle needs it. */
void lipm_freelayout(lipm_layout *layout);

/* Push the table { parse, name, size, ..., metatable }, which struct.lua uses. */
void lipm_open_layout(lua_State *L);

#endif
