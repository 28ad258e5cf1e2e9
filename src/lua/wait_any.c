/***
@submodule ipmmap
*/
#include "error.h"
#include "follow.h"
#include "functions.h"
#include "slice.h"

#include <lauxlib.h>

/* Stack indices. */
enum { ANY_LIST = 1, ANY_LIMIT, ANY_SEGMENTS, ANY_VERSIONS };

/* The handle at an index of the list, which it leaves on the stack. */
static lipm_handle *push_member(lua_State *L, lua_Integer index) {
    lua_rawgeti(L, ANY_LIST, index);
    lipm_handle *handle = lua_touserdata(L, -1);
    if (handle == NULL || lua_rawlen(L, -1) != sizeof *handle ||
        handle->brand != &lipm_handle_brand) {
        lipm_pushshown(L, -1);
        luaL_error(L, "wait_any takes a list of handles, and its element %I is %s", index,
                   lua_tostring(L, -1));
        return NULL; /* never: luaL_error raises */
    }
    lipm_checkopen(L, handle);
    return handle;
}

/* Fill the arrays for the core. returns  where it is to begin: after the handle reported last */
static size_t list_members(lua_State *L, size_t count) {
    ipm_segment **segments = lua_touserdata(L, ANY_SEGMENTS);
    uint64_t *versions = lua_touserdata(L, ANY_VERSIONS);
    uint64_t last = 0;
    size_t first = 0;
    for (size_t i = 0; i < count; i++) {
        const lipm_handle *handle = push_member(L, (lua_Integer)i + 1);
        segments[i] = handle->segment;
        versions[i] = handle->reported;
        if (handle->turn > last) {
            last = handle->turn;
            first = (i + 1) % count;
        }
        lua_pop(L, 1);
    }
    return first;
}

/* Push the handle and its version, and take note that it was reported. */
static int report_member(lua_State *L, size_t count, size_t which, uint64_t version) {
    uint64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        const lipm_handle *handle = push_member(L, (lua_Integer)i + 1);
        last = handle->turn > last ? handle->turn : last;
        lua_pop(L, 1);
    }
    lipm_handle *handle = push_member(L, (lua_Integer)which + 1);
    handle->reported = version;
    handle->turn = last + 1;
    lua_pushinteger(L, (lua_Integer)version);
    return 2;
}

/* Whether the handle that failed follows, so that the wait goes on. */
static bool member_follows(lua_State *L, size_t which, ipm_error *error) {
    lipm_handle *handle = push_member(L, (lua_Integer)which + 1);
    bool result = error->code == IPM_EREPLACED && handle->follows && !lipm_is_locked(handle) &&
                  lipm_follow(L, lua_gettop(L), handle, error) == IPM_OK;
    lua_pop(L, 1);
    return result;
}

/***
Wait for a commit to any of several segments: for the first one that `wait_any` has not reported of
that handle. For a handle that it has not reported yet, that is a commit since the handle was
opened. If several handles have one, they are reported in turn.

It takes any number of handles, of any roles, and needs neither an event loop nor a descriptor for
each of them: during the call the process has one inotify instance, and if it can have none, it
looks every 10 ms. The cost of a call grows with the number of handles.
@function wait_any
@tparam {handle,...} handles a list of open handles, which do not hold their locks
@tparam[opt] number seconds how long to wait at most; without it the call waits for ever
@treturn[1] handle the handle of the segment
@treturn[1] integer its present version
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: `"timeout"`, `"replaced"`, `"forked"`
@treturn[2] handle the handle that failed, unless the code is `"timeout"`
@raise an error if the list is empty or has anything but open handles, or if the call has to wait
while one of them holds its lock
*/
int lipm_wait_any(lua_State *L) {
    if (lua_type(L, ANY_LIST) != LUA_TTABLE || lua_rawlen(L, ANY_LIST) == 0) {
        lipm_pushshown(L, ANY_LIST);
        return luaL_error(L, "wait_any takes a list of handles, not %s",
                          lua_istable(L, ANY_LIST) ? "an empty table" : lua_tostring(L, -1));
    }
    lua_settop(L, ANY_LIMIT);
    lipm_deadline until =
        lipm_deadline_start(lipm_checkseconds(L, ANY_LIMIT, IPM_FOREVER, "wait_any"));
    size_t count = lua_rawlen(L, ANY_LIST);
    lua_newuserdatauv(L, count * sizeof(ipm_segment *), 0);
    lua_newuserdatauv(L, count * sizeof(uint64_t), 0);
    for (;;) {
        size_t which = 0;
        uint64_t version = 0;
        ipm_error error;
        if (lua_rawlen(L, ANY_LIST) != count)
            return luaL_error(L, "wait_any: the list has changed during the call");
        size_t first = list_members(L, count);
        int64_t slice_ns = lipm_deadline_slice(&until);
        int code = ipm_wait_any(lua_touserdata(L, ANY_SEGMENTS), lua_touserdata(L, ANY_VERSIONS),
                                count, first, slice_ns, &which, &version, &error);
        if (code == IPM_OK)
            return report_member(L, count, which, version);
        if (lipm_slice_ended(L, code, slice_ns) || member_follows(L, which, &error))
            continue;
        int results = lipm_fail(L, &error);
        if (code == IPM_ETIMEOUT)
            return results;
        lua_rawgeti(L, ANY_LIST, (lua_Integer)which + 1);
        return results + 1;
    }
}
