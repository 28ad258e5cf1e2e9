/***
Feeds: the commits of a segment, one after the other.
@submodule ipmmap
*/
#include "../core/follow.h"
#include "error.h"
#include "feed.h"
#include "follow.h"
#include "functions.h"
#include "index.h"
#include "layout.h"
#include "slice.h"

#include <lauxlib.h>

/* ---- Opening and closing ------------------------------------------------------------------ */

/* Push a feed of the handle at index 1. The feed is not open yet. */
static lipm_feed *push_feed(lua_State *L, lipm_handle *handle) {
    lipm_feed *feed = lua_newuserdatauv(L, sizeof *feed, LIPM_FEED_VALUES);
    *feed = (lipm_feed){.brand = &lipm_feed_brand, .handle = handle};
    luaL_setmetatable(L, LIPM_FEED_CLASS);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LIPM_FEED_HANDLE);
    return feed;
}

/* Push the Struct of the handle of the feed at `index`, and a value of that layout, which keeps the
 * feed. It has no bytes yet. The value that the feed has is used again if it has that layout. */
static lipm_value *push_value(lua_State *L, int index, const lipm_feed *feed) {
    lua_getiuservalue(L, index, LIPM_FEED_HANDLE);
    lua_getiuservalue(L, -1, LIPM_HANDLE_STRUCT);
    lua_replace(L, -2);
    int owner = lua_gettop(L);
    lipm_layout *layout = lua_touserdata(L, owner);
    if (feed->value != NULL && feed->value->memory.layout == layout) {
        lua_getiuservalue(L, index, LIPM_FEED_VALUE);
        return feed->value;
    }
    const ipm_type *type = ipm_layout_type(layout->layout);
    lipm_value *value = lua_newuserdatauv(L, sizeof *value, LIPM_VIEW_VALUES);
    const lipm_names *names = lipm_pushmetatable(L, owner, type);
    value->view = (lipm_view){&lipm_view_brand, {&value->memory, type, 0}, names};
    value->memory =
        (lipm_memory){.layout = layout, .type = type, .watched = &layout->alive, .expected = 1};
    lua_setmetatable(L, -2);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, LIPM_VIEW_CONTAINER);
    return value;
}

/* The feed no longer needs its value. The value needs its Struct, which the feed no longer keeps.
 */
static void leave_value(lua_State *L, int index, lipm_feed *feed) {
    feed->value->memory.base = NULL;
    lua_getiuservalue(L, index, LIPM_FEED_VALUE);
    lua_getiuservalue(L, index, LIPM_FEED_STRUCT);
    lua_setiuservalue(L, -2, LIPM_VIEW_CONTAINER);
    lua_pop(L, 1);
    lipm_releaselayout(feed->value->memory.layout);
}

/* Give the feed at `index` a C feed that was just opened, and pop the Struct and the value that
 * push_value has pushed. */
static void take_feed(lua_State *L, int index, lipm_feed *feed, ipm_feed *opened,
                      lipm_value *value) {
    lipm_retainlayout(value->memory.layout);
    if (feed->feed != NULL) {
        leave_value(L, index, feed);
        ipm_feed_close(feed->feed);
    }
    feed->feed = opened;
    feed->value = value;
    feed->steps++;
    value->memory.base = (unsigned char *)ipm_feed_value(opened);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, LIPM_VIEW_CONTAINER);
    lua_setiuservalue(L, index, LIPM_FEED_VALUE);
    lua_setiuservalue(L, index, LIPM_FEED_STRUCT);
}

/* Whether the handle has followed to another layout while the value was made: see lipm_hasmoved. */
static bool has_other_layout(const lipm_handle *handle, const lipm_value *value, ipm_error *error) {
    if (value->memory.layout == handle->layout)
        return false;
    lipm_failmoved(handle, error);
    return true;
}

