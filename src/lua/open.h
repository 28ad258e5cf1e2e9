/*
 * The tables of the methods of handles and of feeds.
 */
#ifndef LIPM_OPEN_H
#define LIPM_OPEN_H

#include <lua.h>

/* Make the table, store it in the registry and push it. */
void lipm_open_handle(lua_State *L);

/* The same of feeds. */
void lipm_open_feed(lua_State *L);

#endif
