/*
 * Handles that follow the segment which replaces theirs: what their methods do besides.
 *
 * A handle whose file may have another layout than its Struct (layout = "compatible") gets a new
 * layout then: a Struct, and a memory of its own, so that views from before raise as released. The
 * core does not follow by itself there, because it does not know the places that were looked up.
 */
#ifndef LIPM_FOLLOW_H
#define LIPM_FOLLOW_H

#include "handle.h"

/* Give the handle at `index` the layout of its segment, if that is another than it has. */
void lipm_takelayout(lua_State *L, int index, lipm_handle *handle);

/* Before a method of the handle at 1, whose layout may change: follow, if that can be done. */
IPM_COLD void lipm_catchup(lua_State *L, lipm_handle *handle);

/*
 * After a call of the core by a method of the handle at 1 has failed: whether the handle is on
 * another segment now, so that the method is to begin again. Otherwise *error says why it failed.
 */
IPM_COLD bool lipm_again(lua_State *L, lipm_handle *handle, ipm_error *error);

/* The same: calls the method again, or raises. The method's arguments are still the first values on
 * the stack. */
IPM_COLD int lipm_retry(lua_State *L, lipm_handle *handle, ipm_error *error, lua_CFunction method);

#endif
