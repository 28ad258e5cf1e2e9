/*
 * Waiting for one field to change.
 */
#ifndef LIPM_CHANGED_H
#define LIPM_CHANGED_H

#include "handle.h"

/* Wait for a change of the field whose path is at 2, at most for the seconds at 3. */
int lipm_waitfield(lua_State *L, lipm_handle *handle);

#endif
