/*
 * Opening and repairing segments; the metatables and methods of handles and of feeds.
 */
#include "open.h"

#include "error.h"
#include "feed.h"
#include "follow.h"
#include "functions.h"
#include "handle.h"
#include "layout.h"
#include "slice.h"

#include <lauxlib.h>
#include <string.h>

static const char *const classes[] = {"ipmmap.reader", "ipmmap.editor", "ipmmap.manager"};

/* Its address is the key of the table of methods, in the registry and in a Struct's metatables. */
static const char methods_key = 'm';

/* All roles have all methods. A method that the role may not use raises an error. */
static const luaL_Reg handle_methods[] = {
    {"lock", lipm_handle_lock},
    {"try_lock", lipm_handle_try_lock},
    {"with", lipm_handle_with},
    {"try_with", lipm_handle_try_with},
    {"unlock", lipm_handle_unlock},
    {"rollback", lipm_handle_rollback},
    {"read", lipm_handle_read},
    {"snapshot", lipm_handle_snapshot},
    {"versioned_snapshot", lipm_handle_versioned_snapshot},
    {"write", lipm_handle_write},
    {"set", lipm_handle_set},
    {"add", lipm_handle_add},
    {"max", lipm_handle_max},
    {"min", lipm_handle_min},
    {"bor", lipm_handle_bor},
    {"band", lipm_handle_band},
    {"swap", lipm_handle_swap},
    {"update", lipm_handle_update},
    {"touch", lipm_handle_touch},
    {"clear", lipm_handle_clear},
    {"wait", lipm_handle_wait},
    {"changed", lipm_handle_changed},
    {"feed", lipm_handle_feed},
    {"fd", lipm_handle_fd},
    {"drain", lipm_handle_drain},
    {"users", lipm_handle_users},
    {"version", lipm_handle_version},
    {"last_update", lipm_handle_last_update},
    {"info", lipm_handle_info},
    {"flush", lipm_handle_flush},
    {"destroy", lipm_handle_destroy},
    {"share", lipm_handle_share},
    {"apply", lipm_handle_apply},
    {"edit", lipm_handle_edit},
    {"close", lipm_handle_close},
    {NULL, NULL},
};

static int handle_tostring(lua_State *L) {
    const lipm_handle *handle = lipm_checkanyhandle(L);
    ipm_info info = {.own_size = sizeof info};
    if (handle->segment == NULL)
        lua_pushfstring(L, "%s (closed)", classes[handle->role]);
    else if (ipm_segment_info(handle->segment, &info, NULL) == IPM_OK)
        lua_pushfstring(L, "%s: %s", classes[handle->role], info.path);
    else
        lua_pushfstring(L, "%s: %s", classes[handle->role], handle->memory->type->name);
    return 1;
}

static const luaL_Reg handle_metamethods[] = {
    {"__gc", lipm_handle_collect},
    {"__close", lipm_handle_close},
    {"__tostring", handle_tostring},
    {"__newindex", lipm_handle_newindex},
    {NULL, NULL},
};

/* Push the Struct's own copy of the table of methods. With one for each Struct, the error about an
 * unknown method can name the Struct. */
static void push_methods(lua_State *L, int owner) {
    lua_getiuservalue(L, owner, LIPM_STRUCT_CLASSES);
    if (lua_rawgetp(L, -1, &methods_key) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &methods_key);
        lua_pushnil(L);
        while (lua_next(L, -2) != 0) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, -5);
        }
        lua_pop(L, 1);
        lua_createtable(L, 0, 1);
        lua_pushvalue(L, owner);
        lua_pushcclosure(L, lipm_handle_unknown, 1);
        lua_setfield(L, -2, "__index");
        lua_setmetatable(L, -2);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, -3, &methods_key);
    }
    lua_replace(L, -2);
}

/* Push the metatable of the Struct's handles of that role. It is made on the first use. */
static void push_class(lua_State *L, int owner, ipm_role role) {
    lua_getiuservalue(L, owner, LIPM_STRUCT_CLASSES);
    if (lua_rawgetp(L, -1, &classes[role]) != LUA_TTABLE) {
        lua_pop(L, 1);
        luaL_newlib(L, handle_metamethods);
        lua_pushstring(L, classes[role]);
        lua_setfield(L, -2, "__name");
        push_methods(L, owner);
        lua_setfield(L, -2, "__index");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, -3, &classes[role]);
    }
    lua_replace(L, -2);
}

