/***
Waiting, so that Lua can interrupt it.

Nothing waits longer than a second at a time. Between two slices an empty function is called:
there a pending debug hook runs and can raise, which is how lua's Ctrl-C works.
@submodule ipmmap
*/
#include "lipm.h"

#include <errno.h>
#include <math.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

typedef struct deadline {
    int64_t end_ns; /* on the monotonic clock; IPM_FOREVER: none */
} deadline;

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static deadline start(int64_t timeout_ns) {
    int64_t now = timeout_ns == IPM_FOREVER ? 0 : clock_ns();
    return (deadline){timeout_ns >= IPM_FOREVER - now ? IPM_FOREVER : now + timeout_ns};
}

/* How long to wait now: what is left, at most a second; 0 when the time has come. */
static int64_t slice(const deadline *until) {
    if (until->end_ns == IPM_FOREVER) {
        return SECOND;
    }
    int64_t left = until->end_ns - clock_ns();
    return left <= 0 ? 0 : left < SECOND ? left : SECOND;
}

static int nothing(lua_State *L) {
    (void)L;
    return 0;
}

static void run_hooks(lua_State *L) {
    lua_pushcfunction(L, nothing);
    lua_call(L, 0, 0);
}

int64_t lipm_checkseconds(lua_State *L, int index, int64_t absent) {
    if (lua_isnoneornil(L, index)) {
        return absent;
    }
    luaL_checktype(L, index, LUA_TNUMBER);
    lua_Number seconds = lua_tonumber(L, index);
    luaL_argcheck(L, !isnan(seconds), index, "seconds are not a number");
    if (seconds <= 0) {
        return 0;
    }
    return seconds < 9e9 ? (int64_t)(seconds * (lua_Number)SECOND) : IPM_FOREVER;
}

/* A transaction begins with nothing made ready. */
static int lock(lipm_handle *handle, int64_t timeout_ns, ipm_error *error) {
    int code = ipm_segment_lock(handle->segment, timeout_ns, error);
    handle->memory.ready_size = 0;
    return code;
}

int lipm_waitlock(lua_State *L, lipm_handle *handle, int64_t timeout_ns, ipm_error *error) {
    if (timeout_ns == 0) {
        return lock(handle, 0, error);
    }
    deadline until = start(timeout_ns);
    for (;;) {
        int64_t now_ns = slice(&until);
        int code = lock(handle, now_ns, error);
        if (code != IPM_ETIMEOUT || now_ns == 0) {
            return code;
        }
        run_hooks(L);
        lipm_checkopen(L, handle);
    }
}

/***
Wait for a commit after a version.
@function Handle:wait
@tparam integer version as `version()` or `wait` gave it
@tparam[opt] number seconds how long at most; without it for ever
@treturn[1] integer the version now; at once if it is newer already
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: `"timeout"`, `"replaced"`, `"forked"`, `"system"`
@raise if it would sleep while the handle holds its lock
*/
int lipm_handle_wait(lua_State *L) {
    lipm_handle *handle = lipm_checkhandle(L);
    luaL_checktype(L, 2, LUA_TNUMBER);
    lua_Integer version = luaL_checkinteger(L, 2);
    luaL_argcheck(L, version >= 0, 2, "a version is not negative");
    uint64_t now;
    deadline until = start(lipm_checkseconds(L, 3, IPM_FOREVER));
    for (;;) {
        ipm_error error;
        int64_t now_ns = slice(&until);
        int code = ipm_segment_wait(handle->segment, (uint64_t)version, now_ns, &now, &error);
        if (code == IPM_OK) {
            lua_pushinteger(L, (lua_Integer)now);
            return 1;
        }
        if (code != IPM_EINTERRUPTED && (code != IPM_ETIMEOUT || now_ns == 0)) {
            return lipm_fail(L, &error);
        }
        run_hooks(L);
        lipm_checkopen(L, handle);
    }
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
    luaL_checktype(L, 1, LUA_TNUMBER);
    deadline until = start(lipm_checkseconds(L, 1, 0));
    int64_t now_ns;
    while ((now_ns = slice(&until)) > 0) {
        struct timespec time = {.tv_sec = now_ns / SECOND, .tv_nsec = now_ns % SECOND};
        nanosleep(&time, NULL);
        run_hooks(L);
    }
    return 0;
}
