/*
 * For each field that a program waits for, the handle keeps the bytes that `wait` saw last.
 */
#include "changed.h"

#include "error.h"
#include "follow.h"
#include "path.h"
#include "slice.h"
#include "value.h"

#include <lauxlib.h>
#include <string.h>

enum { PATH = 2, SECONDS, OWNER, PATHS, PART, SEEN, NOW };

/* Push the handle's table of the bytes seen last, by path. It is made on the first use. */
static void push_seen(lua_State *L) {
    if (lua_getiuservalue(L, 1, LIPM_HANDLE_SEEN) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, 1, LIPM_HANDLE_SEEN);
    }
}

/* Remember the bytes at NOW as those seen last. */
static void remember(lua_State *L, const lipm_part *part) {
    lua_pushvalue(L, PATH);
    lua_pushlstring(L, lua_touserdata(L, NOW), part->type->size);
    lua_rawset(L, SEEN);
}

/* Whether the bytes at NOW differ from those on the top of the stack. If the program's Struct lacks
 * the field, the field may have another size in the segment that the handle now follows. */
static bool differs(lua_State *L, const lipm_part *part) {
    uint64_t size = part->type->size;
    return lua_rawlen(L, -1) != size ||
           memcmp(lua_tostring(L, -1), lua_touserdata(L, NOW), size) != 0;
}

/* Whether the bytes at NOW differ from those seen last. If this is the first wait for the field:
 * whether there was a commit since the handle was opened, or the handle has followed. */
static bool has_changed(lua_State *L, const lipm_handle *handle, const lipm_part *part,
                        uint64_t version) {
    lua_pushvalue(L, PATH);
    bool is_known = lua_rawget(L, SEEN) == LUA_TSTRING;
    bool changed = is_known
                       ? differs(L, part)
                       : version != handle->opened || ipm_segment_openings(handle->segment) > 1;
    lua_pop(L, 1);
    if (changed || !is_known)
        remember(L, part);
    return changed;
}

static int push_changed(lua_State *L, const lipm_handle *handle, const lipm_part *part) {
    lipm_pushcopy(L, OWNER, handle->layout, part->type, lua_touserdata(L, NOW));
    return 1;
}

static int fail_in_time(lua_State *L, lipm_handle *handle, const lipm_part *part) {
    luaL_pushfail(L);
    lipm_pushpath(L, &(lipm_place){handle->memory, part->type, part->offset});
    lua_pushliteral(L, ": it did not change in time");
    lua_concat(L, 2);
    lua_pushstring(L, ipm_code_name(IPM_ETIMEOUT));
    return 3;
}

/* Look until the field has changed, or the time is over. *part: the field, of the present layout.
 * returns  a code */
static int look_for_change(lua_State *L, lipm_handle *handle, const lipm_deadline *until,
                           const lipm_part **part, ipm_error *error) {
    lua_settop(L, SECONDS);
    lua_getiuservalue(L, 1, LIPM_HANDLE_STRUCT);
    const lipm_memory *memory = handle->memory;
    const lipm_part *found = *part = lipm_checkpath(L, PATH, OWNER, handle->layout);
    if (found->guard_count > 0)
        lipm_complain(L, &(lipm_place){handle->memory, found->type, found->offset},
                      "it may come and go: wait for the whole list or optional field");
    push_seen(L);
    void *now = lua_newuserdatauv(L, found->type->size, 0);
    for (;;) {
        uint64_t version;
        lipm_checkopen(L, handle);
        if (lipm_hasmoved(handle, memory, error))
            return (int)error->code;
        int code = ipm_segment_version(handle->segment, &version, error);
        if (code == IPM_OK)
            code = ipm_segment_read(handle->segment, found->offset, found->type->size, now, error);
        if (code != IPM_OK || has_changed(L, handle, found, version))
            return code;
        lipm_checkopen(L, handle);
        code = lipm_waitcommit(L, handle, version, until, &version, error);
        if (code != IPM_OK)
            return code;
    }
}

int lipm_waitfield(lua_State *L, lipm_handle *handle) {
    const char *name = handle->memory->type->name;
    lipm_deadline until = lipm_deadline_start(lipm_checkseconds(L, SECONDS, IPM_FOREVER, name));
    const lipm_part *part;
    ipm_error error;
    int code;
    lua_settop(L, SECONDS);
    do
        code = look_for_change(L, handle, &until, &part, &error);
    while (code != IPM_OK && lipm_again(L, handle, &error));
    if (code == IPM_OK)
        return push_changed(L, handle, part);
    return code == IPM_ETIMEOUT ? fail_in_time(L, handle, part) : lipm_fail(L, &error);
}
