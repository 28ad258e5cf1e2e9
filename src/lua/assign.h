/*
 * Assignment in two passes, so that nothing is half-written: check raises if the value at `index`
 * does not fit the place; assign stores it, neither raising nor allocating. It returns false,
 * having stored a part, only if the value was changed between the two.
 */
#ifndef LIPM_ASSIGN_H
#define LIPM_ASSIGN_H

#include "memory.h"

#include <lua.h>

void lipm_checkassign(lua_State *L, int index, const lipm_place *place);
bool lipm_assign(lua_State *L, int index, const lipm_place *place);

#endif
