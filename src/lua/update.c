/***
@submodule ipmmap
*/
#include "assign.h"
#include "error.h"
#include "follow.h"
#include "functions.h"
#include "lock.h"
#include "own.h"
#include "path.h"
#include "scalar.h"
#include "value.h"

#include <lauxlib.h>

/* Stack indices. The views, of a transaction of its own, are those of lipm_enclose; in the handle's
 * own transaction they are nil. */
enum {
    UPDATE_PATH = 2,
    UPDATE_FUNCTION,
    UPDATE_OWNER,
    UPDATE_PARTS,
    UPDATE_VIEW = UPDATE_PARTS + 2,
    UPDATE_VIEW_AGAIN,
    UPDATE_NEW
};

/* Push the present value of a part. The handle holds its lock. */
static void push_present(lua_State *L, const lipm_handle *handle, const lipm_part *part) {
    const lipm_place place = lipm_placeof(handle, part);
    const ipm_type *type = place.type;
    lipm_gap gap = lipm_findowngap(handle, part);
    if (gap.guard != NULL)
        lipm_complain_gap(L, place.memory, part, &gap);
    if (lipm_is_scalar(type)) {
        lipm_pushlive(L, &place);
        return;
    }
    lipm_value *value = NULL;
    unsigned char *bytes = type->kind == IPM_OPTIONAL ? lua_newuserdatauv(L, type->size, 0) : NULL;
    if (bytes == NULL) {
        value = lipm_pushvalue(L, UPDATE_OWNER, handle->layout, type);
        bytes = value->bytes;
    }
    const unsigned char *base = lipm_base(place.memory);
    if (base == NULL)
        lipm_complain_access(L, &place);
    ipm_copy_from_shared(bytes, base + place.offset, type->size);
    if (value == NULL) {
        lipm_pushcopy(L, UPDATE_OWNER, handle->layout, type, bytes);
        lua_remove(L, -2);
    }
}

static void assign_new(lua_State *L, const lipm_handle *handle, const lipm_part *part) {
    const lipm_place place = lipm_placeof(handle, part);
    lipm_assignment assignment;
    if (lua_isnil(L, UPDATE_NEW) && place.type->kind != IPM_OPTIONAL)
        lipm_complain(L, &place, "the function of update returned nil instead of the new value");
    const lipm_names *names = lipm_pushanynames(L, UPDATE_OWNER, place.type);
    lipm_prepare(L, UPDATE_OWNER, UPDATE_NEW, &place, names, &assignment);
    if (lipm_base(place.memory) == NULL)
        lipm_complain_access(L, &place);
    lipm_gap gap = lipm_findowngap(handle, part);
    if (gap.guard != NULL)
        lipm_complain_gap(L, place.memory, part, &gap);
    if (!lipm_assign(&assignment, &place))
        lipm_complain(L, &place, "the value changed while it was assigned");
}

/* The function has returned, perhaps after it has yielded. epoch: that of the lock, truncated */
static int finish_update(lua_State *L, int status, lua_KContext epoch) {
    lipm_handle *handle = lua_touserdata(L, 1);
    (void)status;
    if (!lipm_is_locked(handle) || (lua_KContext)handle->epoch != epoch) {
        return luaL_error(L, "%s: the function of update has released the lock",
                          lipm_handlename(handle));
    }
    const lipm_part *part = lipm_checkpath(L, UPDATE_PATH, UPDATE_OWNER, handle->layout);
    assign_new(L, handle, part);
    push_present(L, handle, part);
    if (!lua_isnil(L, UPDATE_VIEW))
        lipm_disclose(L, UPDATE_VIEW);
    return 1;
}

/***
Change a field by a function of its value, as one transaction. If the handle holds its lock, this is
a part of that transaction. Editors and managers.

An error in the function is passed on, and the field stays as it is. A transaction that `update` has
begun is rolled back; in the handle's own lock, the transaction goes on without this change.
@function Handle:update
@tparam string path such as `"multi_pts.multi_points[3].x"`; indices start at 1
@tparam function fn called as `fn(old)`, with the value as `read` returns it, under the lock. It
returns the new value, of any form that `write` takes
@treturn boolean|integer|number|string|value the new value, as `read` returns it
@raise an error if the function returns nil, or releases the lock; the errors of the function;
otherwise as for `write`
*/
int lipm_handle_update(lua_State *L) {
    lipm_handle *handle = lipm_pinwriter(L);
    ipm_error error = {0};
    int code = IPM_OK;
    lua_settop(L, UPDATE_FUNCTION);
    const lipm_part *part = lipm_checkpart(L, handle);
    const lipm_place place = lipm_placeof(handle, part);
    if (place.offset < place.memory->reserved && place.type != place.memory->type)
        return lipm_complain(L, &place, "set only by creation, touch and clear");
    lipm_checkcallable(L, UPDATE_FUNCTION, "update");
    lipm_checkopen(L, handle);
    if (lipm_is_locked(handle)) {
        bool has_begun;
        code = lipm_beginown(L, handle, place.memory, &has_begun, &error);
        lua_settop(L, UPDATE_VIEW_AGAIN);
    } else if (!lipm_hasmoved(handle, place.memory, &error)) {
        code = lipm_enclose(L, handle, &error);
    } else {
        code = (int)error.code;
    }
    if (code == IPM_OK && lipm_hasmoved(handle, place.memory, &error))
        code = (int)error.code;
    if (code != IPM_OK) {
        lua_settop(L, UPDATE_FUNCTION); /* closes the views */
        return lipm_retry(L, handle, &error, lipm_handle_update);
    }
    lua_pushvalue(L, UPDATE_FUNCTION);
    push_present(L, handle, part);
    lua_KContext epoch = (lua_KContext)handle->epoch;
    lua_callk(L, 1, 1, epoch, finish_update);
    return finish_update(L, LUA_OK, epoch);
}
