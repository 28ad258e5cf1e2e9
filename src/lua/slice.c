#include "slice.h"

#include "../core/clock.h"
#include "error.h"

#include <lauxlib.h>
#include <math.h>

/* In nanoseconds. */
#define LONGEST_SLICE INT64_C(1000000000)

lipm_deadline lipm_deadline_start(int64_t timeout_ns) {
    return (lipm_deadline){ipm_clock_deadline(timeout_ns)};
}

int64_t lipm_deadline_slice(const lipm_deadline *until) {
    if (until->end_ns == IPM_FOREVER)
        return LONGEST_SLICE;
    int64_t left = until->end_ns - ipm_clock_now();
    return left <= 0 ? 0 : left < LONGEST_SLICE ? left : LONGEST_SLICE;
}

static int nothing(lua_State *L) {
    (void)L;
    return 0;
}

void lipm_runhooks(lua_State *L) {
    lua_pushcfunction(L, nothing);
    lua_call(L, 0, 0);
}

int64_t lipm_checkseconds(lua_State *L, int index, int64_t absent, const char *whose) {
    if (lua_isnoneornil(L, index))
        return absent;
    lua_Number seconds = lua_tonumber(L, index);
    if (lua_type(L, index) != LUA_TNUMBER || isnan(seconds)) {
        lipm_pushshown(L, index);
        luaL_error(L, "%s: %s is not a number of seconds", whose, lua_tostring(L, -1));
    }
    if (seconds <= 0)
        return 0;
    return seconds < 9e9 ? (int64_t)(seconds * 1e9) : IPM_FOREVER;
}

/* A transaction begins with nothing made ready. */
static int lock_for(lipm_handle *handle, int64_t timeout_ns, ipm_error *error) {
    int code = ipm_segment_lock(handle->segment, timeout_ns, error);
    handle->memory.ready_size = 0;
    return code;
}

static int keep_waiting(lua_State *L, lipm_handle *handle, int64_t timeout_ns, ipm_error *error) {
    lipm_deadline until = lipm_deadline_start(timeout_ns);
    for (;;) {
        lipm_runhooks(L);
        lipm_checkopen(L, handle);
        int64_t now_ns = lipm_deadline_slice(&until);
        int code = lock_for(handle, now_ns, error);
        if (code != IPM_ETIMEOUT || now_ns == 0)
            return code;
    }
}

/* A lock that is had within the first slice, as most are, costs no look at the clock here. */
int lipm_waitlock(lua_State *L, lipm_handle *handle, int64_t timeout_ns, ipm_error *error) {
    int64_t first_ns = timeout_ns < LONGEST_SLICE ? timeout_ns : LONGEST_SLICE;
    int code = lock_for(handle, first_ns, error);
    return code == IPM_ETIMEOUT && first_ns < timeout_ns
               ? keep_waiting(L, handle, timeout_ns - first_ns, error)
               : code;
}

int lipm_waitcommit(lua_State *L, const lipm_handle *handle, uint64_t version,
                    const lipm_deadline *until, uint64_t *now, ipm_error *error) {
    for (;;) {
        int64_t now_ns = lipm_deadline_slice(until);
        int code = ipm_segment_wait(handle->segment, version, now_ns, now, error);
        if (code != IPM_EINTERRUPTED && (code != IPM_ETIMEOUT || now_ns == 0))
            return code;
        lipm_runhooks(L);
        lipm_checkopen(L, handle);
    }
}
