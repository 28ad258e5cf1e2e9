/***
Taking and releasing a handle's lock, and the root view that stands for it.

The root view exists before the lock is taken, and knows by its epoch for which lock it stands.
One that its own closing ended is kept for the next lock, so that locking allocates nothing;
one whose lock was released otherwise may still be somebody's <close> variable, and is spent.
@submodule ipmmap
*/
#include "lipm.h"

#include <string.h>

/* Push the spare root view of the handle at 1, or a new one. */
static lipm_root *push_root(lua_State *L, lipm_handle *handle) {
    if (handle->spare != NULL) {
        lua_getiuservalue(L, 1, LIPM_HANDLE_SPARE);
        return handle->spare;
    }
    lua_getiuservalue(L, 1, LIPM_HANDLE_STRUCT);
    lipm_root *root = lua_newuserdatauv(L, sizeof *root, LIPM_VIEW_VALUES);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LIPM_VIEW_CONTAINER);
    const lipm_names *names = lipm_pushrootmetatable(L, lua_absindex(L, -2), handle->layout);
    *root = (lipm_root){
        .view = {&lipm_mark, &handle->memory, handle->memory.type, 0, names},
        .handle = handle,
    };
    lua_setmetatable(L, -2);
    return root;
}

/* Take the lock and leave the root view on the top. */
static int acquire(lua_State *L, lipm_handle *handle, int64_t timeout_ns, ipm_error *error) {
    if (lipm_is_locked(handle)) {
        return luaL_error(L, "%s: this handle holds its lock already", handle->memory.type->name);
    }
    lipm_root *root = push_root(L, handle);
    lipm_checkopen(L, handle);
    int code = lipm_waitlock(L, handle, timeout_ns, error);
    if (code != IPM_OK) {
        return code;
    }
    handle->memory.base = (unsigned char *)ipm_segment_data(handle->segment);
    handle->is_pinned = false;
    handle->was_forgotten = false;
    root->epoch = ++handle->epoch;
    root->is_suspect = false;
    if (handle->spare != NULL) {
        handle->spare = NULL;
        lua_pushnil(L);
        lua_setiuservalue(L, 1, LIPM_HANDLE_SPARE);
    }
    return IPM_OK;
}

/* Release the lock: commit or roll back. */
static int release(lipm_handle *handle, bool is_commit, ipm_error *error) {
    int code = is_commit ? ipm_segment_unlock(handle->segment, error)
                         : ipm_segment_rollback(handle->segment, error);
    if (code == IPM_OK || code == IPM_EREPLACED) {
        handle->memory.base = NULL;
    }
    return code;
}

/***
Take the role's lock, for writing or for reading, and wait for it.
@function Handle:lock
@treturn view the struct in live memory, to be closed: `local data <close> = editor:lock()`.
The end of its block commits, also by `return`, `break` and `goto`. An error rolls back, and so does
whatever else closes it: `coroutine.close`, `os.exit(code, true)`, a C function (which can call
`unlock`)
@raise a bug: the handle holds its lock already, or is closed; an error object: `"deadlock"`,
`"incompatible"`, `"permission"` and `"no_space"` (of a reader that cannot use the lock file),
`"replaced"`, `"forked"`, `"system"`
*/
int lipm_handle_lock(lua_State *L) {
    lipm_handle *handle = lipm_checkhandle(L);
    ipm_error error;
    if (acquire(L, handle, IPM_FOREVER, &error) != IPM_OK) {
        return lipm_raise(L, &error);
    }
    return 1;
}

/***
Take the role's lock if it can be had at once, or within a time.
@function Handle:try_lock
@tparam[opt=0] number seconds how long to try; 0 or less: once
@treturn[1] view as `lock` returns it
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: `"timeout"`, or what `lock` raises
@raise the handle holds its lock already, or is closed
*/
int lipm_handle_try_lock(lua_State *L) {
    lipm_handle *handle = lipm_checkhandle(L);
    int64_t timeout_ns = lipm_checkseconds(L, 2, 0, handle->memory.type->name);
    ipm_error error;
    lua_settop(L, 1);
    if (acquire(L, handle, timeout_ns, &error) != IPM_OK) {
        return lipm_fail(L, &error);
    }
    return 1;
}

