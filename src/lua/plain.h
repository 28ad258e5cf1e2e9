/*
 * Tables whose metamethods show fields, elements or a length that the tables do not contain. An
 * assignment reads tables raw and would silently leave these out, so such tables are refused. An
 * object whose class has only methods behind __index is accepted: a table is refused only if
 * __index gives a field or element of the place.
 */
#ifndef LIPM_PLAIN_H
#define LIPM_PLAIN_H

#include "memory.h"

#include <lua.h>

/* Raise if metamethods of the table at `index` show a part of the place that the table lacks. */
void lipm_checkplain(lua_State *L, int index, const lipm_place *place);

#endif
