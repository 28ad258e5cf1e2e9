/*
 * Assignment in two passes, so that a failed assignment stores nothing. lipm_checkassign raises if
 * the value at `index` does not fit the place. lipm_assign stores the value, and neither raises nor
 * allocates. It returns false only if the value was changed between the two calls; it may then have
 * stored a part.
 */
#ifndef LIPM_ASSIGN_H
#define LIPM_ASSIGN_H

#include "memory.h"

#include <lua.h>

void lipm_checkassign(lua_State *L, int index, const lipm_place *place);
bool lipm_assign(lua_State *L, int index, const lipm_place *place);

#endif
