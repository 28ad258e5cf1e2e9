/***
Taking and releasing a handle's lock, and the root view, which stands for the lock.

The root view is made before the lock is taken. Its epoch says which lock it stands for. If the
closing of a root view has released the lock, the handle uses that view for its next lock, so that
locking allocates no memory. If the lock was released in another way, the view may still be in a
<close> variable, so it is not used again. The handle keeps the view in a table with weak values, so
that the collector can find that the view was forgotten.
@submodule ipmmap
*/
#include "../core/abandon.h"
#include "../core/clock.h"
#include "error.h"
#include "follow.h"
#include "functions.h"
#include "handle.h"
#include "index.h"
#include "lock.h"
#include "slice.h"

#include <lauxlib.h>
#include <string.h>

/* The view that lock() returns. Closing it releases the lock if its epoch is still the handle's. */
typedef struct lipm_root {
    lipm_view view;
    lipm_handle *handle;
    uint64_t epoch;
    bool is_suspect;  /* the collector has found it unreachable once under this lock */
    bool is_enclosed; /* a call of `with` took the lock: that call keeps the view reachable */
} lipm_root;

static int root_close(lua_State *L);
static int root_collect(lua_State *L);

static const luaL_Reg root_metamethods[] = {
    {"__close", root_close},
    {"__gc", root_collect},
    {NULL, NULL},
};

/* Push two values. The second one is a new root view of the handle at index 1. */
static IPM_COLD lipm_root *push_new_root(lua_State *L, lipm_handle *handle) {
    lipm_memory *memory = handle->memory;
    lua_getiuservalue(L, 1, LIPM_HANDLE_STRUCT);
    lipm_root *root = lua_newuserdatauv(L, sizeof *root, LIPM_VIEW_VALUES);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LIPM_VIEW_CONTAINER);
    const lipm_names *names =
        lipm_pushrootmetatable(L, lua_absindex(L, -2), memory->layout, root_metamethods);
    *root = (lipm_root){
        .view = {&lipm_view_brand, {memory, memory->type, 0}, names},
        .handle = handle,
    };
    lua_setmetatable(L, -2);
    if (lua_getiuservalue(L, 1, LIPM_HANDLE_ROOT) != LUA_TTABLE) {
        lua_pop(L, 1);
        lipm_pushweak(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 1, LIPM_HANDLE_ROOT);
    }
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, 1);
    lua_pop(L, 1);
    handle->root = root;
    lipm_checkopen(L, handle);
    return root;
}

/* Push two values. The second one is the spare root view of the handle at index 1, or a new one. */
static inline lipm_root *push_root(lua_State *L, lipm_handle *handle) {
    if (handle->is_root_spare) {
        handle->is_root_spare = false;
        lua_getiuservalue(L, 1, LIPM_HANDLE_ROOT);
        if (lua_rawgeti(L, -1, 1) == LUA_TUSERDATA)
            return handle->root;
        lua_pop(L, 2);
    }
    return push_new_root(L, handle);
}

/* Let the next lock use a root view that stands for no lock, if it is the handle's newest one. */
static inline void spare_root(const lipm_root *root) {
    root->handle->is_root_spare = root == root->handle->root;
}

static IPM_COLD int refuse_second(lua_State *L, const lipm_handle *handle) {
    lipm_checkholder(L, handle);
    return luaL_error(L,
                      "%s: this handle holds its lock already%s, and unlock() or rollback() "
                      "releases it; the end of a block releases it only where the view is a "
                      "<close> variable",
                      handle->memory->type->name,
                      handle->is_lost ? ": its view was lost before it was marked <close>, or was "
                                        "never marked"
                                      : "");
}

/* Push two values. The second one is the root view for a lock that will be taken. Raises if the
 * handle holds its lock already. */
static inline lipm_root *prepare_root(lua_State *L, lipm_handle *handle) {
    if (lipm_is_locked(handle))
        refuse_second(L, handle);
    return push_root(L, handle);
}

/* Take the lock. The root view then stands for it. */
static inline int take_lock(lua_State *L, lipm_root *root, int64_t timeout_ns, ipm_error *error) {
    lipm_handle *handle = root->handle;
    if (lipm_hasmoved(handle, root->view.place.memory, error))
        return (int)error->code;
    int code = lipm_waitlock(L, handle, timeout_ns, error);
    if (code != IPM_OK) {
        spare_root(root);
        return code;
    }
    handle->memory->base = (unsigned char *)ipm_segment_data(handle->segment);
    handle->holder = L;
    handle->is_root_spare = false;
    handle->is_pinned = false;
    handle->is_lost = false;
    handle->was_forgotten = false;
    root->epoch = ++handle->epoch;
    root->is_suspect = false;
    root->is_enclosed = false;
    return IPM_OK;
}

