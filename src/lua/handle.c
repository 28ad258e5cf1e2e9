/***
The userdata "ipmmap.reader", "ipmmap.editor" and "ipmmap.manager": opening, closing, and what
a handle says of its segment.
@submodule ipmmap
*/
#include "lipm.h"

static const char *const roles[] = {"reader", "editor", "manager", NULL};
static const char *const classes[] = {"ipmmap.reader", "ipmmap.editor", "ipmmap.manager"};

const char *lipm_handlename(const lipm_handle *handle) {
    return handle->layout->layout != NULL ? handle->memory.type->name : "?";
}

/* Begins each handle. */
static const char handle_mark = 'h';

lipm_handle *lipm_checkanyhandle(lua_State *L) {
    lipm_handle *handle = lua_touserdata(L, 1);
    if (handle == NULL || lua_rawlen(L, 1) != sizeof *handle || handle->mark != &handle_mark) {
        luaL_typeerror(L, 1, "manager, editor or reader");
    }
    return handle;
}

void lipm_checkopen(lua_State *L, const lipm_handle *handle) {
    if (handle->segment == NULL) {
        luaL_error(L, "%s: this %s is closed", lipm_handlename(handle), roles[handle->role]);
    }
}

lipm_handle *lipm_checkhandle(lua_State *L) {
    lipm_handle *handle = lipm_checkanyhandle(L);
    lipm_checkopen(L, handle);
    return handle;
}

lipm_handle *lipm_pinhandle(lua_State *L) {
    lipm_handle *handle = lipm_checkhandle(L);
    handle->is_pinned = true;
    return handle;
}

lipm_handle *lipm_pinwriter(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    if (handle->role == IPM_READER) {
        luaL_error(L, "%s: a reader cannot write", lipm_handlename(handle));
    }
    return handle;
}

/* ---- Closing ------------------------------------------------------------------------------ */

static int close_handle(lipm_handle *handle, ipm_error *error) {
    if (handle->segment == NULL) {
        return IPM_OK;
    }
    int code = ipm_segment_close(handle->segment, error);
    if (code == IPM_OK) {
        handle->segment = NULL;
        handle->memory.base = NULL;
        handle->layout->handles--;
        lipm_freelayout(handle->layout);
    }
    return code;
}

/***
Unlock (an editor rolls back) and unmap. Closing again is harmless; a handle is also closed when
it goes out of scope as a `<close>` variable, and when it is collected.
@function Handle:close
@raise if another thread holds its lock
*/
static int handle_close(lua_State *L) {
    ipm_error error;
    if (close_handle(lipm_checkanyhandle(L), &error) != IPM_OK) {
        return lipm_raise(L, &error);
    }
    return 0;
}

static int handle_gc(lua_State *L) {
    lipm_handle *handle = lipm_checkanyhandle(L);
    bool is_locked = lipm_is_locked(handle);
    if (close_handle(handle, NULL) == IPM_OK && is_locked) {
        lipm_warnforgotten(L, handle);
    }
    return 0;
}

static int handle_tostring(lua_State *L) {
    const lipm_handle *handle = lipm_checkanyhandle(L);
    ipm_info info = {.own_size = sizeof info};
    if (handle->segment == NULL) {
        lua_pushfstring(L, "%s (closed)", classes[handle->role]);
    } else if (ipm_segment_info(handle->segment, &info, NULL) == IPM_OK) {
        lua_pushfstring(L, "%s: %s", classes[handle->role], info.path);
    } else {
        lua_pushfstring(L, "%s: %s", classes[handle->role], handle->memory.type->name);
    }
    return 1;
}

/* ---- The classes: of each Struct one for each role ---------------------------------------- */

static const luaL_Reg metamethods[] = {
    {"__gc", handle_gc},
    {"__close", handle_close},
    {"__tostring", handle_tostring},
    {"__newindex", lipm_handle_newindex},
    {NULL, NULL},
};

/* Push a Struct's own copy of the methods: what it lacks is complained of by the Struct's name. */
static void push_methods(lua_State *L, int owner) {
    lua_getiuservalue(L, owner, LIPM_STRUCT_METATABLES);
    if (lua_rawgetp(L, -1, &handle_mark) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_rawgetp(L, LUA_REGISTRYINDEX, &handle_mark);
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
        lua_rawsetp(L, -3, &handle_mark);
    }
    lua_replace(L, -2);
}

