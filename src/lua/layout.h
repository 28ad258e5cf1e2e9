/*
 * The userdata "ipmmap.struct". Its type is lipm_layout, in memory.h.
 */
#ifndef LIPM_LAYOUT_H
#define LIPM_LAYOUT_H

#include "memory.h"

#include <lua.h>

/* The Struct at `index`. Raises if the value there is none. */
lipm_layout *lipm_checklayout(lua_State *L, int index);

/* Push a Struct that has no layout yet. */
lipm_layout *lipm_pushlayout(lua_State *L);

/* Give such a Struct a copy of a layout. Runs no other code. */
void lipm_copylayout(lua_State *L, const ipm_layout *from, lipm_layout *to);

/* Count one use more of the layout by an open handle. */
void lipm_retainlayout(lipm_layout *layout);

/* Count one use less. Free the layout if it has no use left and its Struct was collected. */
void lipm_releaselayout(lipm_layout *layout);

/* Push the table { parse, name, size, ..., metatable }, which struct.lua uses. */
void lipm_open_layout(lua_State *L);

#endif
