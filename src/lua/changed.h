/*
 * Waiting for one field to change.
 */
#ifndef LIPM_CHANGED_H
#define LIPM_CHANGED_H

#include "handle.h"

/*
 * Wait for a change of the field whose path is at index 2, for at most the seconds at index 3.
 * returns  the number of values pushed: 1, the field's new value; or 3, nil, message and code
 */
int lipm_waitfield(lua_State *L, lipm_handle *handle);

#endif
