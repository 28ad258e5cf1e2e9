/***
A handle's descriptor for event loops, and the processes that use the segment's lock.
@submodule ipmmap
*/
#include "error.h"
#include "follow.h"
#include "functions.h"
#include "handle.h"

#include <lauxlib.h>

/***
A file descriptor for an event loop. It becomes readable after each commit, and when the segment is
replaced or destroyed. `drain` makes it unreadable again. It also becomes readable a second after
the last `drain`, because an editor may die between its commit and the notification. It does not
report commits from before the first call of `fd`, so read the segment after that call.

An editor makes one system call for the first commit after a `drain`, and none if no process
listens. If a reader may not write to the lock file, its descriptor becomes readable every 10 ms.
@function Handle:fd
@treturn integer the descriptor, the same one at each call. A program may only poll it; the handle
closes it
@raise an error object: `"system"` (too many inotify instances, inotify watches or descriptors),
`"replaced"`, `"forked"`
*/
int lipm_handle_fd(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    int fd;
    ipm_error error;
    if (ipm_segment_fd(handle->segment, &fd, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_fd);
    lua_pushinteger(L, fd);
    return 1;
}

/***
Make the descriptor of `fd` unreadable until the next commit.
@function Handle:drain
@treturn integer the present version. Any commit after it makes the descriptor readable
@raise an error object: `"replaced"`, `"forked"`
*/
int lipm_handle_drain(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    uint64_t version;
    ipm_error error;
    if (ipm_segment_drain(handle->segment, &version, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_drain);
    lua_pushinteger(L, (lua_Integer)version);
    return 1;
}

static void set_flag(lua_State *L, const char *name, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/***
The threads that hold the lock or wait for it now. `info().attached` lists the processes that only
have the segment open.
@function Handle:users
@treturn {table,...} a table for each thread, with the fields `pid`, of its process; `tid`, of the
thread, as the kernel numbers it: the first thread of a process has the number of the process, and a
dead one has 0; `alive`: false if the process
has died, in which case the next process that asks gets the lock; `writes`: true for the write lock,
false for the read lock; `waits`: true if the thread waits for the lock, false if it holds it;
`next`: true if it waits for the present readers alone, and all others that wait come after it;
`since`: when it got the lock or began to wait, in Unix seconds. At most 64 threads that wait are
listed. The list is empty if this reader cannot use the lock file
@raise an error object: `"forked"`
*/
int lipm_handle_users(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    ipm_user users[IPM_MAX_USERS];
    size_t count;
    ipm_error error;
    if (ipm_segment_users(handle->segment, users, IPM_MAX_USERS, &count, &error) != IPM_OK)
        return lipm_raise(L, &error);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 7);
        lua_pushinteger(L, users[i].pid);
        lua_setfield(L, -2, "pid");
        lua_pushinteger(L, users[i].tid);
        lua_setfield(L, -2, "tid");
        lua_pushinteger(L, users[i].since);
        lua_setfield(L, -2, "since");
        set_flag(L, "alive", users[i].alive);
        set_flag(L, "writes", users[i].writes);
        set_flag(L, "waits", users[i].waits);
        set_flag(L, "next", users[i].next);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}
