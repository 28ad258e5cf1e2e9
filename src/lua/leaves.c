/***
What a commit changed: the scalars and texts of a feed's value.
@submodule ipmmap
*/
#include "error.h"
#include "feed.h"
#include "follow.h"
#include "functions.h"
#include "handle.h"
#include "list.h"
#include "scalar.h"
#include "value.h"

#include <lauxlib.h>
#include <string.h>

typedef struct change_list {
    lipm_feed *feed;
    uint64_t steps;  /* the feed's, when the list was begun */
    ipm_range range; /* the present one of the ranges that changed */
    uint64_t at;     /* the bytes before it were listed */
} change_list;

/* A leaf: a scalar, also an optional one, the count of a list, or the presence of another optional
 * part. */
typedef struct feed_leaf {
    lipm_place place;
    uint64_t end; /* the offset behind the bytes that it stands for */
    bool is_used; /* false: it is in an element that its list does not have, or in an absent part */
} feed_leaf;

/* Whether the byte at `offset` of a list or optional part is in an element in use, or in a value
 * that is there. */
static bool is_used(const lipm_place *place, uint64_t offset, const unsigned char *bytes) {
    const ipm_type *type = place->type;
    const unsigned char *at = bytes + place->offset;
    if (type->kind == IPM_OPTIONAL)
        return lipm_is_present(at);
    return (offset - type->inner) / type->element->size < lipm_loadcount(at);
}

/* The leaf that the byte at `offset` is in; the one before it if it is in none. `bytes`: those of
 * the whole, which no other thread changes. */
static feed_leaf find_leaf(lipm_memory *memory, uint64_t offset, const unsigned char *bytes) {
    lipm_place place = {memory, memory->type, 0};
    while (!lipm_is_scalar(place.type)) {
        const ipm_type *type = place.type;
        uint64_t inside = offset - place.offset;
        if (inside >= type->size) /* the padding behind it */
            break;
        if (type->kind == IPM_OPTIONAL && lipm_is_scalar(type->element))
            break;
        if (type->kind == IPM_LIST || type->kind == IPM_OPTIONAL) {
            if (inside < type->inner)
                return (feed_leaf){place, place.offset + type->inner, true};
            if (!is_used(&place, inside, bytes))
                return (feed_leaf){place, place.offset + type->size, false};
        }
        lipm_step step = lipm_descend(type, offset - place.offset);
        place.type = step.type;
        place.offset += step.offset;
    }
    return (feed_leaf){place, place.offset + place.type->size, true};
}

static bool next_leaf(change_list *list, lipm_place *place) {
    lipm_memory *memory = &list->feed->value->memory;
    for (;;) {
        for (; list->at < list->range.offset + list->range.size; list->at++) {
            feed_leaf found = find_leaf(memory, list->at, memory->base);
            if (list->at < found.end) {
                list->at = found.end;
                *place = found.place;
                if (found.is_used)
                    return true;
                list->at--;
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

/* Push the value of a leaf, for which the Struct is on the top of the stack. The bytes of a feed's
 * value change only by its next step. */
static void push_leaf(lua_State *L, const lipm_place *place) {
    if (lipm_is_scalar(place->type))
        lipm_pushlive(L, place);
    else
        lipm_pushcopy(L, lua_absindex(L, -1), place->memory->layout, place->type,
                      place->memory->base + place->offset);
}

static int next_change(lua_State *L) {
    change_list *list = lua_touserdata(L, lua_upvalueindex(LIST_UPVALUE));
    lipm_place place;
    check_steps(L, list);
    if (!next_leaf(list, &place))
        return 0;
    lipm_pushfieldpath(L, &place);
    lua_getiuservalue(L, lua_upvalueindex(LISTED_UPVALUE), LIPM_FEED_STRUCT);
    check_steps(L, list);
    push_leaf(L, &place);
    lua_remove(L, -2);
    return 2;
}

/***
The fields whose bytes were changed by the commit that was told last, in memory order. If commits
before it were missed, the fields whose bytes differ from those of the commit told before.
@function Feed:changes
@treturn function an iterator of path and value, for `for path, value in feed:changes() do`: each
scalar and each text, with paths as `read` takes them, such as `"trail[3].x"`. For a list, its own
path and a copy of it if its count may have changed, and then those of its elements that it has; for
an optional struct or array, its own path, and a copy or nil, if its presence may have changed. It
raises after the feed went on
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
static void list_marked(lua_State *L, lipm_memory *memory, const unsigned char *marks,
                        const unsigned char *bytes) {
    const uint64_t size = memory->type->size;
    lua_Integer count = 0;
    for (uint64_t at = offsetof(ipm_header, time_stamp); at < size; at++) {
        const unsigned char *next = memchr(marks + at, 1, size - at);
        if (next == NULL)
            return;
        at = (uint64_t)(next - marks);
        feed_leaf found = find_leaf(memory, at, bytes);
        if (at >= found.end)
            continue; /* padding */
        at = found.end - 1;
        if (!found.is_used)
            continue;
        lipm_pushfieldpath(L, &found.place);
        lua_rawseti(L, -2, ++count);
    }
}

/***
The fields that may have changed since a version: every scalar and text that has other bytes than
then is in the list, in memory order.

If the segment has a ring (the option `feed`) that still has all commits since the version, the list
is exact: it has the fields whose bytes those commits changed. Without it, or in the handle's lock,
a field is also in the list if another one in the same 256 bytes of the struct was changed.
`header.time_stamp` is a field too, and `touch` changes it. A list is there by its own path if its
count may have changed, and otherwise by its elements in use; an optional field by its own path.
@function Handle:changed
@tparam integer version a version, as `version`, `wait` or a feed returned it
@treturn {string,...} the paths, as `read` takes them, such as `"trail[3].x"`
@raise an error if `version` is not a version, or there is no such version yet; an error object:
`"replaced"`, `"forked"`
*/
int lipm_handle_changed(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    lipm_memory *memory = handle->memory;
    uint64_t version = lipm_checkversion(L, 2, handle);
    ipm_error error;
    lua_settop(L, 2);
    lua_newtable(L);
    const uint64_t size = memory->type->size;
    unsigned char *marks = lua_newuserdatauv(L, size, 0);
    unsigned char *bytes = lua_newuserdatauv(L, size, 0);
    lipm_checkopen(L, handle);
    if (lipm_hasmoved(handle, memory, &error) ||
        ipm_segment_mark_changed(handle->segment, version, marks, &error) != IPM_OK ||
        ipm_segment_read(handle->segment, 0, size, bytes, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_changed);
    lua_pushvalue(L, -3);
    list_marked(L, memory, marks, bytes);
    return 1;
}
