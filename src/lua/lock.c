/***
Taking and releasing a handle's lock, and the root view that stands for it.

The root view exists before the lock is taken, and knows by its epoch for which lock it stands.
One that its own closing ended is kept for the next lock, so that locking allocates nothing;
one whose lock was released otherwise may still be somebody's <close> variable, and is spent.
@submodule ipmmap
*/
#include "../core/abandon.h"
#include "error.h"
#include "follow.h"
#include "functions.h"
#include "handle.h"
#include "index.h"
#include "slice.h"

#include <lauxlib.h>
#include <string.h>

/* The view that lock() returns; it releases the lock if its epoch is still the handle's. */
typedef struct lipm_root {
    lipm_view view;
    lipm_handle *handle;
    uint64_t epoch;
    bool is_suspect;  /* was unreachable once, perhaps before the first method was used */
    bool is_enclosed; /* by a call of `with`, for as long as which it can be reached */
} lipm_root;

static int root_close(lua_State *L);
static int root_collect(lua_State *L);

static const luaL_Reg root_metamethods[] = {
    {"__close", root_close},
    {"__gc", root_collect},
    {NULL, NULL},
};

/* Push the spare root view of the handle at 1, which is spare no longer, or a new one. */
static lipm_root *push_root(lua_State *L, lipm_handle *handle) {
    lipm_root *root = handle->spare;
    if (root != NULL) {
        lua_getiuservalue(L, 1, LIPM_HANDLE_SPARE);
        handle->spare = NULL;
        lua_pushnil(L);
        lua_setiuservalue(L, 1, LIPM_HANDLE_SPARE);
        return root;
    }
    lua_getiuservalue(L, 1, LIPM_HANDLE_STRUCT);
    root = lua_newuserdatauv(L, sizeof *root, LIPM_VIEW_VALUES);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LIPM_VIEW_CONTAINER);
    const lipm_names *names =
        lipm_pushrootmetatable(L, lua_absindex(L, -2), handle->layout, root_metamethods);
    *root = (lipm_root){
        .view = {&lipm_view_brand, {handle->memory, handle->memory->type, 0}, names},
        .handle = handle,
    };
    lua_setmetatable(L, -2);
    lua_replace(L, -2);
    return root;
}

/* Keep the root view at `index`, which stands for no lock, for the handle's next one.
 * Pushes the handle. */
static inline void keep_root(lua_State *L, int index, lipm_root *root) {
    lua_getiuservalue(L, index, LIPM_VIEW_CONTAINER);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, LIPM_HANDLE_SPARE);
    root->handle->spare = root;
}

static IPM_COLD int refuse_second(lua_State *L, const lipm_handle *handle) {
    return luaL_error(L,
                      "%s: this handle holds its lock already%s, and unlock() or rollback() "
                      "releases it; the end of a block releases it only where the view is a "
                      "<close> variable",
                      handle->memory->type->name,
                      handle->is_lost ? ": its view was lost before it was marked <close>, or was "
                                        "never marked"
                                      : "");
}

/* Push the root view for the lock that is to be taken; refuse a second lock. */
static inline lipm_root *prepare_root(lua_State *L, lipm_handle *handle) {
    if (lipm_is_locked(handle))
        refuse_second(L, handle);
    lipm_root *root = push_root(L, handle);
    lipm_checkopen(L, handle);
    return root;
}

/* Take the lock, for which the root view at `index` is to stand. */
static inline int take_lock(lua_State *L, int index, lipm_root *root, int64_t timeout_ns,
                            ipm_error *error) {
    lipm_handle *handle = root->handle;
    int code = lipm_waitlock(L, handle, timeout_ns, error);
    if (code != IPM_OK) {
        keep_root(L, lua_absindex(L, index), root);
        return code;
    }
    handle->memory->base = (unsigned char *)ipm_segment_data(handle->segment);
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
    if (code == IPM_OK || code == IPM_EREPLACED)
        handle->memory->base = NULL;
    return code;
}

