#include "slice.h"

#include "../core/clock.h"
#include "../core/wait.h"
#include "error.h"
#include "follow.h"

#include <lauxlib.h>
#include <math.h>

lipm_deadline lipm_deadline_start(int64_t timeout_ns) {
    return (lipm_deadline){ipm_clock_deadline(timeout_ns)};
}

int64_t lipm_deadline_slice(const lipm_deadline *until) {
    if (until->end_ns == IPM_FOREVER)
        return IPM_SECOND;
    int64_t left = until->end_ns - ipm_clock_now();
    return left <= 0 ? 0 : left < IPM_SECOND ? left : IPM_SECOND;
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
    return seconds < 9e9 ? (int64_t)(seconds * (lua_Number)IPM_SECOND) : IPM_FOREVER;
}

/* A wait for the lock, which can end early to let a debug hook run. */
typedef struct lock_wait {
    lua_State *L;
    bool had_hook;   /* a hook was set when the wait began */
    bool makes_way;  /* the wait has ended for a hook */
    int64_t next_ns; /* on CLOCK_MONOTONIC: when the wait ends for a hook that was set before it */
} lock_wait;

static const void *makes_way(void *with) {
    lock_wait *wait = with;
    bool has_hook = lua_gethook(wait->L) != NULL;
    wait->makes_way = has_hook && (!wait->had_hook || ipm_clock_now() >= wait->next_ns);
    return wait->makes_way ? wait : NULL;
}

/* Wait until the handle has the lock, the time is over, or a hook has to run. */
static int wait_once(lua_State *L, lipm_handle *handle, int64_t end_ns, bool *is_for_hook,
                     ipm_error *error) {
    int64_t now_ns = ipm_clock_now();
    int64_t left_ns = end_ns == IPM_FOREVER ? IPM_FOREVER : end_ns > now_ns ? end_ns - now_ns : 0;
    lock_wait wait = {.L = L, .had_hook = lua_gethook(L) != NULL, .next_ns = now_ns + IPM_SECOND};
    ipm_segment_ask(handle->segment, makes_way, &wait);
    int code = lipm_lockfor(handle, left_ns, error);
    ipm_segment_ask(handle->segment, NULL, NULL);
    *is_for_hook = code == IPM_EINTERRUPTED && wait.makes_way;
    return code;
}

int lipm_keepwaiting(lua_State *L, lipm_handle *handle, int64_t timeout_ns, ipm_error *error) {
    int64_t end_ns = ipm_clock_deadline(timeout_ns);
    const lipm_memory *memory = handle->memory;
    for (;;) {
        bool is_for_hook;
        int code = wait_once(L, handle, end_ns, &is_for_hook, error);
        if (!is_for_hook)
            return code;
        lipm_runhooks(L);
        lipm_checkopen(L, handle);
        if (lipm_hasmoved(handle, memory, error))
            return (int)error->code;
    }
}

bool lipm_slice_ended(lua_State *L, int code, int64_t slice_ns) {
    if (code != IPM_EINTERRUPTED && (code != IPM_ETIMEOUT || slice_ns == 0))
        return false;
    lipm_runhooks(L);
    return true;
}

int lipm_waitcommit(lua_State *L, const lipm_handle *handle, uint64_t version,
                    const lipm_deadline *until, uint64_t *now, ipm_error *error) {
    for (;;) {
        int64_t slice_ns = lipm_deadline_slice(until);
        int code = ipm_segment_wait(handle->segment, version, slice_ns, now, error);
        if (!lipm_slice_ended(L, code, slice_ns))
            return code;
        lipm_checkopen(L, handle);
    }
}
