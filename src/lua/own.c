#include "own.h"

#include "../core/error.h"
#include "follow.h"
#include "slice.h"

const lipm_part *lipm_checkpart(lua_State *L, const lipm_handle *handle) {
    lua_getiuservalue(L, 1, LIPM_HANDLE_STRUCT);
    return lipm_checkpath(L, 2, lua_gettop(L), handle->layout);
}

lipm_gap lipm_findowngap(const lipm_handle *handle, const lipm_part *part) {
    return lipm_findgap(part, ipm_segment_data(handle->segment), 0);
}

int lipm_beginown(lua_State *L, lipm_handle *handle, const lipm_memory *memory, bool *has_begun,
                  ipm_error *error) {
    *has_begun = false;
    if (lipm_hasmoved(handle, memory, error))
        return (int)error->code;
    *has_begun = !lipm_is_locked(handle);
    if (*has_begun)
        return lipm_waitlock(L, handle, IPM_FOREVER, error);
    if (handle->holder != L)
        return ipm_fail(error, IPM_EINVALID, 0, LIPM_HELD_ELSEWHERE, lipm_handlename(handle));
    /* A read of 0 bytes fails if another thread holds the lock through this handle. */
    return ipm_segment_read(handle->segment, 0, 0, error, error);
}

int lipm_finishown(const lipm_handle *handle, bool has_begun, bool is_commit, ipm_error *error) {
    if (!has_begun)
        return IPM_OK;
    if (is_commit)
        return ipm_segment_unlock(handle->segment, error);
    ipm_segment_rollback(handle->segment, NULL);
    return IPM_OK;
}
