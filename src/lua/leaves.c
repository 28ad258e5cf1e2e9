/***
What a commit changed: the scalars and texts of a feed's value.
@submodule ipmmap
*/
#include "error.h"
#include "feed.h"
#include "follow.h"
#include "functions.h"
#include "handle.h"
#include "scalar.h"

#include <lauxlib.h>
#include <string.h>

typedef struct change_list {
    lipm_feed *feed;
    uint64_t steps;  /* the feed's, when the list was begun */
    ipm_range range; /* the present one of the ranges that changed */
    uint64_t at;     /* the bytes before it were listed */
} change_list;

/* The scalar that the byte at `offset` is in; the one before it if it is in none. */
static lipm_place find_leaf(lipm_memory *memory, uint64_t offset) {
    lipm_place leaf = {memory, memory->type, 0};
    while (!lipm_is_scalar(leaf.type)) {
        lipm_step step = lipm_descend(leaf.type, offset - leaf.offset);
        leaf.type = step.type;
        leaf.offset += step.offset;
    }
    return leaf;
}

static bool next_leaf(change_list *list, lipm_place *leaf) {
    for (;;) {
        for (; list->at < list->range.offset + list->range.size; list->at++) {
            *leaf = find_leaf(&list->feed->value->memory, list->at);
            uint64_t end = leaf->offset + leaf->type->size;
            if (list->at < end) {
                list->at = end;
                return true;
            }
        }
        if (!ipm_feed_changes(list->feed->feed, &list->range))
            return false;
        if (list->at < list->range.offset)
            list->at = list->range.offset;
    }
}

enum { LIST_UPVALUE = 1, LISTED_UPVALUE, CHANGES_UPVALUES = LISTED_UPVALUE };

/* Raise if the feed was closed, or went on since the list was begun. */
static void check_steps(lua_State *L, const change_list *list) {
    lipm_checkopenfeed(L, list->feed);
    if (list->steps != list->feed->steps)
        luaL_error(L, "%s: the feed went on while its changes were listed",
                   lipm_handlename(list->feed->handle));
}

static int next_change(lua_State *L) {
    change_list *list = lua_touserdata(L, lua_upvalueindex(LIST_UPVALUE));
    lipm_place leaf;
    check_steps(L, list);
    if (!next_leaf(list, &leaf))
        return 0;
    lipm_pushfieldpath(L, &leaf);
    check_steps(L, list);
    lipm_pushlive(L, &leaf);
    return 2;
}

/***
The fields whose bytes were changed by the commit that was told last, in memory order. If commits
before it were missed, the fields whose bytes differ from those of the commit told before.
@function Feed:changes
@treturn function an iterator of path and value, for `for path, value in feed:changes() do`: each
scalar and each text, with paths as `read` takes them, such as `"trail[3].x"`. It raises after the
feed went on
@raise the feed is closed
*/
int lipm_feed_changes(lua_State *L) {
    lipm_feed *feed = lipm_checkfeed(L);
    change_list *list = lua_newuserdatauv(L, sizeof *list, 0);
    *list = (change_list){.feed = feed, .steps = feed->steps};
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, next_change, CHANGES_UPVALUES);
    return 1;
}

/* Append the paths of the leaves that have a marked byte to the list on the top of the stack. */
static void list_marked(lua_State *L, lipm_memory *memory, const unsigned char *marks) {
    const uint64_t size = memory->type->size;
    lua_Integer count = 0;
    for (uint64_t at = offsetof(ipm_header, time_stamp); at < size; at++) {
        const unsigned char *next = memchr(marks + at, 1, size - at);
        if (next == NULL)
            return;
        at = (uint64_t)(next - marks);
        lipm_place leaf = find_leaf(memory, at);
        uint64_t end = leaf.offset + leaf.type->size;
        if (at >= end)
            continue; /* padding */
        lipm_pushfieldpath(L, &leaf);
        lua_rawseti(L, -2, ++count);
        at = end - 1;
    }
}

/***
The fields that may have changed since a version: every scalar and text that has other bytes than
then is in the list, in memory order.

If the segment has a ring (the option `feed`) that still has all commits since the version, the list
is exact: it has the fields whose bytes those commits changed. Without it, or in the handle's lock,
a field is also in the list if another one in the same 256 bytes of the struct was changed.
`header.time_stamp` is a field too, and `touch` changes it.
@function Handle:changed
@tparam integer version a version, as `version`, `wait` or a feed returned it
@treturn {string,...} the paths, as `read` takes them, such as `"trail[3].x"`
@raise an error if `version` is not a version, or there is no such version yet; an error object:
`"replaced"`, `"forked"`
*/
int lipm_handle_changed(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    lipm_memory *memory = handle->memory;
    int is_whole;
    lua_Integer version = lua_tointegerx(L, 2, &is_whole);
    ipm_error error;
    lua_settop(L, 2);
    if (lua_type(L, 2) != LUA_TNUMBER || !is_whole || version < 0) {
        lipm_pushshown(L, 2);
        return luaL_error(L, "%s: %s is not a version", lipm_handlename(handle),
                          lua_tostring(L, -1));
    }
    lua_newtable(L);
    unsigned char *marks = lua_newuserdatauv(L, memory->type->size, 0);
    lipm_checkopen(L, handle);
    if (lipm_hasmoved(handle, memory, &error) ||
        ipm_segment_mark_changed(handle->segment, (uint64_t)version, marks, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_changed);
    lua_insert(L, -2);
    list_marked(L, memory, marks);
    return 1;
}
