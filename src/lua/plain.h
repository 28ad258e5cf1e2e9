/*
 * Tables that are more than what is in them: their metamethods show fields, elements or a length
 * that an assignment, which reads tables raw, would leave out without a word. They are refused.
 * A table with methods behind __index, an object of a class, is as good as a plain one: what counts
 * is whether a part of the place is there, and not in the table itself.
 */
#ifndef LIPM_PLAIN_H
#define LIPM_PLAIN_H

#include "memory.h"

#include <lua.h>

/* Raise if the table for that place has more in it than reading it raw shows. */
void lipm_checkplain(lua_State *L, int index, const lipm_place *place);

#endif