static int unlock(lua_State *L, lipm_handle *handle, bool is_commit) {
    ipm_error error;
    if (handle->was_forgotten) {
        handle->was_forgotten = false;
        return luaL_error(L,
                          "%s: the collector rolled back and released the lock, because its view "
                          "was forgotten: keep what lock() returns in a <close> variable",
                          handle->memory.type->name);
    }
    if (handle->memory.base == NULL) {
        return luaL_error(L, "%s: %s without a lock", handle->memory.type->name,
                          is_commit ? "unlock" : "rollback");
    }
    if (release(handle, is_commit, &error) != IPM_OK) {
        return lipm_raise(L, &error);
    }
    return 0;
}

/***
Release the lock; an editor's changes are committed.
@function Handle:unlock
@raise without a lock; an error object: `"replaced"` if the segment was replaced or destroyed
meanwhile, so that nobody will see the changes, `"forked"`
*/
int lipm_handle_unlock(lua_State *L) {
    return unlock(L, lipm_pinhandle(L), true);
}

/***
Undo everything since the lock was taken, and release it. Editors and managers.
@function Handle:rollback
@raise as for `unlock`
*/
int lipm_handle_rollback(lua_State *L) {
    return unlock(L, lipm_pinwriter(L), false);
}

/* ---- The root view's end ----------------------------------------------------------------- */

/* Of the views of handles only root views are as large. */
static inline lipm_root *check_root(lua_State *L) {
    lipm_root *root = lua_touserdata(L, 1);
    if (root == NULL || lua_rawlen(L, 1) != sizeof *root || root->view.mark != &lipm_mark ||
        !root->view.memory->is_live) {
        luaL_typeerror(L, 1, "view of a lock");
    }
    return root;
}

/* Whether the lock that the view stands for is held; not so in the child of a fork. */
static bool stands(const lipm_root *root) {
    return root->epoch == root->handle->epoch && lipm_is_locked(root->handle);
}

/*
 * Whether a block has come to its end: then Lua code calls __close, by the instruction that ends it
 * or by hand. An error that is nil, the closing of a coroutine or of the state call it from C, and
 * an error that ends a finalizer under the finalizer's name.
 */
static inline bool has_ended(lua_State *L) {
    lua_Debug call;
    return lua_isnoneornil(L, 2) && lua_getstack(L, 0, &call) && lua_getinfo(L, "n", &call) &&
           call.name != NULL &&
           (strcmp(call.namewhat, "metamethod") != 0 || strcmp(call.name, "close") == 0);
}

/* __close(view, error) */
int lipm_root_close(lua_State *L) {
    lipm_root *root = check_root(L);
    lipm_handle *handle = root->handle;
    ipm_error error;
    if (!stands(root)) {
        return 0;
    }
    bool is_commit = handle->role == IPM_READER || has_ended(L);
    int code = release(handle, is_commit, &error);
    if (handle->memory.base == NULL) {
        lua_getiuservalue(L, 1, LIPM_VIEW_CONTAINER);
        lua_pushvalue(L, 1);
        lua_setiuservalue(L, -2, LIPM_HANDLE_SPARE);
        handle->spare = root;
    }
    return code != IPM_OK && is_commit ? lipm_raise(L, &error) : 0;
}

/*
 * __gc(view): nobody can reach the view nor what is nested in it. That is no harm if the handle's
 * methods are used under this lock. The first of them may be yet to come, so the lock is let go
 * only when the view is found unreachable a second time.
 */
int lipm_root_collect(lua_State *L) {
    lipm_root *root = check_root(L);
    if (!stands(root) || root->handle->is_pinned) {
        return 0;
    }
    if (!root->is_suspect) {
        root->is_suspect = true;
        lua_getmetatable(L, 1);
        lua_setmetatable(L, 1);
        return 0;
    }
    root->handle->was_forgotten = release(root->handle, false, NULL) == IPM_OK;
    return 0;
}
