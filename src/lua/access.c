/***
Reading and writing a segment by path and as a whole. While the handle holds its lock, a write is
part of that transaction. Otherwise a write is a transaction of its own, and a read waits for no
writer.
@submodule ipmmap
*/
#include "assign.h"
#include "source.h"
#include "error.h"
#include "follow.h"
#include "functions.h"
#include "path.h"
#include "scalar.h"
#include "slice.h"
#include "value.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

/* A scalar of at most this many bytes is read into a buffer on the C stack. */
#define SMALL_SCALAR 512

/* What the path at index 2 leads to. Leaves the Struct on the stack, and above it the two values
 * that lipm_checkpath pushes. */
static const lipm_part *check_part(lua_State *L, const lipm_handle *handle) {
    lua_getiuservalue(L, 1, LIPM_HANDLE_STRUCT);
    return lipm_checkpath(L, 2, lua_gettop(L), handle->layout);
}

static lipm_place placed(const lipm_handle *handle, const lipm_part *part) {
    return (lipm_place){handle->memory, part->type, part->offset};
}

/* ---- Reading ----------------------------------------------------------------------------- */

static int read_scalar(lua_State *L, lipm_handle *handle, const lipm_place *place) {
    uint64_t small[SMALL_SCALAR / sizeof(uint64_t)];
    void *into = small;
    ipm_error error;
    if (place->type->size > sizeof small)
        into = lua_newuserdatauv(L, place->type->size, 0);
    lipm_checkopen(L, handle);
    if (lipm_is_locked(handle)) {
        lipm_pushlive(L, place);
        return 1;
    }
    if (lipm_hasmoved(handle, place->memory, &error) ||
        ipm_segment_read(handle->segment, place->offset, place->type->size, into, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_read);
    lipm_pushscalar(L, place->type, into);
    return 1;
}

/*
 * Read a part that may not be there: an optional one, or one behind a list or an optional part. All
 * bytes from the first of these on are of one moment. What is absent is nil, and so is the element
 * after the last one of a list.
 */
static int read_absent(lua_State *L, lipm_handle *handle, const lipm_part *part) {
    const lipm_memory *memory = handle->memory;
    int owner = lua_absindex(L, -3);
    uint64_t first = part->guard_count > 0 ? part->guards[0].offset : part->offset;
    uint64_t size = part->offset + part->type->size - first;
    unsigned char *bytes = lua_newuserdatauv(L, size, 0);
    ipm_error error;
    lipm_checkopen(L, handle);
    if (lipm_hasmoved(handle, memory, &error) ||
        ipm_segment_read(handle->segment, first, size, bytes, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_read);
    lipm_gap gap = lipm_findgap(part, bytes, first);
    if (gap.guard == NULL)
        lipm_pushcopy(L, owner, handle->layout, part->type, bytes + (part->offset - first));
    else if (gap.guard->type->kind == IPM_OPTIONAL || gap.count + UINT64_C(1) == gap.guard->index)
        lua_pushnil(L);
    else
        return lipm_complain_gap(L, handle->memory, part, &gap);
    return 1;
}

/***
Read one field. If the handle holds its lock, the result includes the handle's own changes.
Otherwise it is the field as last committed, and the call waits for no writer.
@function Handle:read
@tparam string path such as `"multi_pts.multi_points[3].x"`; indices start at 1
@treturn boolean|integer|number|string|value|nil a scalar; or, for a struct, an array or a list, a
detached value; nil for an optional field that is absent and all in it, and for the element after
the last one of a list
@raise an error if the path leads to no part of the struct, or beyond the elements of a list; an
error object: `"replaced"`, `"forked"`, `"corrupt"` (the count of a list is larger than the list)
*/
int lipm_handle_read(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    lua_settop(L, 2);
    const lipm_part *part = check_part(L, handle);
    lipm_place place = placed(handle, part);
    ipm_error error;
    if (part->guard_count > 0 || part->type->kind == IPM_OPTIONAL)
        return read_absent(L, handle, part);
    if (lipm_is_scalar(place.type))
        return read_scalar(L, handle, &place);
    int owner = lua_absindex(L, -3);
    lipm_value *value = lipm_pushvalue(L, owner, handle->layout, place.type);
    lipm_checkopen(L, handle);
    if (lipm_hasmoved(handle, place.memory, &error) ||
        ipm_segment_read(handle->segment, place.offset, place.type->size, value->bytes, &error) !=
            IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_read);
    return 1;
}

/* The detached value at index 2, into which a snapshot of the handle's struct goes. */
static const lipm_view *check_into(lua_State *L, const lipm_handle *handle) {
    const lipm_view *target = lipm_testview(L, 2);
    const char *name = handle->memory->type->name;
    if (target == NULL || target->place.memory->is_live) {
        lipm_pushshown(L, 2);
        luaL_error(L, "%s: a snapshot goes into a detached value, not into %s%s", name,
                   target == NULL ? "" : "the view of ", lua_tostring(L, -1));
        return NULL; /* never: luaL_error raises */
    }
    if (lipm_base(target->place.memory) == NULL)
        lipm_complain_access(L, &target->place);
    if (!target->place.memory->is_writable)
        lipm_complain_write(L, &target->place);
    if (!lipm_fits(target->place.type, handle->memory->type)) {
        luaL_error(L, "%s: a snapshot does not fit into a %s%s", name, target->place.type->name,
                   lipm_pushdifference(L, target->place.type, handle->memory->type));
    }
    return target;
}

/* Take a snapshot into the value at index 2 or into a new one, and leave that value on the top of
 * the stack. returns  a code */
static int push_snapshot(lua_State *L, lipm_handle *handle, uint64_t *version, ipm_error *error) {
    const lipm_memory *memory = handle->memory;
    const ipm_type *type = memory->type;
    const lipm_place *into = NULL;
    unsigned char *bytes;
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        into = &check_into(L, handle)->place;
    if (into == NULL) {
        lua_getiuservalue(L, 1, LIPM_HANDLE_STRUCT);
        bytes = lipm_pushvalue(L, 3, handle->layout, type)->bytes;
    } else if (into->type == type || ipm_type_equal(into->type, type)) {
        bytes = lipm_base(into->memory) + into->offset;
        into = NULL;
    } else {
        bytes = lua_newuserdatauv(L, type->size, 0);
    }
    lipm_checkopen(L, handle);
    if (lipm_hasmoved(handle, memory, error))
        return (int)error->code;
    int code = ipm_segment_snapshot(handle->segment, bytes, version, error);
    if (code == IPM_OK && into != NULL) {
        lipm_copyfields(into, type, bytes);
        lua_settop(L, 2);
    }
    return code;
}

/***
Copy the whole struct as last committed. The call does not wait for an editor that holds the lock,
is stopped or has died. If the handle itself holds the lock, the copy does not include the changes
of the open transaction.
@function Handle:snapshot
@tparam[opt] value into a detached value of the same struct, which is overwritten. Its layout may
have fewer fields than the segment, or have them elsewhere: then its fields are copied
@treturn value `into`, or a new value
@raise an error if `into` is anything but a detached value of the same struct; an error object:
`"replaced"`, `"forked"`
*/
int lipm_handle_snapshot(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    uint64_t version;
    ipm_error error;
    if (push_snapshot(L, handle, &version, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_snapshot);
    return 1;
}

/***
Copy the whole struct as `snapshot` does, and return the version of the copy too. A separate call of
`version` could give another version, because an editor may commit between the two calls.
@function Handle:versioned_snapshot
@tparam[opt] value into a detached value of the same struct, which is overwritten
@treturn value `into`, or a new value
@treturn integer the version
@raise as for `snapshot`
*/
int lipm_handle_versioned_snapshot(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    uint64_t version;
    ipm_error error;
    if (push_snapshot(L, handle, &version, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_versioned_snapshot);
    lua_pushinteger(L, (lua_Integer)version);
    return 2;
}

/* ---- Writing ----------------------------------------------------------------------------- */

/* Take the lock unless the handle holds it. Fail if the handle no longer has the memory in which
 * the method has found its place. *has_begun: whether finish_own has to release the lock. */
static int begin_own(lua_State *L, lipm_handle *handle, const lipm_memory *memory, bool *has_begun,
                     ipm_error *error) {
    *has_begun = false;
    if (lipm_hasmoved(handle, memory, error))
        return (int)error->code;
    *has_begun = !lipm_is_locked(handle);
    if (*has_begun)
        return lipm_waitlock(L, handle, IPM_FOREVER, error);
    /* A read of 0 bytes fails if another thread holds the lock through this handle. */
    return ipm_segment_read(handle->segment, 0, 0, error, error);
}

/* If begin_own has taken the lock, commit or roll back, and release it. This must come before any
 * error is raised. */
static int finish_own(const lipm_handle *handle, bool has_begun, bool is_commit, ipm_error *error) {
    if (!has_begun)
        return IPM_OK;
    if (is_commit)
        return ipm_segment_unlock(handle->segment, error);
    ipm_segment_rollback(handle->segment, NULL);
    return IPM_OK;
}

/* What is missing on the way to a part. The handle holds its lock. */
static lipm_gap find_gap(const lipm_handle *handle, const lipm_part *part) {
    return lipm_findgap(part, ipm_segment_data(handle->segment), 0);
}

/* Assign the value at `index` to a part of the handle's struct: all of it, or nothing. The value
 * above it on the stack is the Struct. `method` is the caller. */
static int assign(lua_State *L, int index, lipm_handle *handle, const lipm_part *part,
                  lua_CFunction method) {
    const lipm_place place = placed(handle, part);
    lipm_assignment assignment;
    lipm_gap gap = {NULL, 0};
    int owner = index + 1;
    bool has_begun, is_stored = false;
    ipm_error error;
    const lipm_names *names = lipm_pushanynames(L, owner, place.type);
    lipm_prepare(L, owner, index, &place, names, &assignment);
    lipm_checkopen(L, handle);
    int code = begin_own(L, handle, place.memory, &has_begun, &error);
    if (code == IPM_OK) {
        gap = find_gap(handle, part);
        is_stored = gap.guard == NULL && lipm_assign(&assignment, &place);
        code = finish_own(handle, has_begun, is_stored, &error);
    }
    if (code != IPM_OK)
        return lipm_retry(L, handle, &error, method);
    if (gap.guard != NULL)
        return lipm_complain_gap(L, place.memory, part, &gap);
    return is_stored ? 0 : lipm_complain(L, &place, "the value changed while it was assigned");
}

/* Whether the path leads to the element after the last one of a list at present. */
static bool is_behind_last(lua_State *L, lipm_handle *handle, const lipm_part *part,
                           uint64_t *count) {
    const lipm_guard *first = &part->guards[0];
    uint64_t size = part->offset - first->offset;
    unsigned char *bytes = lua_newuserdatauv(L, size, 0);
    lipm_checkopen(L, handle);
    if (ipm_segment_read(handle->segment, first->offset, size, bytes, NULL) != IPM_OK)
        return false; /* and assign fails, too */
    lipm_gap gap = lipm_findgap(part, bytes, first->offset);
    *count = gap.count;
    return lipm_is_next(part, &gap);
}

/*
 * Append the value at index 3 to the list that the path leads into, if it still has `count`
 * elements under the lock. The Struct is at index 4.
 * returns  false: the list has changed in between
 */
static bool append_value(lua_State *L, lipm_handle *handle, const lipm_part *part, uint64_t count) {
    const lipm_guard *list = &part->guards[part->guard_count - 1];
    const lipm_place place = {handle->memory, list->type, list->offset};
    lipm_assignment assignment;
    bool has_begun, is_stored = false;
    ipm_error error;
    const lipm_names *names = lipm_pushanynames(L, 4, part->type);
    lipm_prepareappend(L, 4, 3, &place, count, names, &assignment);
    lipm_checkopen(L, handle);
    int code = begin_own(L, handle, place.memory, &has_begun, &error);
    if (code == IPM_OK) {
        lipm_gap gap = find_gap(handle, part);
        is_stored = lipm_is_next(part, &gap) && lipm_assign(&assignment, &place);
        code = finish_own(handle, has_begun, is_stored, &error);
    }
    if (code != IPM_OK)
        lipm_retry(L, handle, &error, lipm_handle_write);
    return code != IPM_OK || is_stored;
}

/***
Write one field. If the handle holds its lock, the write is part of that transaction. Otherwise it
waits for the lock and is a transaction of its own. Editors and managers.
@function Handle:write
@tparam string path such as `"multi_pts.multi_points[3].x"`; indices start at 1
@tparam boolean|integer|number|string|table|view|value value a value of the field's type; for a
struct or an array a table, or a view or value of the same type; nil makes an optional field absent.
A path to the element after the last one of a list appends the value
@raise an error if the path leads to no part of the struct, beyond the elements of a list or into an
optional field that is absent, or if the value has a wrong type, or is out of range or outside the
field's limits; an error object as `lock` and `unlock` raise it
*/
int lipm_handle_write(lua_State *L) {
    lipm_handle *handle = lipm_pinwriter(L);
    const lipm_part *part;
    uint64_t count;
    do {
        lua_settop(L, 3);
        part = check_part(L, handle);
        if (part->guard_count == 0 || !is_behind_last(L, handle, part, &count))
            return assign(L, 3, handle, part, lipm_handle_write);
    } while (!append_value(L, handle, part, count));
    return 0;
}

/***
Write several fields: all of them, or none. If the handle holds its lock, this is part of that
transaction. Otherwise it is a transaction of its own. Editors and managers.
@function Handle:set
@tparam table|view|value fields a table of the fields to set, with nested tables for structs and
arrays; or a view or value of the same struct. The header of a view, of a value, and of a table from
`totable` is left out: the segment keeps its own
@raise as for `write`
*/
int lipm_handle_set(lua_State *L) {
    lipm_handle *handle = lipm_pinwriter(L);
    lua_settop(L, 2);
    const lipm_part whole = {.type = handle->memory->type};
    lua_getiuservalue(L, 1, LIPM_HANDLE_STRUCT);
    return assign(L, 2, handle, &whole, lipm_handle_set);
}

static void check_number(lua_State *L, const lipm_place *place) {
    ipm_kind kind = place->type->kind;
    if (place->offset < place->memory->reserved)
        lipm_complain(L, place, "set only by creation, touch and clear");
    const ipm_enum *names = place->type->names;
    if (kind == IPM_BOOL || kind >= IPM_CHAR || (names != NULL && !names->is_flags))
        lipm_complain(L, place, "%s is not a number to add to", place->type->name);
    if (lua_type(L, 3) != LUA_TNUMBER) {
        lipm_pushshown(L, 3);
        lipm_complain(L, place, "%s is not a number to add", lua_tostring(L, -1));
    }
    if (kind < IPM_FLOAT) {
        int is_whole;
        lua_tointegerx(L, 3, &is_whole);
        if (!is_whole) {
            lipm_pushshown(L, 3);
            lipm_complain(L, place, "%s is not an integer to add", lua_tostring(L, -1));
        }
    }
}

/* Push the old value as text. A uint64 is shown without the sign that its Lua integer has. */
static void push_old(lua_State *L, const ipm_type *type, uint64_t old) {
    char text[24];
    if (type->kind == IPM_UINT64) {
        snprintf(text, sizeof text, "%" PRIu64, old);
        lua_pushstring(L, text);
    } else {
        lipm_pushscalar(L, type, &old);
        lipm_pushshown(L, -1);
    }
}

static int complain_sum(lua_State *L, const lipm_place *place, uint64_t old) {
    ipm_type unlimited = *place->type;
    lipm_scalar sum;
    unlimited.limits = NULL;
    if (place->type->limits != NULL && lipm_addscalar(L, 3, &unlimited, &old, &sum))
        return lipm_complain_limits(L, place, sum.bits);
    lipm_pushshown(L, 3);
    const char *n = lua_tostring(L, -1);
    push_old(L, place->type, old);
    const char *shown = lua_pushfstring(L, "%s + %s", lua_tostring(L, -1), n);
    return lipm_complain(L, place, "%s is out of range for %s (%s)", shown, place->type->name,
                         lipm_pushrange(L, place->type));
}

/***
Add to a number, atomically: no other process writes between the read of the old value and the write
of the new one. Editors and managers.
@function Handle:add
@tparam string path the path of a number
@tparam number n the number to add, which may be negative; integral if the field is an integer
@treturn number the new value
@raise an error if the sum is out of range or outside the field's limits, and then the old value
stays; otherwise as for `write`
*/
int lipm_handle_add(lua_State *L) {
    lipm_handle *handle = lipm_pinwriter(L);
    lua_settop(L, 3);
    const lipm_part *part = check_part(L, handle);
    lipm_place place = placed(handle, part);
    check_number(L, &place);
    lipm_checkopen(L, handle);
    bool has_begun;
    uint64_t old = 0, new = 0;
    lipm_scalar sum = {0};
    ipm_error error;
    if (begin_own(L, handle, place.memory, &has_begun, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_add);
    const unsigned char *base = ipm_segment_data(handle->segment);
    memcpy(&old, base + place.offset, place.type->size);
    lipm_gap gap = find_gap(handle, part);
    bool is_stored = gap.guard == NULL && lipm_addscalar(L, 3, place.type, &old, &sum);
    if (is_stored) {
        lipm_storescalar(&new, place.type, &sum);
        unsigned char *at = lipm_change(handle->memory, place.offset, place.type->size);
        lipm_storescalar(at, place.type, &sum);
    }
    if (finish_own(handle, has_begun, is_stored, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_add);
    if (gap.guard != NULL)
        return lipm_complain_gap(L, place.memory, part, &gap);
    if (!is_stored)
        return complain_sum(L, &place, old);
    lipm_pushscalar(L, place.type, &new);
    return 1;
}

static int in_transaction(lua_State *L, int (*change)(ipm_segment *, ipm_error *),
                          lua_CFunction method) {
    lipm_handle *handle = lipm_pinwriter(L);
    bool has_begun;
    ipm_error error;
    int code = begin_own(L, handle, handle->memory, &has_begun, &error);
    if (code == IPM_OK) {
        code = change(handle->segment, &error);
        int finished = finish_own(handle, has_begun, code == IPM_OK, &error);
        code = code == IPM_OK ? finished : code;
    }
    return code == IPM_OK ? 0 : lipm_retry(L, handle, &error, method);
}

/***
Set `header.time_stamp` to the present time. Like `write`, this is a transaction of its own unless
the handle holds its lock. Editors and managers.
@function Handle:touch
@raise an error object as `lock` and `unlock` raise it
*/
int lipm_handle_touch(lua_State *L) {
    return in_transaction(L, ipm_segment_touch, lipm_handle_touch);
}

/***
Set every field to its default or to zero, and the time stamp to zero; the header's code stays. Like
`write`, this is a transaction of its own unless the handle holds its lock. Editors and managers.
@function Handle:clear
@raise an error object as `lock` and `unlock` raise it
*/
int lipm_handle_clear(lua_State *L) {
    return in_transaction(L, ipm_segment_clear, lipm_handle_clear);
}
