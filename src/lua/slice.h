/*
 * Waiting, so that Lua can interrupt it. A debug hook can raise an error, which is how lua's Ctrl-C
 * works, but hooks only run while Lua runs. So a wait for a commit, and a sleep, call an empty
 * function once a second. A wait for the lock would lose its place in the queue by that, so it ends
 * only for a hook: at once for one that is set during the wait, and once a second for one that was
 * set before.
 */
#ifndef LIPM_SLICE_H
#define LIPM_SLICE_H

#include "handle.h"

/* A time to wait until. */
typedef struct lipm_deadline {
    int64_t end_ns; /* on the monotonic clock; IPM_FOREVER: none */
} lipm_deadline;

lipm_deadline lipm_deadline_start(int64_t timeout_ns);

/* How long to wait now: what is left, at most a second; 0 when the time has come. */
int64_t lipm_deadline_slice(const lipm_deadline *until);

void lipm_runhooks(lua_State *L);

/*
 * Whether a wait of a slice ended with the slice, and not with what it waited for or with the whole
 * time: then hooks have run, which may have closed what is waited with, and the next slice begins.
 * code  what the wait returned
 */
bool lipm_slice_ended(lua_State *L, int code, int64_t slice_ns);

/*
 * Seconds at `index` in nanoseconds: `absent` if there is none; below 0 counts as 0.
 * whose  what a refusal begins with: the struct's name
 */
int64_t lipm_checkseconds(lua_State *L, int index, int64_t absent, const char *whose);

/* Take a segment's lock as ipm_segment_lock does, but let hooks interrupt the waiting. */
int lipm_waitlock(lua_State *L, lipm_handle *handle, int64_t timeout_ns, ipm_error *error);

/* Sleep until a commit after `version`, as ipm_segment_wait does, but let hooks interrupt it. */
int lipm_waitcommit(lua_State *L, const lipm_handle *handle, uint64_t version,
                    const lipm_deadline *until, uint64_t *now, ipm_error *error);

#endif
