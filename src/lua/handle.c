/***
The userdata "ipmmap.reader", "ipmmap.editor" and "ipmmap.manager": creation, checks, closing.
@submodule ipmmap
*/
#include "handle.h"

#include "../core/fork.h"
#include "error.h"
#include "follow.h"
#include "functions.h"
#include "layout.h"

#include <lauxlib.h>
#include <stdlib.h>

#define FORGOTTEN                                                                                  \
    "%s: a lock was forgotten, and the collector %sreleased it: write `local view <close> = "      \
    "handle:lock()`, or handle:with(function(view) ... end)"

const char lipm_handle_brand = 'h';

const char *const lipm_roles[] = {"reader", "editor", "manager", NULL};

const char *lipm_handlename(const lipm_handle *handle) {
    return handle->layout->layout != NULL ? handle->memory->type->name : "?";
}

lipm_handle *lipm_pushhandle(lua_State *L, ipm_role role, lipm_layout *layout) {
    const ipm_type *type = ipm_layout_type(layout->layout);
    lipm_handle *handle = lua_newuserdatauv(L, sizeof *handle, LIPM_HANDLE_VALUES);
    *handle = (lipm_handle){
        .brand = &lipm_handle_brand,
        .first =
            {
                .layout = layout,
                .type = type,
                .watched = &ipm_fork_generation,
                .expected = ipm_fork_generation,
                .reserved = IPM_HEADER_SIZE,
                .is_live = true,
                .is_writable = role != IPM_READER,
            },
        .layout = layout,
        .definition = layout,
        .role = role,
    };
    handle->memory = &handle->first;
    return handle;
}

void lipm_refusehandle(lua_State *L) {
    luaL_typeerror(L, 1, "manager, editor or reader");
    abort(); /* not reached: luaL_typeerror raises */
}

void lipm_refuseclosed(lua_State *L, const lipm_handle *handle) {
    luaL_error(L, "%s: this %s is closed", lipm_handlename(handle), lipm_roles[handle->role]);
    abort(); /* not reached: luaL_error raises */
}

void lipm_refuseholder(lua_State *L, const lipm_handle *handle) {
    luaL_error(L, LIPM_HELD_ELSEWHERE, lipm_handlename(handle));
}

uint64_t lipm_checkversion(lua_State *L, int index, const lipm_handle *handle) {
    int is_whole;
    lua_Integer version = lua_tointegerx(L, index, &is_whole);
    if (lua_type(L, index) != LUA_TNUMBER || !is_whole || version < 0) {
        lipm_pushshown(L, index);
        luaL_error(L, "%s: %s is not a version", lipm_handlename(handle), lua_tostring(L, -1));
    }
    return (uint64_t)version;
}

lipm_handle *lipm_pinhandle(lua_State *L) {
    lipm_handle *handle = lipm_checkhandle(L);
    handle->is_pinned = true;
    return handle;
}

lipm_handle *lipm_pinwriter(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    if (handle->role == IPM_READER)
        luaL_error(L, "%s: a reader cannot write", lipm_handlename(handle));
    return handle;
}

/* ---- Closing ------------------------------------------------------------------------------ */

/* The lock is released before the feeds are closed. If that fails, because another thread holds it,
 * nothing is closed. */
static int close_handle(lipm_handle *handle, ipm_error *error) {
    if (handle->segment == NULL)
        return IPM_OK;
    int code = lipm_is_locked(handle) ? ipm_segment_rollback(handle->segment, error) : IPM_OK;
    if (code == IPM_EINVALID)
        return code;
    while (handle->feeds != NULL)
        lipm_endfeed(handle->feeds);
    code = ipm_segment_close(handle->segment, error);
    if (code == IPM_OK) {
        handle->segment = NULL;
        handle->memory->base = NULL;
        lipm_releaselayout(handle->definition);
        lipm_releaselayout(handle->layout);
    }
    return code;
}

/***
Close the handle. If it holds its lock, the lock is released, and an editor's changes are rolled
back. Its feeds are closed. To close it again has no effect. A handle is also closed at the end of
its block if it is a
`<close>` variable, and when it is collected.
@function Handle:close
@raise an error if another thread holds the handle's lock
*/
int lipm_handle_close(lua_State *L) {
    ipm_error error;
    if (close_handle(lipm_checkanyhandle(L), &error) != IPM_OK)
        return lipm_raise(L, &error);
    return 0;
}

void lipm_warnforgotten(lua_State *L, lipm_handle *handle) {
    if (!handle->has_warned) {
        handle->has_warned = true;
        lua_pushfstring(L, FORGOTTEN, lipm_handlename(handle),
                        handle->role == IPM_READER ? "" : "rolled back and ");
        lua_warning(L, lua_tostring(L, -1), 0);
    }
}

int lipm_handle_collect(lua_State *L) {
    lipm_handle *handle = lipm_checkanyhandle(L);
    bool is_locked = lipm_is_locked(handle);
    if (close_handle(handle, NULL) == IPM_OK && is_locked)
        lipm_warnforgotten(L, handle);
    return 0;
}