/* ---- Feeds -------------------------------------------------------------------------------- */

static int feed_tostring(lua_State *L) {
    const lipm_feed *feed = lipm_checkanyfeed(L);
    if (feed->feed == NULL)
        lua_pushliteral(L, LIPM_FEED_CLASS " (closed)");
    else
        lua_pushfstring(L, LIPM_FEED_CLASS ": %s", lipm_handlename(feed->handle));
    return 1;
}

static const luaL_Reg feed_methods[] = {
    {"next", lipm_feed_next},
    {"changes", lipm_feed_changes},
    {"commits", lipm_feed_commits},
    {"time", lipm_feed_time},
    {"patch", lipm_feed_patch},
    {"close", lipm_feed_close},
    {NULL, NULL},
};

static const luaL_Reg feed_metamethods[] = {
    {"__gc", lipm_feed_close},
    {"__close", lipm_feed_close},
    {"__tostring", feed_tostring},
    {NULL, NULL},
};

void lipm_open_feed(lua_State *L) {
    luaL_newlib(L, feed_methods);
    luaL_newmetatable(L, LIPM_FEED_CLASS);
    luaL_setfuncs(L, feed_metamethods, 0);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

/* ---- Opening ------------------------------------------------------------------------------ */

/* Push the user ids of the option `trust`, as an array of uint32_t in a userdata. */
static void push_trust(lua_State *L, int options) {
    lua_getfield(L, options, "trust");
    lua_Unsigned count = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
    uint32_t *users = lua_newuserdatauv(L, count * sizeof *users, 0);
    for (lua_Unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, -2, (lua_Integer)i + 1);
        users[i] = (uint32_t)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    lua_replace(L, -2);
}

/* nil, message, code; unlike lipm_fail also for the code "invalid", which handle.lua raises. */
static int fail_open(lua_State *L, const ipm_error *error) {
    luaL_pushfail(L);
    lua_pushstring(L, error->text);
    lua_pushstring(L, ipm_code_name(error->code));
    return 3;
}

/*
 * Open the segment. Wait for it at most for the seconds at index `wait`, in slices, so that hooks
 * can end the wait. A slice is never 0, because 0 means not to wait.
 */
static int open_or_wait(lua_State *L, int wait, ipm_options *options, lipm_handle *handle,
                        ipm_error *error) {
    const char *name = handle->memory->type->name;
    int64_t wait_ns = lipm_checkseconds(L, wait, 0, name);
    lipm_deadline until = lipm_deadline_start(wait_ns);
    for (;;) {
        int64_t slice_ns = lipm_deadline_slice(&until);
        options->wait_ns = wait_ns <= 0 ? 0 : slice_ns > 0 ? slice_ns : 1;
        int code = ipm_segment_open(handle->role, handle->layout->layout, options, &handle->segment,
                                    error);
        bool goes_on =
            code == IPM_EINTERRUPTED || (code == IPM_ETIMEOUT && lipm_deadline_slice(&until) > 0);
        if (!goes_on)
            return code;
        lipm_runhooks(L);
    }
}

/*
 * open(role, Struct, options): returns a handle, or nil, message and code. handle.lua has checked
 * the options, and raises the message if the code is "invalid". The option `init` is a value that
 * struct.initial has made.
 */
int lipm_open(lua_State *L) {
    ipm_role role = (ipm_role)luaL_checkoption(L, 1, NULL, lipm_roles);
    lipm_layout *layout = lipm_checklayout(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    lua_getfield(L, 3, "tag");
    lua_getfield(L, 3, "mmap_dir");
    lua_getfield(L, 3, "lock_dir");
    lua_getfield(L, 3, "create");
    lua_getfield(L, 3, "force");
    lua_getfield(L, 3, "mode");
    lua_getfield(L, 3, "max_readers");
    lua_getfield(L, 3, "prefault");
    lua_getfield(L, 3, "mlock");
    push_trust(L, 3);
    lua_getfield(L, 3, "migrate");
    lua_getfield(L, 3, "feed");
    lua_getfield(L, 3, "wait");
    lua_getfield(L, 3, "layout");
    lua_getfield(L, 3, "follow");
    lua_getfield(L, 3, "shares");
    lua_getfield(L, 3, "init");
    const lipm_view *init = lua_isnil(L, 20) ? NULL : lipm_checkview(L, 20);
    ipm_options options = {
        .own_size = sizeof options,
        .tag = lua_tostring(L, 4),
        .mmap_dir = lua_tostring(L, 5),
        .lock_dir = lua_tostring(L, 6),
        .create = lua_toboolean(L, 7),
        .force = lua_toboolean(L, 8),
        .mode = (uint32_t)luaL_optinteger(L, 9, 0),
        .max_readers = (uint32_t)luaL_optinteger(L, 10, 0),
        .prefault = lua_toboolean(L, 11),
        .mlock = lua_toboolean(L, 12),
        .trust = lua_touserdata(L, 13),
        .trust_count = lua_rawlen(L, 13) / sizeof(uint32_t),
        .migrate = (ipm_migrate)luaL_optinteger(L, 14, IPM_MIGRATE_NO),
        .feed = (uint64_t)luaL_optinteger(L, 15, 0),
        .match = strcmp(luaL_optstring(L, 17, "exact"), "exact") == 0 ? IPM_EXACT : IPM_BY_PATH,
        .follow = lua_toboolean(L, 18),
        .shares = lua_toboolean(L, 19),
        .init = init == NULL ? NULL : lipm_base(init->place.memory),
    };
    lipm_handle *handle = lipm_pushhandle(L, role, layout);
    push_class(L, 2, role);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, LIPM_HANDLE_STRUCT);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, LIPM_HANDLE_DEFINITION);
    ipm_error error;
    if (open_or_wait(L, 16, &options, handle, &error) != IPM_OK)
        return fail_open(L, &error);
    handle->memory->segment = handle->segment;
    handle->follows = options.follow;
    handle->may_change = options.follow && options.match == IPM_BY_PATH;
    lipm_retainlayout(handle->definition);
    lipm_retainlayout(handle->layout);
    ipm_segment_version(handle->segment, &handle->opened, NULL);
    handle->reported = handle->opened;
    lipm_takelayout(L, -1, handle);
    return 1;
}