/* Push the metatable of a Struct's handles of a role, made at first need. */
static void push_class(lua_State *L, int owner, ipm_role role) {
    lua_getiuservalue(L, owner, LIPM_STRUCT_METATABLES);
    if (lua_rawgetp(L, -1, &classes[role]) != LUA_TTABLE) {
        lua_pop(L, 1);
        luaL_newlib(L, metamethods);
        lua_pushstring(L, classes[role]);
        lua_setfield(L, -2, "__name");
        push_methods(L, owner);
        lua_setfield(L, -2, "__index");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, -3, &classes[role]);
    }
    lua_replace(L, -2);
}

/* ---- Opening ------------------------------------------------------------------------------ */

static lipm_handle *push_handle(lua_State *L, int owner, ipm_role role, lipm_layout *layout) {
    const ipm_type *type = ipm_layout_type(layout->layout);
    lipm_handle *handle = lua_newuserdatauv(L, sizeof *handle, LIPM_HANDLE_VALUES);
    *handle = (lipm_handle){
        .mark = &handle_mark,
        .memory =
            {
                .layout = layout,
                .type = type,
                .watched = &ipm_fork_generation,
                .expected = ipm_fork_generation,
                .reserved = IPM_HEADER_SIZE,
                .is_live = true,
                .is_writable = role != IPM_READER,
            },
        .layout = layout,
        .role = role,
    };
    push_class(L, owner, role);
    lua_setmetatable(L, -2);
    return handle;
}

/* Push the user ids of the options' list `trust`, as an array of uint32_t in a userdata. */
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

/*
 * open(role, Struct, options): a handle, or nil, message, code; handle.lua has checked the
 * options, and raises what comes with the code "invalid".
 */
int lipm_open(lua_State *L) {
    ipm_role role = (ipm_role)luaL_checkoption(L, 1, NULL, roles);
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
    };
    lipm_handle *handle = push_handle(L, 2, role, layout);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, LIPM_HANDLE_STRUCT);
    ipm_error error;
    if (ipm_segment_open(role, layout->layout, &options, &handle->segment, &error) != IPM_OK) {
        handle->segment = NULL;
        luaL_pushfail(L);
        lua_pushstring(L, error.text);
        lua_pushstring(L, ipm_code_name(error.code));
        return 3;
    }
    handle->memory.segment = handle->segment;
    ipm_segment_show(handle->segment, &handle->memory.base);
    ipm_segment_version(handle->segment, &handle->opened, NULL);
    layout->handles++;
    return 1;
}

/* repair(path, options), of which handle.lua has checked the options. */
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
    if (ipm_segment_repair(&options, &repaired, &error) != IPM_OK) {
        luaL_pushfail(L);
        lua_pushstring(L, error.text);
        lua_pushstring(L, ipm_code_name(error.code));
        return 3;
    }
    lua_pushboolean(L, repaired);
    return 1;
}

/* ---- What it says of the segment --------------------------------------------------------- */

/***
The number of commits since the segment was created: it grows with each.
@function Handle:version
@treturn integer
@raise an error object: `"replaced"`, `"forked"`
*/
static int handle_version(lua_State *L) {
    const lipm_handle *handle = lipm_pinhandle(L);
    uint64_t version;
    ipm_error error;
    if (ipm_segment_version(handle->segment, &version, &error) != IPM_OK) {
        return lipm_raise(L, &error);
    }
    lua_pushinteger(L, (lua_Integer)version);
    return 1;
}

/***
When the segment was last touched, or else created: `header.time_stamp`.
@function Handle:last_update
@treturn number Unix seconds
@raise an error object: `"replaced"`, `"forked"`
*/
static int handle_last_update(lua_State *L) {
    const lipm_handle *handle = lipm_pinhandle(L);
    double time;
    ipm_error error;
    if (ipm_segment_read(handle->segment, IPM_HEADER_SIZE - sizeof time, sizeof time, &time,
                         &error) != IPM_OK) {
        return lipm_raise(L, &error);
    }
    lua_pushnumber(L, time);
    return 1;
}

