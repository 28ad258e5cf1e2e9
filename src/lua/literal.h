/*
 * Numbers of the core, in Lua and in schema text.
 */
#ifndef LIPM_LITERAL_H
#define LIPM_LITERAL_H

#include "../ipmmap.h"

#include <lua.h>

/* Push a number of an integer or real kind. One of a uint64 is a Lua integer of the same bits. */
void lipm_pushnumber(lua_State *L, ipm_kind kind, ipm_number number);

#endif