/* repair(path, options): see handle.lua, which has checked the options. */
int lipm_repair(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    bool repaired;
    ipm_error error;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_getfield(L, 2, "lock_dir");
    push_trust(L, 2);
    const ipm_options options = {
        .own_size = sizeof options,
        .path = path,
        .lock_dir = lua_tostring(L, 3),
        .trust = lua_touserdata(L, 4),
        .trust_count = lua_rawlen(L, 4) / sizeof(uint32_t),
    };
    if (ipm_segment_repair(&options, &repaired, &error) != IPM_OK)
        return fail_open(L, &error);
    lua_pushboolean(L, repaired);
    return 1;
}

/* adopt(Struct, path, options), of which handle.lua has checked the options. */
int lipm_adopt(lua_State *L) {
    lipm_layout *layout = lipm_checklayout(L, 1);
    const char *path = luaL_checkstring(L, 2);
    ipm_error error;
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    lua_getfield(L, 3, "tag");
    lua_getfield(L, 3, "mmap_dir");
    lua_getfield(L, 3, "lock_dir");
    lua_getfield(L, 3, "max_readers");
    push_trust(L, 3);
    const ipm_options options = {
        .own_size = sizeof options,
        .tag = lua_tostring(L, 4),
        .mmap_dir = lua_tostring(L, 5),
        .lock_dir = lua_tostring(L, 6),
        .max_readers = (uint32_t)luaL_optinteger(L, 7, 0),
        .trust = lua_touserdata(L, 8),
        .trust_count = lua_rawlen(L, 8) / sizeof(uint32_t),
    };
    if (ipm_adopt(layout->layout, path, &options, &error) != IPM_OK)
        return fail_open(L, &error);
    lua_pushboolean(L, true);
    return 1;
}

void lipm_open_handle(lua_State *L) {
    luaL_newlib(L, handle_methods);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &methods_key);
}