/***
What is known of the segment.
@function Handle:info
@treturn table `name` of the struct; `role`; `tag`; `path` and `lock_path` of the two files;
`size` of the struct in bytes; `version`; `recoveries`: transactions rolled back because their
writer died; `writable`: whether this role may write; `lockable`: false if this reader has only
lock-free reads; `pending`: a writer died in a transaction, which the next one will undo;
`max_readers`; `readers`: read locks held just now; `writer_pid`: the process that holds the write
lock just now, or 0; `replaced`: the segment was replaced or destroyed, or its file was removed, and
the rest is the last that is known of it
@raise an error object: `"forked"`
*/
static int handle_info(lua_State *L) {
    const lipm_handle *handle = lipm_pinhandle(L);
    ipm_info info = {.own_size = sizeof info};
    ipm_error error;
    lua_createtable(L, 0, 15);
    lipm_checkopen(L, handle);
    if (ipm_segment_info(handle->segment, &info, &error) != IPM_OK) {
        return lipm_raise(L, &error);
    }
    const struct {
        const char *name, *value;
    } strings[] = {
        {"name", handle->memory.type->name},
        {"role", roles[handle->role]},
        {"tag", info.tag},
        {"path", info.path},
        {"lock_path", info.lock_path},
    };
    const struct {
        const char *name;
        uint64_t value;
    } integers[] = {
        {"size", info.size},
        {"version", info.version},
        {"recoveries", info.recoveries},
        {"max_readers", info.max_readers},
        {"readers", info.readers},
        {"writer_pid", (uint64_t)info.writer_pid},
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        lipm_checkopen(L, handle); /* the strings are its segment's */
        lua_pushstring(L, strings[i].value);
        lua_setfield(L, -2, strings[i].name);
    }
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        lua_pushinteger(L, (lua_Integer)integers[i].value);
        lua_setfield(L, -2, integers[i].name);
    }
    lua_pushboolean(L, info.pending);
    lua_setfield(L, -2, "pending");
    lua_pushboolean(L, info.writable);
    lua_setfield(L, -2, "writable");
    lua_pushboolean(L, info.lockable);
    lua_setfield(L, -2, "lockable");
    lua_pushboolean(L, info.replaced);
    lua_setfield(L, -2, "replaced");
    return 1;
}

/***
Return when the data is on disk. Editors and managers.
@function Handle:flush
@raise an error object: `"system"`, `"no_space"`, `"replaced"`, `"forked"`
*/
static int handle_flush(lua_State *L) {
    const lipm_handle *handle = lipm_pinwriter(L);
    ipm_error error;
    if (ipm_segment_flush(handle->segment, &error) != IPM_OK) {
        return lipm_raise(L, &error);
    }
    return 0;
}

/***
Remove both files; handles elsewhere then say `"replaced"`, and so does this one. A lock that it
holds is rolled back and released. Managers only.
@function Handle:destroy
@raise an error object: `"permission"`, `"system"`, `"replaced"`, `"forked"`
*/
static int handle_destroy(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    ipm_error error;
    if (handle->role != IPM_MANAGER) {
        return luaL_error(L, "%s: only a manager can destroy a segment", lipm_handlename(handle));
    }
    int code = ipm_segment_destroy(handle->segment, &error);
    if (!ipm_segment_is_locked(handle->segment)) {
        handle->memory.base = NULL;
    }
    return code == IPM_OK ? 0 : lipm_raise(L, &error);
}

/* ---- The methods -------------------------------------------------------------------------- */

/* All roles have all methods: those that a role may not use say so. */
static const luaL_Reg methods[] = {
    {"lock", lipm_handle_lock},
    {"try_lock", lipm_handle_try_lock},
    {"with", lipm_handle_with},
    {"unlock", lipm_handle_unlock},
    {"rollback", lipm_handle_rollback},
    {"read", lipm_handle_read},
    {"snapshot", lipm_handle_snapshot},
    {"versioned_snapshot", lipm_handle_versioned_snapshot},
    {"write", lipm_handle_write},
    {"set", lipm_handle_set},
    {"add", lipm_handle_add},
    {"touch", lipm_handle_touch},
    {"clear", lipm_handle_clear},
    {"wait", lipm_handle_wait},
    {"fd", lipm_handle_fd},
    {"drain", lipm_handle_drain},
    {"users", lipm_handle_users},
    {"version", handle_version},
    {"last_update", handle_last_update},
    {"info", handle_info},
    {"flush", handle_flush},
    {"destroy", handle_destroy},
    {"close", handle_close},
    {NULL, NULL},
};

void lipm_open_handle(lua_State *L) {
    luaL_newlib(L, methods);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &handle_mark);
}