/***
Follow the segment's commits. A handle can have any number of feeds at the same time. A feed takes
no lock and delays no editor. If the segment has a ring (the manager's option `feed`), the feed
tells every commit that is still in the ring. Without a ring it tells the latest commit, and how
many it missed. If the handle follows (the option `follow`), its feeds go on with the new segment.
@function Handle:feed
@tparam[opt] integer version the feed begins with the commit after this version; by default with the
first commit after this call
@treturn Feed the feed, for a `<close>` variable: `local feed <close> = reader:feed()`. It keeps its
handle open; closing the handle closes its feeds
@raise an error if the version is no version, or a later one than the present; an error object:
`"replaced"`, `"forked"`, `"system"`
*/
int lipm_handle_feed(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    uint64_t version = lua_isnoneornil(L, 2) ? IPM_LATEST : lipm_checkversion(L, 2, handle);
    ipm_feed *opened;
    ipm_error error;
    lua_settop(L, 2);
    lipm_feed *feed = push_feed(L, handle);
    lipm_value *value = push_value(L, 3, feed);
    lipm_checkopen(L, handle);
    if (has_other_layout(handle, value, &error) ||
        ipm_feed_open(handle->segment, version, &opened, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_feed);
    take_feed(L, 3, feed, opened, value);
    lipm_addfeed(&handle->feeds, feed);
    return 1;
}

/***
Close the feed. To close it again has no effect. A feed is also closed at the end of its block if it
is a `<close>` variable, when its handle is closed, and when it is collected. Any use of its value
afterwards raises an error.
@function Feed:close
*/
int lipm_feed_close(lua_State *L) {
    lipm_endfeed(lipm_checkanyfeed(L));
    return 0;
}

void lipm_checkopenfeed(lua_State *L, const lipm_feed *feed) {
    if (feed->feed == NULL)
        luaL_error(L, "%s: this feed is closed", lipm_handlename(feed->handle));
}

lipm_feed *lipm_checkfeed(lua_State *L) {
    lipm_feed *feed = lipm_checkanyfeed(L);
    lipm_checkopenfeed(L, feed);
    return feed;
}

/* ---- Telling ------------------------------------------------------------------------------ */

typedef struct told_commit {
    uint64_t version, missed;
} told_commit;

/*
 * Go on with the segment that has replaced the one of the feed at `index`, whose layout may differ.
 * The handle follows, or has done so already.
 * returns  false: that is not possible now; *error says why
 */
static IPM_COLD bool go_over(lua_State *L, int index, lipm_feed *feed, ipm_error *error) {
    lipm_handle *handle = feed->handle;
    int top = lua_gettop(L);
    ipm_feed *opened;
    luaL_checkstack(L, LUA_MINSTACK, "no room for a feed");
    lua_getiuservalue(L, index, LIPM_FEED_HANDLE);
    int code = lipm_follow(L, top + 1, handle, error);
    if (code != IPM_OK)
        return false;
    lipm_value *value = push_value(L, index, feed);
    lipm_checkopenfeed(L, feed);
    code = has_other_layout(handle, value, error) ? IPM_EREPLACED
                                                  : ipm_feed_reopen(feed->feed, &opened, error);
    if (code == IPM_OK)
        take_feed(L, index, feed, opened, value);
    lua_settop(L, top);
    return code == IPM_OK || code == IPM_EREPLACED; /* or replaced again */
}

/* Go on to the next commit as ipm_feed_next does. If the segment is replaced by one of another
 * layout, the timeout begins again. */
static int next_commit(lua_State *L, int index, lipm_feed *feed, int64_t timeout_ns,
                       told_commit *commit, ipm_error *error) {
    int code;
    do
        code = ipm_feed_next(feed->feed, timeout_ns, &commit->version, &commit->missed, error);
    while (code == IPM_EREPLACED && feed->handle->may_change && go_over(L, index, feed, error));
    return code == IPM_OK ? IPM_OK : (int)error->code;
}

static int keep_following(lua_State *L, int index, lipm_feed *feed, int64_t timeout_ns,
                          told_commit *commit, ipm_error *error) {
    lipm_deadline until = lipm_deadline_start(timeout_ns);
    for (;;) {
        int64_t slice_ns = lipm_deadline_slice(&until);
        int code = next_commit(L, index, feed, slice_ns, commit, error);
        if (!lipm_slice_ended(L, code, slice_ns))
            return code;
        lipm_checkopenfeed(L, feed);
    }
}

/*
 * Go on to the next commit, and push it: the value, the version, and how many were missed. The feed
 * is at `index`. A commit that is there already costs no look at the clock here.
 */
static int tell_commit(lua_State *L, int index, lipm_feed *feed, int64_t timeout_ns,
                       ipm_error *error) {
    told_commit commit;
    int code = next_commit(L, index, feed, 0, &commit, error);
    if (code == IPM_ETIMEOUT && timeout_ns > 0)
        code = keep_following(L, index, feed, timeout_ns, &commit, error);
    if (code != IPM_OK)
        return code;
    feed->steps++;
    lua_getiuservalue(L, index, LIPM_FEED_VALUE);
    lua_pushinteger(L, (lua_Integer)commit.version);
    lua_pushinteger(L, (lua_Integer)commit.missed);
    return IPM_OK;
}

/***
Go on to the next commit. If there is none yet, sleep until there is one. If this fails, the feed
stays at its commit. The commits of a segment that was destroyed or replaced are told first; after
that the code is `"replaced"`, unless the handle follows.
@function Feed:next
@tparam[opt] number seconds the longest time to wait; without it, the wait has no limit
@treturn[1] value the struct as of that commit. It is the same value each time, until the feed goes
on with a segment of another layout. It cannot be written, and any use after the feed was closed or
has another value raises an error. `S:new(value)` copies it
@treturn[1] integer the version of the commit
@treturn[1] integer missed: how many commits before it were lost because the ring had overwritten
them; 0 for a feed that keeps up
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: `"timeout"`, `"replaced"`, `"layout"`, `"forked"`, `"corrupt"`, `"system"`
@raise an error if it would sleep while the handle holds its lock, or if the feed is closed
*/
int lipm_feed_next(lua_State *L) {
    lipm_feed *feed = lipm_checkfeed(L);
    int64_t timeout_ns = lipm_checkseconds(L, 2, IPM_FOREVER, lipm_handlename(feed->handle));
    ipm_error error;
    feed->handle->is_pinned = true;
    return tell_commit(L, 1, feed, timeout_ns, &error) == IPM_OK ? 3 : lipm_fail(L, &error);
}

enum { FEED_UPVALUE = 1, TIMEOUT_UPVALUE, COMMITS_UPVALUES = TIMEOUT_UPVALUE };

static int next_in_loop(lua_State *L) {
    lipm_feed *feed = lua_touserdata(L, lua_upvalueindex(FEED_UPVALUE));
    int64_t timeout_ns = lua_tointeger(L, lua_upvalueindex(TIMEOUT_UPVALUE));
    ipm_error error;
    lipm_checkopenfeed(L, feed);
    feed->handle->is_pinned = true;
    int code = tell_commit(L, lua_upvalueindex(FEED_UPVALUE), feed, timeout_ns, &error);
    if (code == IPM_OK)
        return 3;
    return code == IPM_ETIMEOUT ? 0 : lipm_raise(L, &error);
}

/***
The commits for a loop: `for value, version, missed in feed:commits(1) do`. The loop ends when no
commit comes in time. A `break` leaves the feed at the commit that it told last.
@function Feed:commits
@tparam[opt] number seconds the longest time to wait for each commit; without it, there is no limit
@treturn function an iterator that returns what `next` returns. If `next` fails with another code
than `"timeout"`, the iterator raises an error object
@raise an error if the feed is closed
*/
int lipm_feed_commits(lua_State *L) {
    const lipm_feed *feed = lipm_checkfeed(L);
    int64_t timeout_ns = lipm_checkseconds(L, 2, IPM_FOREVER, lipm_handlename(feed->handle));
    lua_pushvalue(L, 1);
    lua_pushinteger(L, timeout_ns);
    lua_pushcclosure(L, next_in_loop, COMMITS_UPVALUES);
    return 1;
}

/***
The time when the commit that was told last was made.
@function Feed:time
@treturn number Unix seconds, exact to a tick of the kernel's clock (1 to 10 ms). 0 if the time is
not known: the segment has no ring, the commit is no longer in it, or no commit was told yet
@raise an error if the feed is closed
*/
int lipm_feed_time(lua_State *L) {
    lua_pushnumber(L, ipm_feed_time(lipm_checkfeed(L)->feed));
    return 1;
}

/* Most commits change little. */
#define SMALL_PATCH 4096

/***
What the commit that was told last has changed, as text for `Handle:apply` of another segment: the
bytes that make the value before it the value as of it, also if commits were missed between the two.
@function Feed:patch
@treturn string pieces of the struct in ascending order, each with its offset, in 8 bytes, and its
size, in 4, little-endian; "" if no commit was told yet
@raise an error if the feed is closed
*/
int lipm_feed_patch(lua_State *L) {
    const lipm_feed *feed = lipm_checkfeed(L);
    unsigned char small[SMALL_PATCH];
    void *patch = small;
    size_t room = sizeof small, size;
    while ((size = ipm_feed_patch(feed->feed, patch, room)) > room) {
        room = size;
        patch = lua_newuserdatauv(L, room, 0);
        lipm_checkopenfeed(L, feed); /* a finalizer may have closed it, or gone on with it */
    }
    lua_pushlstring(L, patch, size);
    return 1;
}
