/*
 * The userdata "ipmmap.struct": see lipm_layout.
 */
#ifndef LIPM_LAYOUT_H
#define LIPM_LAYOUT_H

#include "memory.h"

#include <lua.h>

lipm_layout *lipm_checklayout(lua_State *L, int index);

/* Let go of the layout's memory, if neither its Struct nor a handle needs it any more. */
void lipm_freelayout(lipm_layout *layout);

/* Push { parse, name, size, ..., metatable }, for struct.lua. */
void lipm_open_layout(lua_State *L);

#endif
