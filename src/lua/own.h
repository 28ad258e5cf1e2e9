/*
 * Transactions of methods: in that of the handle's own lock, or else in one of their own.
 */
#ifndef LIPM_OWN_H
#define LIPM_OWN_H

#include "handle.h"

/* The place that the path at index 2 leads to. Leaves the Struct on the stack, and above it the two
 * values that lipm_checkpath pushes. */
lipm_place lipm_checkplace(lua_State *L, lipm_handle *handle);

/*
 * Take the lock unless the handle holds it. Fail if the handle no longer has the memory in which
 * the method has found its place, or if another coroutine holds the lock.
 * *has_begun  whether lipm_finishown has to release the lock
 */
int lipm_beginown(lua_State *L, lipm_handle *handle, const lipm_memory *memory, bool *has_begun,
                  ipm_error *error);

/* If lipm_beginown has taken the lock, commit or roll back, and release it. This must come before
 * any error is raised. */
int lipm_finishown(const lipm_handle *handle, bool has_begun, bool is_commit, ipm_error *error);

#endif
