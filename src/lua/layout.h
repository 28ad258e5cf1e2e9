/*
 * The userdata "ipmmap.struct": see lipm_layout.
 */
#ifndef LIPM_LAYOUT_H
#define LIPM_LAYOUT_H

#include "memory.h"

#include <lua.h>

lipm_layout *lipm_checklayout(lua_State *L, int index);

/* Push a Struct with a copy of the layout. */
lipm_layout *lipm_pushlayout(lua_State *L, const ipm_layout *layout);

/* Count one more use of a layout by an open handle; and one less, which frees the layout's memory
 * if its Struct does not need it any more either. */
void lipm_retainlayout(lipm_layout *layout);
void lipm_releaselayout(lipm_layout *layout);

/* Push { parse, name, size, ..., metatable }, for struct.lua. */
void lipm_open_layout(lua_State *L);

#endif
