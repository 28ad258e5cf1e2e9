/*
 * Messages and error objects. Messages about a place begin with its path.
 */
#ifndef LIPM_ERROR_H
#define LIPM_ERROR_H

#include "memory.h"

#include <lua.h>

/*
 * Raise an error: a plain message for a bug of the caller (IPM_EINVALID), otherwise an error object
 * { code, message, where }. Both begin with the caller's position, as a message of luaL_error does.
 */
IPM_COLD int lipm_raise(lua_State *L, const ipm_error *error);

/* Push nil, message and code, and return 3. A bug of the caller is raised instead. */
IPM_COLD int lipm_fail(lua_State *L, const ipm_error *error);

/* Raise "<struct>.<path>: <message>". The format is that of lua_pushfstring. */
IPM_COLD _Noreturn int lipm_complain(lua_State *L, const lipm_place *place, const char *format,
                                     ...);

/* Raise an error: the memory cannot be accessed now. No lock is held, the feed was closed, or there
 * was a fork. */
IPM_COLD _Noreturn int lipm_complain_access(lua_State *L, const lipm_place *place);

/* Raise an error: the memory cannot be written. */
IPM_COLD _Noreturn int lipm_complain_write(lua_State *L, const lipm_place *place);

/* Raise an error: the key at `key` names no part of the struct or array at that place. */
IPM_COLD _Noreturn int lipm_complain_key(lua_State *L, int key, const lipm_place *place);

/* Raise the error of ipm_type_check about the bytes of a part, which names the part by its type. */
IPM_COLD _Noreturn int lipm_complain_check(lua_State *L, const lipm_place *place,
                                           const ipm_error *error);

/* Push the text of such an error, with the place's path. */
const char *lipm_pushrefusal(lua_State *L, const lipm_place *place, const ipm_error *error);

/* Push the place's struct and path, such as "DemoMmapStructure.data_xy". */
void lipm_pushpath(lua_State *L, const lipm_place *place);

/* Push the place's path without the name of the struct, such as "data_xy". The place is not the
 * whole struct. */
void lipm_pushfieldpath(lua_State *L, const lipm_place *place);

/* Push the value at `index` as messages show it: 'text', 3.5, a table. Calls no metamethod. */
void lipm_pushshown(lua_State *L, int index);

/* Push why a type of the same name does not fit, such as ": hp: int64 at 16 here, int32 at 16
 * given". Push "" if the names differ, or if the type fits. */
const char *lipm_pushdifference(lua_State *L, const ipm_type *given, const ipm_type *here);

/* Create the metatable of error objects. */
void lipm_open_error(lua_State *L);

#endif