/* Release the lock: commit or roll back. */
static int drop_lock(lipm_handle *handle, bool is_commit, ipm_error *error) {
    int code = is_commit ? ipm_segment_unlock(handle->segment, error)
                         : ipm_segment_rollback(handle->segment, error);
    if (code == IPM_OK || code == IPM_EREPLACED || code == IPM_ENOTHOME)
        handle->memory->base = NULL;
    return code;
}

/* Take the lock within the number of seconds at index 2, and push its root view. absent: the time
 * if there is no number. */
static bool lock_within(lua_State *L, int64_t absent, ipm_error *error) {
    lipm_handle *handle = lipm_checkhandle(L);
    int64_t timeout_ns = lipm_checkseconds(L, 2, absent, handle->memory->type->name);
    int code;
    do {
        lua_settop(L, 1);
        lipm_root *root = prepare_root(L, handle);
        code = take_lock(L, root, timeout_ns, error);
    } while (code != IPM_OK && lipm_again(L, handle, error));
    return code == IPM_OK;
}

/***
Take the lock, and wait for it. Editors and managers take the write lock, readers
the read lock. The view belongs in a `<close>` variable: `local data <close> = editor:lock()`.

The end of the variable's block releases the lock and commits the changes, also if the block ends by
`return`, `break` or `goto`. If an error ends the block, the changes are rolled back. They are also
rolled back if `coroutine.close`, `os.exit(code, true)` or a C function closes the view; a C
function can call `unlock` to commit.

Without `<close>` the lock is held until `unlock` or `rollback`, or until the collector finds that
the view was forgotten; it then rolls back, releases the lock and warns. The same happens if a debug
hook (a watchdog, Ctrl-C) raises an error after `lock` has returned and before the variable is
marked, or while the view is closed. A program that goes on after such an error should use `with`,
which has no such moment.
@function Handle:lock
@tparam[opt] number seconds how long to wait at most; without it the call waits for ever
@treturn view the struct in live memory
@raise an error if the handle holds its lock already, or is closed; an error object: `"timeout"`,
`"deadlock"`, `"incompatible"`, `"permission"` and `"no_space"` (for a reader that cannot use the
lock file), `"not_home"`, `"replaced"`, `"forked"`, `"system"`
*/
int lipm_handle_lock(lua_State *L) {
    ipm_error error;
    return lock_within(L, IPM_FOREVER, &error) ? 1 : lipm_raise(L, &error);
}

/***
Take the lock as `lock` does, but wait at most for the given time.
@function Handle:try_lock
@tparam[opt=0] number seconds how long to wait at most; with 0 or less the call tries once
@treturn[1] view as for `lock`
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: `"timeout"`, or a code that `lock` raises
@raise an error if the handle holds its lock already, or is closed
*/
int lipm_handle_try_lock(lua_State *L) {
    ipm_error error;
    return lock_within(L, 0, &error) ? 1 : lipm_fail(L, &error);
}

static int end_by_hand(lua_State *L, lipm_handle *handle, bool is_commit) {
    ipm_error error;
    if (handle->was_forgotten) {
        handle->was_forgotten = false;
        return luaL_error(L,
                          "%s: the collector rolled back and released the lock, because its view "
                          "was forgotten: keep what lock() returns in a <close> variable",
                          handle->memory->type->name);
    }
    if (handle->memory->base == NULL) {
        if (ipm_segment_was_abandoned(handle->segment)) {
            return luaL_error(L,
                              "%s: the thread that held the lock has ended, and what it had "
                              "changed was rolled back",
                              handle->memory->type->name);
        }
        return luaL_error(L, "%s: %s without a lock", handle->memory->type->name,
                          is_commit ? "unlock" : "rollback");
    }
    if (drop_lock(handle, is_commit, &error) != IPM_OK)
        return lipm_raise(L, &error);
    return 0;
}

/***
Release the lock. An editor's changes are committed.
@function Handle:unlock
@raise an error if the handle does not hold its lock; an error object: `"replaced"` if the segment
was replaced or destroyed in the meantime, so that no process will see the changes; `"not_home"` if
this machine is no longer the segment's home, and then the changes are rolled back; `"forked"`
*/
int lipm_handle_unlock(lua_State *L) {
    return end_by_hand(L, lipm_pinhandle(L), true);
}

/***
Undo all changes since the lock was taken, and release the lock. Editors and managers.
@function Handle:rollback
@raise as for `unlock`
*/
int lipm_handle_rollback(lua_State *L) {
    return end_by_hand(L, lipm_pinwriter(L), false);
}

