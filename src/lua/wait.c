/***
Waiting for a commit; sleeping.
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
Wait for a commit, or for the change of a field.

With a version, the call waits for a commit after that version. If there was one already, it returns
at once.

With the path of a field, the call waits until the field's value differs from the value that `wait`
saw last through this handle. The first wait for a field has no such value: it returns at once if
there was a commit since the handle was opened, and otherwise after the next commit that changes the
field.
@function Handle:wait
@tparam integer|string version a version, as `version` or `wait` returned it; or the path of a field,
which is not in a list or in an optional field
@tparam[opt] number seconds how long to wait at most; without it the call waits for ever
@treturn[1] integer|boolean|number|string|value with a version, the present version; with a path,
the field's new value, as `read` returns it
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: `"timeout"`, `"replaced"`, `"forked"`, `"system"`
@raise an error if the call has to wait while the handle holds its lock
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
The present time, in the same form as `header.time_stamp`.
@function now
@treturn number Unix seconds
*/
int lipm_now(lua_State *L) {
    lua_pushnumber(L, ipm_time());
    return 1;
}

/***
Sleep. Ctrl-C ends the sleep.
@function sleep
@tparam number seconds how long to sleep; with 0 or less the call returns at once
@raise an error if `seconds` is not a number
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
