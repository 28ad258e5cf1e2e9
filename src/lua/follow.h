/*
 * What the methods of a handle do if it follows the segment that replaces its own.
 *
 * The new file may have other attributes, and with layout = "compatible" another layout. The handle
 * then gets a new Struct and a new memory, so that views of the old layout raise as released views
 * do. With layout = "compatible" the core does not follow by itself, because it does not know the
 * places that a method has found. Otherwise a method that has followed within the core still uses
 * the old attributes, and the next one the new ones.
 */
#ifndef LIPM_FOLLOW_H
#define LIPM_FOLLOW_H

#include "handle.h"

/* Give the handle at `index` the layout of its segment, unless it has that layout already. That
 * allocates, so a finalizer may close the handle. Then this raises. */
void lipm_takelayout(lua_State *L, int index, lipm_handle *handle);

/* Follow as ipm_segment_follow does, and give the handle at `index` the new segment's layout. */
IPM_COLD int lipm_follow(lua_State *L, int index, lipm_handle *handle, ipm_error *error);

/*
 * Follow if a call of the core has failed with *error because the segment was replaced. The handle
 * is at index 1.
 * returns  true: the handle is on another segment, so its method must begin again; false: *error is
 *          why the method fails
 */
IPM_COLD bool lipm_again(lua_State *L, lipm_handle *handle, ipm_error *error);

/* The cold part of lipm_hasmoved. */
IPM_COLD void lipm_failmoved(const lipm_handle *handle, ipm_error *error);

/*
 * Whether the handle has followed to another layout since its method took `memory` from it. Code
 * that runs while the method allocates or waits, a finalizer or a hook, may cause this. If so, the
 * places that the method has found are void, and *error lets lipm_again begin the method again.
 */
static inline bool lipm_hasmoved(const lipm_handle *handle, const lipm_memory *memory,
                                 ipm_error *error) {
    if (memory == handle->memory)
        return false;
    lipm_failmoved(handle, error);
    return true;
}

/* Follow as lipm_again does, and call the method again, or raise the error. The method's arguments
 * must still be the first values on the stack. */
IPM_COLD int lipm_retry(lua_State *L, lipm_handle *handle, ipm_error *error, lua_CFunction method);

#endif