/* ---- The root view's end ----------------------------------------------------------------- */

/* The root view at index 1. Among the views of live memory, only root views have this size. */
static inline lipm_root *check_root(lua_State *L) {
    lipm_root *root = lua_touserdata(L, 1);
    if (root == NULL || lua_rawlen(L, 1) != sizeof *root || root->view.brand != &lipm_view_brand ||
        !root->view.place.memory->is_live)
        luaL_typeerror(L, 1, "view of a lock");
    return root;
}

/* Whether the handle still holds the lock that the view stands for. Not so in a fork's child. */
static bool is_standing(const lipm_root *root) {
    return root->epoch == root->handle->epoch && lipm_is_locked(root->handle);
}

/*
 * Whether __close is called because a block has ended without an error, or because the program
 * calls it. In both cases Lua code is the caller. If the error is nil, or if a coroutine or the
 * state is closed, the caller is C. If the error of a finalizer ends the block, the call has the
 * finalizer's name.
 */
static inline bool has_ended(lua_State *L) {
    lua_Debug call;
    return lua_isnoneornil(L, 2) && lua_getstack(L, 0, &call) && lua_getinfo(L, "n", &call) &&
           call.name != NULL &&
           (strcmp(call.name, "close") == 0 || strcmp(call.namewhat, "metamethod") != 0);
}

/* Release the lock that the root view stands for. */
static IPM_OFTEN int end_lock(lua_State *L, lipm_root *root, bool is_commit) {
    ipm_error error;
    int code = drop_lock(root->handle, is_commit, &error);
    if (root->handle->memory->base == NULL)
        spare_root(root);
    return code != IPM_OK && is_commit ? lipm_raise(L, &error) : 0;
}

/* __close(view, error) */
static int root_close(lua_State *L) {
    lipm_root *root = check_root(L);
    if (!is_standing(root))
        return 0;
    return end_lock(L, root, root->handle->role == IPM_READER || has_ended(L));
}

/* Let the collector finalize the view at index 1 once more. */
static void finalize_again(lua_State *L) {
    lua_getmetatable(L, 1);
    lua_setmetatable(L, 1);
}

/* Put the view at index 1 back into the handle's table if it is spare. The collector removes a view
 * from a table with weak values before it calls the finalizer. The nested views stay with the view.
 * A closed handle takes no lock, so its view is not put back. */
static void put_back(lua_State *L, const lipm_root *root) {
    const lipm_handle *handle = root->handle;
    if (root != handle->root || !handle->is_root_spare || handle->segment == NULL)
        return;
    finalize_again(L);
    lua_getiuservalue(L, 1, LIPM_VIEW_CONTAINER);
    lua_getiuservalue(L, -1, LIPM_HANDLE_ROOT);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
}

/*
 * __gc(view): no code can reach the view or a view nested in it. If the program calls methods of
 * the handle under this lock, it still uses the lock. If a call of `with` took the lock, that call
 * has ended, so the program does not use the lock. The program may call its first method only
 * later, so the lock is released only when the collector finds the view unreachable a second time.
 */
static int root_collect(lua_State *L) {
    lipm_root *root = check_root(L);
    lipm_handle *handle = root->handle;
    if (!is_standing(root)) {
        put_back(L, root);
        return 0;
    }
    handle->is_lost = true;
    if (handle->is_pinned && !root->is_enclosed)
        return 0;
    if (!root->is_suspect) {
        root->is_suspect = true;
        finalize_again(L);
        return 0;
    }
    if (drop_lock(handle, false, NULL) == IPM_OK && !root->is_enclosed) {
        handle->was_forgotten = true;
        lipm_warnforgotten(L, handle);
    }
    return 0;
}

int lipm_enclose(lua_State *L, lipm_handle *handle, ipm_error *error) {
    lipm_root *root = prepare_root(L, handle);
    lua_replace(L, -2);
    lua_pushvalue(L, -1);
    lua_toclose(L, -2);
    lua_toclose(L, -1);
    int code = take_lock(L, root, IPM_FOREVER, error);
    root->is_enclosed = code == IPM_OK;
    return code;
}

void lipm_disclose(lua_State *L, int index) {
    end_lock(L, lua_touserdata(L, index), true);
}

/* ---- with -------------------------------------------------------------------------------- */

/* Stack indices. The view is marked to-be-closed twice: if a debug hook raises an error while Lua
 * closes the first mark, the second one is still there. */
enum { FUNCTION = 2, VIEW, VIEW_AGAIN };