/***
Take the role's lock, for writing or for reading, and wait for it.
@function Handle:lock
@treturn view the struct in live memory, to be closed: `local data <close> = editor:lock()`.
The end of its block commits, also by `return`, `break` and `goto`. An error rolls back, and so does
whatever else closes it: `coroutine.close`, `os.exit(code, true)`, a C function (which can call
`unlock`). Without `<close>` the lock is held until `unlock` or `rollback`, or until the collector
finds the view forgotten, rolls back and warns. An error that a debug hook raises (a watchdog,
Ctrl-C) can come after `lock` has returned and before its view is marked, or as the view is closed:
then the lock is held as without `<close>`. Programs that go on after such an error use `with`,
which has no such moment
@raise a bug: the handle holds its lock already, or is closed; an error object: `"deadlock"`,
`"incompatible"`, `"permission"` and `"no_space"` (of a reader that cannot use the lock file),
`"replaced"`, `"forked"`, `"system"`
*/
int lipm_handle_lock(lua_State *L) {
    lipm_handle *handle = lipm_checkhandle(L);
    ipm_error error;
    lipm_root *root = prepare_root(L, handle);
    if (take_lock(L, -1, root, IPM_FOREVER, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_lock);
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
    int64_t timeout_ns = lipm_checkseconds(L, 2, 0, handle->memory->type->name);
    ipm_error error;
    int code;
    do {
        lua_settop(L, 1);
        lipm_root *root = prepare_root(L, handle);
        code = take_lock(L, -1, root, timeout_ns, &error);
    } while (code != IPM_OK && lipm_again(L, handle, &error));
    return code == IPM_OK ? 1 : lipm_fail(L, &error);
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
Release the lock; an editor's changes are committed.
@function Handle:unlock
@raise without a lock; an error object: `"replaced"` if the segment was replaced or destroyed
meanwhile, so that nobody will see the changes, `"forked"`
*/
int lipm_handle_unlock(lua_State *L) {
    return end_by_hand(L, lipm_pinhandle(L), true);
}

/***
Undo everything since the lock was taken, and release it. Editors and managers.
@function Handle:rollback
@raise as for `unlock`
*/
int lipm_handle_rollback(lua_State *L) {
    return end_by_hand(L, lipm_pinwriter(L), false);
}

/* ---- The root view's end ----------------------------------------------------------------- */

/* Of the views of handles only root views are as large. */
static inline lipm_root *check_root(lua_State *L) {
    lipm_root *root = lua_touserdata(L, 1);
    if (root == NULL || lua_rawlen(L, 1) != sizeof *root || root->view.brand != &lipm_view_brand ||
        !root->view.place.memory->is_live)
        luaL_typeerror(L, 1, "view of a lock");
    return root;
}

/* Whether the lock that the view stands for is held; not so in the child of a fork. */
static bool is_standing(const lipm_root *root) {
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

/* Release the lock that the root view at `index` stands for. */
static IPM_OFTEN int end_lock(lua_State *L, int index, lipm_root *root, bool is_commit) {
    ipm_error error;
    int code = drop_lock(root->handle, is_commit, &error);
    if (root->handle->memory->base == NULL)
        keep_root(L, index, root);
    return code != IPM_OK && is_commit ? lipm_raise(L, &error) : 0;
}

/* __close(view, error) */
static int root_close(lua_State *L) {
    lipm_root *root = check_root(L);
    if (!is_standing(root))
        return 0;
    return end_lock(L, 1, root, root->handle->role == IPM_READER || has_ended(L));
}

/*
 * __gc(view): nobody can reach the view nor what is nested in it. That is no harm if the handle's
 * methods are used under this lock, unless a call of `with` took it, which must have ended. The
 * first of them may be yet to come, so the lock is let go only when the view is found unreachable a
 * second time.
 */
static int root_collect(lua_State *L) {
    lipm_root *root = check_root(L);
    lipm_handle *handle = root->handle;
    if (!is_standing(root))
        return 0;
    handle->is_lost = true;
    if (handle->is_pinned && !root->is_enclosed)
        return 0;
    if (!root->is_suspect) {
        root->is_suspect = true;
        lua_getmetatable(L, 1);
        lua_setmetatable(L, 1);
        return 0;
    }
    if (drop_lock(handle, false, NULL) == IPM_OK && !root->is_enclosed) {
        handle->was_forgotten = true;
        lipm_warnforgotten(L, handle);
    }
    return 0;
}

/* ---- with -------------------------------------------------------------------------------- */

/* The view is marked <close> twice, so that an error of a debug hook that Lua calls as it closes
 * the first mark leaves another. */
enum { FUNCTION = 2, VIEW, VIEW_AGAIN };

/* The function has returned, perhaps after it has yielded: commit, and return what it returned. */
static int finish_with(lua_State *L, int status, lua_KContext context) {
    lipm_root *root = lua_touserdata(L, VIEW);
    (void)status;
    (void)context;
    int top = lua_gettop(L);
    luaL_checkstack(L, LUA_MINSTACK, "too many results");
    if (is_standing(root))
        end_lock(L, VIEW, root, true);
    lua_settop(L, top);
    return top - VIEW_AGAIN;
}

/* What `with` returned when it was called again, under the first `top` values. */
static int finish_again(lua_State *L, int status, lua_KContext top) {
    (void)status;
    return lua_gettop(L) - (int)top;
}

/* Call `with` again, by Lua: the marks cannot be taken back, and they end without a lock. */
static int with_again(lua_State *L, int extra) {
    int top = VIEW_AGAIN + 2 + extra;
    lua_settop(L, top);
    luaL_checkstack(L, extra + 3, "too many arguments");
    lua_pushcfunction(L, lipm_handle_with);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, FUNCTION);
    for (int i = 1; i <= extra; i++)
        lua_pushvalue(L, VIEW_AGAIN + 2 + i);
    lua_callk(L, extra + 2, LUA_MULTRET, top, finish_again);
    return finish_again(L, LUA_OK, top);
}

static void check_callable(lua_State *L) {
    if (lua_isfunction(L, FUNCTION))
        return;
    if (luaL_getmetafield(L, FUNCTION, "__call") == LUA_TNIL) {
        lipm_pushshown(L, FUNCTION);
        luaL_error(L, "with takes a function, not %s", lua_tostring(L, -1));
    }
    lua_pop(L, 1);
}

/***
Call a function under the handle's lock: committed when it returns; on an error an editor rolls
back, and the error goes on. No error leaves the lock held, one that a debug hook raises included.
@function Handle:with
@tparam function fn called with the view and the other arguments
@param ... further arguments
@return what `fn` returned
@raise what `lock`, `unlock` and `fn` raise
*/
int lipm_handle_with(lua_State *L) {
    lipm_handle *handle = lipm_checkhandle(L);
    ipm_error error;
    int extra = lua_gettop(L) - FUNCTION;
    check_callable(L);
    lipm_root *root = prepare_root(L, handle);
    lua_insert(L, VIEW);
    lua_pushvalue(L, VIEW);
    lua_insert(L, VIEW_AGAIN);
    lua_pushvalue(L, FUNCTION);
    lua_insert(L, VIEW_AGAIN + 1);
    lua_pushvalue(L, VIEW);
    lua_insert(L, VIEW_AGAIN + 2);
    lua_toclose(L, VIEW);
    lua_toclose(L, VIEW_AGAIN);
    if (take_lock(L, VIEW, root, IPM_FOREVER, &error) != IPM_OK)
        return lipm_again(L, handle, &error) ? with_again(L, extra) : lipm_raise(L, &error);
    root->is_enclosed = true;
    lua_callk(L, extra + 1, LUA_MULTRET, 0, finish_with);
    return finish_with(L, LUA_OK, 0);
}
