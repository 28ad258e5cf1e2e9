/*
 * For each field that a program waits for, the handle keeps the bytes that `wait` saw last.
 */
#include "changed.h"

#include "error.h"
#include "path.h"
#include "scalar.h"
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

/* Whether the bytes at NOW differ from those seen last. If this is the first wait for the field:
 * whether there was a commit since the handle was opened. */
static bool has_changed(lua_State *L, const lipm_handle *handle, const lipm_part *part,
                        uint64_t version) {
    lua_pushvalue(L, PATH);
    bool is_known = lua_rawget(L, SEEN) == LUA_TSTRING;
    bool changed = is_known
                       ? memcmp(lua_tostring(L, -1), lua_touserdata(L, NOW), part->type->size) != 0
                       : version != handle->opened;
    lua_pop(L, 1);
    if (changed || !is_known)
        remember(L, part);
    return changed;
}

static int push_changed(lua_State *L, const lipm_handle *handle, const lipm_part *part) {
    if (lipm_is_scalar(part->type)) {
        lipm_pushscalar(L, part->type, lua_touserdata(L, NOW));
    } else {
        lipm_value *value = lipm_pushvalue(L, OWNER, handle->layout, part->type);
        memcpy(value->bytes, lua_touserdata(L, NOW), part->type->size);
    }
    return 1;
}

static int fail_in_time(lua_State *L, lipm_handle *handle, const lipm_part *part) {
    luaL_pushfail(L);
    lipm_pushpath(L, &(lipm_place){&handle->memory, part->type, part->offset});
    lua_pushliteral(L, ": it did not change in time");
    lua_concat(L, 2);
    lua_pushstring(L, ipm_code_name(IPM_ETIMEOUT));
    return 3;
}

int lipm_waitfield(lua_State *L, lipm_handle *handle) {
    const char *name = handle->memory.type->name;
    lipm_deadline until = lipm_deadline_start(lipm_checkseconds(L, SECONDS, IPM_FOREVER, name));
    lua_settop(L, SECONDS);
    lua_getiuservalue(L, 1, LIPM_HANDLE_STRUCT);
    const lipm_part *part = lipm_checkpath(L, PATH, OWNER, handle->layout);
    push_seen(L);
    void *now = lua_newuserdatauv(L, part->type->size, 0);
    for (;;) {
        uint64_t version;
        ipm_error error;
        lipm_checkopen(L, handle);
        int code = ipm_segment_version(handle->segment, &version, &error);
        if (code == IPM_OK)
            code = ipm_segment_read(handle->segment, part->offset, part->type->size, now, &error);
        if (code != IPM_OK)
            return lipm_fail(L, &error);
        if (has_changed(L, handle, part, version))
            return push_changed(L, handle, part);
        lipm_checkopen(L, handle);
        code = lipm_waitcommit(L, handle, version, &until, &version, &error);
        if (code == IPM_ETIMEOUT)
            return fail_in_time(L, handle, part);
        if (code != IPM_OK)
            return lipm_fail(L, &error);
    }
}
