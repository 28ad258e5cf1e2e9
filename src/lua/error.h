/*
 * Messages and error objects. Messages about a place begin with its path.
 */
#ifndef LIPM_ERROR_H
#define LIPM_ERROR_H

#include "memory.h"

#include <lua.h>

/*
 * Raise: a plain message for the caller's bug (IPM_EINVALID), else an error object, { code,
 * message, where }. Both begin with the caller's position, as that of luaL_error does.
 */
IPM_COLD int lipm_raise(lua_State *L, const ipm_error *error);

/* Push nil, message, code, and return 3; raises the caller's bug. */
IPM_COLD int lipm_fail(lua_State *L, const ipm_error *error);

/* Raise "<struct>.<path>: <message>"; format as for lua_pushfstring. */
IPM_COLD int lipm_complain(lua_State *L, const lipm_place *place, const char *format, ...);

/* Raise that the memory cannot be touched now: no lock is held, or there was a fork. */
IPM_COLD int lipm_complain_access(lua_State *L, const lipm_place *place);

/* Raise that the key at `key` names no part of the struct or array at that place. */
IPM_COLD int lipm_complain_key(lua_State *L, int key, const lipm_place *place);

/* Push "DemoMmapStructure.data_xy" for a place. */
void lipm_pushpath(lua_State *L, const lipm_place *place);

/* Push the value at `index` as a message shows it: 'text', 3.5, a table. Calls no metamethod. */
void lipm_pushshown(lua_State *L, int index);

/* Push ": hp: int64 at 16 here, int32 at 16 given", why types of one name do not fit. */
const char *lipm_pushdifference(lua_State *L, const ipm_type *given, const ipm_type *here);

/* Create the metatable of error objects. */
void lipm_open_error(lua_State *L);

#endif
