/***
What event loops and tools ask of a handle: its descriptor, and who uses the segment.
@submodule ipmmap
*/
#include "error.h"
#include "follow.h"
#include "functions.h"
#include "handle.h"

#include <lauxlib.h>

/***
A file descriptor for an event loop: it polls readable after each commit, and once the segment is
replaced or destroyed. `drain` makes it quiet again. It costs an editor one system call for each
commit that finds it drained, and nothing when nobody listens. A reader that may not write to the
lock file gets one that is readable every 10 ms. It is also readable a second after the last
`drain`, commit or not: an editor may die between a commit and telling of it. Commits before the
first call are not told: look at the segment after it. The handle closes it.
@function Handle:fd
@treturn integer to be polled and nothing else; the same one each time
@raise an error object: `"system"` (no more inotify instances or watches, or descriptors),
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
Make the descriptor of `fd` quiet until the next commit.
@function Handle:drain
@treturn integer the version: a commit after it makes the descriptor readable
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
The processes that hold the lock or wait for it just now.
@function Handle:users
@treturn {table,...} each with `pid`; `alive`: the lock of a dead holder goes to the next process
that asks for it; `writes`: it is the write lock; `waits`: it does not hold the lock but waits for
it; `since`: Unix seconds. Empty if this reader cannot use the lock file
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
        lua_createtable(L, 0, 5);
        lua_pushinteger(L, users[i].pid);
        lua_setfield(L, -2, "pid");
        lua_pushinteger(L, users[i].since);
        lua_setfield(L, -2, "since");
        set_flag(L, "alive", users[i].alive);
        set_flag(L, "writes", users[i].writes);
        set_flag(L, "waits", users[i].waits);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}
