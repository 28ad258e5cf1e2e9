/***
Segments on several machines: where they may be written, and the commits of other machines.
@submodule ipmmap
*/
#include "share.h"

#include "../core/clock.h"
#include "error.h"
#include "follow.h"
#include "functions.h"
#include "own.h"

#include <lauxlib.h>

/* No time is later, in seconds: it would not fit into nanoseconds. */
#define LAST_TIME 9e9

static const char *const places[] = {"unshared", "home", "replica"};

static int64_t nanoseconds(lua_Number seconds) {
    return (int64_t)(seconds * (lua_Number)IPM_SECOND + 0.5);
}

/* ---- Where it may be written -------------------------------------------------------------- */

static void set_number(lua_State *L, const char *name, uint64_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

void lipm_pushshare(lua_State *L, const ipm_share *share) {
    lua_createtable(L, 0, 5);
    lua_pushstring(L, places[share->place]);
    lua_setfield(L, -2, "place");
    set_number(L, "epoch", share->epoch);
    set_number(L, "ahead", share->ahead);
    set_number(L, "token", share->token);
    if (share->deadline != 0) {
        lua_pushnumber(L, (lua_Number)share->deadline / (lua_Number)IPM_SECOND);
        lua_setfield(L, -2, "deadline");
    }
}

/***
Where the segment may be written, if several machines have it. One of them is its *home*: editors
may write there. The others have *replicas*, whose editors get the code `"not_home"`. A home may be
written until a deadline, which the program that shares the segment moves again and again. All
others are unshared.
@function Handle:share
@treturn table `place`: `"unshared"`, `"home"` or `"replica"`; `epoch`, of the home whose commits
the segment has, 0 if that is not known; `ahead`: how much larger the segment's version is than that
of the home; `token`, of the home's lease, 0 if it has none; `deadline`: until when editors may
commit, in seconds of `boottime`, nil if there is none, or if it is of another boot or time
namespace
@raise an error object: `"replaced"`, `"forked"`
*/
int lipm_handle_share(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    ipm_share share;
    ipm_error error;
    if (ipm_segment_share(handle->segment, &share, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_share);
    lipm_pushshare(L, &share);
    return 1;
}

/* set_share(handle, place, deadline, epoch, ahead, token), of which share.lua has checked all but
 * the handle. */
int lipm_setshare(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    const ipm_share share = {
        .place = (ipm_place)luaL_checkinteger(L, 2),
        .deadline = nanoseconds(luaL_checknumber(L, 3)),
        .epoch = (uint64_t)luaL_checkinteger(L, 4),
        .ahead = (uint64_t)luaL_checkinteger(L, 5),
        .token = (uint64_t)luaL_checkinteger(L, 6),
    };
    ipm_error error;
    if (ipm_segment_set_share(handle->segment, &share, &error) != IPM_OK)
        return lipm_raise(L, &error);
    return 0;
}

/***
The time since the machine was started, in which deadlines count. It includes the time for which the
machine was suspended, and nobody can set it.
@function boottime
@treturn number seconds
*/
int lipm_boottime(lua_State *L) {
    lua_pushnumber(L, (lua_Number)ipm_boottime() / (lua_Number)IPM_SECOND);
    return 1;
}

/* ---- Commits of other machines ------------------------------------------------------------ */

static const char *patch_at(lua_State *L, const lipm_handle *handle, int index, size_t *size) {
    if (lua_type(L, index) != LUA_TSTRING) {
        lipm_pushshown(L, index);
        luaL_error(L, "%s: %s is not a patch", lipm_handlename(handle), lua_tostring(L, -1));
    }
    return lua_tolstring(L, index, size);
}

/* The time at index 4, in nanoseconds; 0 if there is none. */
static int64_t check_time(lua_State *L, const lipm_handle *handle) {
    lua_Number time = lua_tonumber(L, 4);
    if (lua_isnoneornil(L, 4))
        return 0;
    if (lua_type(L, 4) != LUA_TNUMBER || !(time >= 0 && time <= LAST_TIME)) {
        lipm_pushshown(L, 4);
        luaL_error(L, "%s: %s is not a time in seconds", lipm_handlename(handle),
                   lua_tostring(L, -1));
    }
    return nanoseconds(time);
}

/***
Commit what a patch says, as another machine has committed it. This is a transaction of its own, or
the first change under the handle's lock. If it fails, nothing is changed. Managers only.
@function Handle:apply
@tparam string patch as `Feed:patch` returns it; it may be empty, and includes the common header
@tparam integer version the version that the segment gets with this commit. It is greater than the
present one, and may skip some
@tparam[opt] number time when the commit was made, in Unix seconds, as `Feed:time` returns it; by
default now
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: `"corrupt"`: it is no patch of this struct, or would store what is no value
of a field; or a code that `lock` raises
@raise an error if the manager does not have the option `shares`, if the version is not greater, or
if something was changed under this lock already
*/
int lipm_handle_apply(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    size_t size;
    bool has_begun;
    ipm_error error;
    const char *patch = patch_at(L, handle, 2, &size);
    uint64_t version = lipm_checkversion(L, 3, handle);
    int64_t time_ns = check_time(L, handle);
    int code = lipm_beginown(L, handle, handle->memory, &has_begun, &error);
    if (code == IPM_OK) {
        code = ipm_segment_apply(handle->segment, patch, size, version, time_ns, &error);
        int finished = lipm_finishown(handle, has_begun, code == IPM_OK, &error);
        code = code == IPM_OK ? finished : code;
    }
    if (code != IPM_OK)
        return lipm_fail(L, &error);
    lua_pushboolean(L, true);
    return 1;
}

/***
Change the segment at its home for another machine: store the bytes of a patch if other bytes still
are as expected. This is a transaction of its own, or a part of that of the handle's lock. It is
refused where an editor would be. Managers only.
@function Handle:edit
@tparam string expected a patch of the bytes that the segment must have; it may be empty
@tparam string patch of the bytes to store; without the common header
@treturn[1] boolean true: they are stored; false: the segment has other bytes than expected, and
nothing was changed
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: `"not_home"`; `"corrupt"`: one is no patch of this struct, or would store
what is no value of a field; or a code that `lock` raises
@raise an error if the manager does not have the option `shares`
*/
int lipm_handle_edit(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    size_t expected_size, size;
    bool has_begun, is_applied = false;
    ipm_error error;
    const char *expected = patch_at(L, handle, 2, &expected_size);
    const char *patch = patch_at(L, handle, 3, &size);
    int code = lipm_beginown(L, handle, handle->memory, &has_begun, &error);
    if (code == IPM_OK) {
        code = ipm_segment_edit(handle->segment, expected, expected_size, patch, size, &is_applied,
                                &error);
        int finished = lipm_finishown(handle, has_begun, code == IPM_OK, &error);
        code = code == IPM_OK ? finished : code;
    }
    if (code != IPM_OK)
        return lipm_fail(L, &error);
    lua_pushboolean(L, is_applied);
    return 1;
}
