/*
 * A lock that is held until a method's end, which calls the program's functions meanwhile.
 */
#ifndef LIPM_LOCK_H
#define LIPM_LOCK_H

#include "handle.h"

/* Raise if the value at `index` cannot be called. name: the method that takes it */
void lipm_checkcallable(lua_State *L, int index, const char *name);

/*
 * Take the lock of the handle at index 1, which does not hold it, and wait for it without a limit.
 * Pushes two views, both marked to be closed: whatever ends the method before lipm_disclose, the
 * changes are rolled back. If a debug hook raises an error while Lua closes the first one, the
 * second one is still there.
 */
int lipm_enclose(lua_State *L, lipm_handle *handle, ipm_error *error);

/* Commit, and release the lock that the view at `index` stands for. Raises if that fails. */
void lipm_disclose(lua_State *L, int index);

#endif
