/*
 * The table of the methods of handles.
 */
#ifndef LIPM_OPEN_H
#define LIPM_OPEN_H

#include <lua.h>

/* Make the table, store it in the registry and push it. */
void lipm_open_handle(lua_State *L);

#endif
