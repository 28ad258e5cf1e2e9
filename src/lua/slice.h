/*
 * Waits that Lua can interrupt. A debug hook can raise an error; the lua program handles Ctrl-C in
 * this way. But hooks run only while Lua code runs. So a wait for a commit, and a sleep, call an
 * empty Lua function once a second. A wait for the lock loses its place in the queue when it ends.
 * So it ends only if there is a hook: at once for a hook that is set during the wait, and once a
 * second for a hook that was set before.
 */
#ifndef LIPM_SLICE_H
#define LIPM_SLICE_H

#include "handle.h"

/* A time to wait until. */
typedef struct lipm_deadline {
    int64_t end_ns; /* on CLOCK_MONOTONIC; IPM_FOREVER: no end */
} lipm_deadline;

lipm_deadline lipm_deadline_start(int64_t timeout_ns);

/* The length of the next wait in nanoseconds: the time left, at most a second; 0 after the end. */
int64_t lipm_deadline_slice(const lipm_deadline *until);

/* Let debug hooks run. They may raise, and they may close handles. */
void lipm_runhooks(lua_State *L);

/*
 * Whether a wait ended only because its slice was over. In that case the debug hooks have run,
 * which may have closed the handle, and the caller begins the next slice. code  the result of the
 * wait
 */
bool lipm_slice_ended(lua_State *L, int code, int64_t slice_ns);

/*
 * The number of seconds at `index`, in nanoseconds. Numbers below 0 count as 0. Raises if the value
 * is no number.
 * absent  the result if the value is nil or missing
 * whose   the beginning of the error message: the struct's name, or a function's
 */
int64_t lipm_checkseconds(lua_State *L, int index, int64_t absent, const char *whose);

/* Take the lock as ipm_segment_lock does. At the start of a transaction no bytes are ready for
 * changes. */
static inline int lipm_lockfor(lipm_handle *handle, int64_t timeout_ns, ipm_error *error) {
    handle->memory->ready_size = 0;
    return ipm_segment_lock(handle->segment, timeout_ns, error);
}

/* The part of lipm_waitlock for a lock that is not free. */
int lipm_keepwaiting(lua_State *L, lipm_handle *handle, int64_t timeout_ns, ipm_error *error);

/* Take the handle's lock as ipm_segment_lock does, but let hooks interrupt the wait. A lock is
 * usually free. The first try, which does not read the clock, makes that case fast. */
static inline int lipm_waitlock(lua_State *L, lipm_handle *handle, int64_t timeout_ns,
                                ipm_error *error) {
    int code = lipm_lockfor(handle, 0, error);
    return code == IPM_ETIMEOUT && timeout_ns > 0 ? lipm_keepwaiting(L, handle, timeout_ns, error)
                                                  : code;
}

/* Wait for a commit after `version` as ipm_segment_wait does, but let hooks interrupt the wait. */
int lipm_waitcommit(lua_State *L, const lipm_handle *handle, uint64_t version,
                    const lipm_deadline *until, uint64_t *now, ipm_error *error);

#endif