/* The function has returned, perhaps after it has yielded: commit, and return its results. */
static int finish_with(lua_State *L, int status, lua_KContext context) {
    lipm_root *root = lua_touserdata(L, VIEW);
    (void)status;
    (void)context;
    int top = lua_gettop(L);
    luaL_checkstack(L, LUA_MINSTACK, "too many results");
    if (is_standing(root))
        end_lock(L, root, true);
    lua_settop(L, top);
    return top - VIEW_AGAIN;
}

/* Return the results of the repeated call of `with`, which are above the first `top` values. */
static int finish_again(lua_State *L, int status, lua_KContext top) {
    (void)status;
    return lua_gettop(L) - (int)top;
}

/* Call `with` or `try_with` again through Lua. The views that are marked to-be-closed cannot be
 * unmarked; they are closed without a lock. */
static int call_again(lua_State *L, int64_t timeout_ns, bool is_try, int extra) {
    int top = VIEW_AGAIN + 2 + extra;
    lua_settop(L, top);
    luaL_checkstack(L, extra + 4, "too many arguments");
    lua_pushcfunction(L, is_try ? lipm_handle_try_with : lipm_handle_with);
    lua_pushvalue(L, 1);
    if (is_try)
        lua_pushnumber(L, (lua_Number)timeout_ns / (lua_Number)IPM_SECOND);
    lua_pushvalue(L, FUNCTION);
    for (int i = 1; i <= extra; i++)
        lua_pushvalue(L, VIEW_AGAIN + 2 + i);
    lua_callk(L, lua_gettop(L) - top - 1, LUA_MULTRET, top, finish_again);
    return finish_again(L, LUA_OK, top);
}

void lipm_checkcallable(lua_State *L, int index, const char *name) {
    if (lua_isfunction(L, index))
        return;
    if (luaL_getmetafield(L, index, "__call") == LUA_TNIL) {
        lipm_pushshown(L, index);
        luaL_error(L, "%s takes a function, not %s", name, lua_tostring(L, -1));
    }
    lua_pop(L, 1);
}

/* Take the lock, and call the function at FUNCTION with the view and the values above it. */
static int call_locked(lua_State *L, lipm_handle *handle, int64_t timeout_ns, bool is_try) {
    ipm_error error;
    int extra = lua_gettop(L) - FUNCTION;
    lipm_checkcallable(L, FUNCTION, is_try ? "try_with" : "with");
    lipm_root *root = prepare_root(L, handle);
    lua_insert(L, VIEW);
    lua_pop(L, 1);
    lua_pushvalue(L, VIEW);
    lua_insert(L, VIEW_AGAIN);
    lua_pushvalue(L, FUNCTION);
    lua_insert(L, VIEW_AGAIN + 1);
    lua_pushvalue(L, VIEW);
    lua_insert(L, VIEW_AGAIN + 2);
    lua_toclose(L, VIEW);
    lua_toclose(L, VIEW_AGAIN);
    if (take_lock(L, root, timeout_ns, &error) != IPM_OK) {
        if (lipm_again(L, handle, &error))
            return call_again(L, timeout_ns, is_try, extra);
        return is_try ? lipm_fail(L, &error) : lipm_raise(L, &error);
    }
    root->is_enclosed = true;
    lua_callk(L, extra + 1, LUA_MULTRET, 0, finish_with);
    return finish_with(L, LUA_OK, 0);
}

/***
Call a function while the handle holds its lock. When the function returns, the changes are
committed. If it raises an error, an editor's changes are rolled back, and the error is passed on.
No error leaves the lock held, not even an error that a debug hook raises.
@function Handle:with
@tparam function fn called as `fn(view, ...)`
@param ... further arguments for `fn`
@return the results of `fn`
@raise the errors of `lock`, `unlock` and `fn`
*/
int lipm_handle_with(lua_State *L) {
    return call_locked(L, lipm_checkhandle(L), IPM_FOREVER, false);
}

/***
Call a function as `with` does, but wait for the lock at most for the given time. If the lock cannot
be had, the function is not called.
@function Handle:try_with
@tparam[opt=0] number seconds how long to wait at most; with 0 or less the call tries once. It may
be left out: `handle:try_with(fn)`
@tparam function fn called as `fn(view, ...)`
@param ... further arguments for `fn`
@return[1] the results of `fn`
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: `"timeout"`, or a code that `lock` raises
@raise an error if the handle holds its lock already, or is closed; the errors of `unlock` and `fn`
*/
int lipm_handle_try_with(lua_State *L) {
    lipm_handle *handle = lipm_checkhandle(L);
    int64_t timeout_ns = 0;
    if (lua_type(L, 2) == LUA_TNUMBER) {
        timeout_ns = lipm_checkseconds(L, 2, 0, handle->memory->type->name);
        lua_remove(L, 2);
    }
    return call_locked(L, handle, timeout_ns, true);
}
