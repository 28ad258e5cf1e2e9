/*
 * Transactions of methods: in that of the handle's own lock, or else in one of their own.
 */
#ifndef LIPM_OWN_H
#define LIPM_OWN_H

#include "handle.h"
#include "path.h"

/* What the path at index 2 leads to. Leaves the Struct on the stack, and above it the two values
 * that lipm_checkpath pushes. */
const lipm_part *lipm_checkpart(lua_State *L, const lipm_handle *handle);

static inline lipm_place lipm_placeof(const lipm_handle *handle, const lipm_part *part) {
    return (lipm_place){handle->memory, part->type, part->offset};
}

/* What is missing on the way to a part. The handle holds its lock. */
lipm_gap lipm_findowngap(const lipm_handle *handle, const lipm_part *part);

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
