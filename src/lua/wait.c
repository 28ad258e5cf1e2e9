/***
Waiting for a commit, and sleeping.
@submodule ipmmap
*/
#include "../core/clock.h"
#include "changed.h"
#include "error.h"
#include "follow.h"
#include "functions.h"
#include "slice.h"

#include <lauxlib.h>
#include <time.h>

/***
Wait for a commit after a version.
@function Handle:wait
@tparam integer|string version as `version()` or `wait` gave it; or the path of a field to wait for
a change of
@tparam[opt] number seconds how long at most; without it for ever
@treturn[1] integer|boolean|number|string|value the version now, at once if it is newer already; or
the field's new value, as `read` returns it, as soon as it differs from the one that `wait` saw last
through this handle. What was there when the handle was opened counts as seen: the first wait for a
field returns at once if there was a commit since
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: `"timeout"`, `"replaced"`, `"forked"`, `"system"`
@raise if it would sleep while the handle holds its lock
*/
int lipm_handle_wait(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    if (lua_type(L, 2) == LUA_TSTRING)
        return lipm_waitfield(L, handle);
    const char *name = handle->memory->type->name;
    int is_whole;
    lua_Integer version = lua_tointegerx(L, 2, &is_whole);
    if (!is_whole || version < 0) {
        lipm_pushshown(L, 2);
        return luaL_error(L, "%s: %s is neither a version nor a field's path", name,
                          lua_tostring(L, -1));
    }
    uint64_t now;
    lipm_deadline until = lipm_deadline_start(lipm_checkseconds(L, 3, IPM_FOREVER, name));
    ipm_error error;
    int code;
    do
        code = lipm_waitcommit(L, handle, (uint64_t)version, &until, &now, &error);
    while (code != IPM_OK && lipm_again(L, handle, &error));
    if (code != IPM_OK)
        return lipm_fail(L, &error);
    lua_pushinteger(L, (lua_Integer)now);
    return 1;
}

/***
The time as `header.time_stamp` has it.
@function now
@treturn number Unix seconds
*/
int lipm_now(lua_State *L) {
    lua_pushnumber(L, ipm_time());
    return 1;
}

/***
Sleep; Ctrl-C ends it.
@function sleep
@tparam number seconds 0 or less: not at all
@raise not a number
*/
int lipm_sleep(lua_State *L) {
    luaL_checkany(L, 1);
    lipm_deadline until = lipm_deadline_start(lipm_checkseconds(L, 1, 0, "sleep"));
    int64_t now_ns;
    while ((now_ns = lipm_deadline_slice(&until)) > 0) {
        struct timespec time = ipm_clock_timespec(now_ns);
        nanosleep(&time, NULL);
        lipm_runhooks(L);
    }
    return 0;
}
