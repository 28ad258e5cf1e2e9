/***
Information about a segment; flushing and destroying it.
@submodule ipmmap
*/
#include "convert.h"
#include "error.h"
#include "follow.h"
#include "functions.h"
#include "handle.h"
#include "share.h"

#include <lauxlib.h>

/***
The number of commits since the segment was created.
@function Handle:version
@treturn integer
@raise an error object: `"replaced"`, `"forked"`
*/
int lipm_handle_version(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    uint64_t version;
    ipm_error error;
    if (ipm_segment_version(handle->segment, &version, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_version);
    lua_pushinteger(L, (lua_Integer)version);
    return 1;
}

/***
The time when the segment was last touched, or else created: `header.time_stamp`.
@function Handle:last_update
@treturn number Unix seconds
@raise an error object: `"replaced"`, `"forked"`
*/
int lipm_handle_last_update(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    double time;
    ipm_error error;
    if (ipm_segment_read(handle->segment, IPM_HEADER_SIZE - sizeof time, sizeof time, &time,
                         &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_last_update);
    lua_pushnumber(L, time);
    return 1;
}

static void set_info_integer(lua_State *L, const char *name, int64_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

/* Set last_commit and last_writer in the table on top, if they are known. */
static void set_last_commit(lua_State *L, const ipm_info *info) {
    if (info->last_commit == 0)
        return;
    lua_pushnumber(L, info->last_commit);
    lua_setfield(L, -2, "last_commit");
    if (info->last_writer == 0)
        return;
    lua_createtable(L, 0, 3);
    set_info_integer(L, "pid", info->last_writer);
    set_info_integer(L, "start", (int64_t)info->last_writer_start);
    if (info->last_writer_life != IPM_LIFE_UNKNOWN) {
        lua_pushboolean(L, info->last_writer_life == IPM_ALIVE);
        lua_setfield(L, -2, "alive");
    }
    lua_setfield(L, -2, "last_writer");
}

static void set_attached(lua_State *L, const ipm_attached *attached, size_t count) {
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 4);
        set_info_integer(L, "pid", attached[i].pid);
        lua_pushstring(L, lipm_roles[attached[i].role]);
        lua_setfield(L, -2, "role");
        set_info_integer(L, "since", attached[i].since);
        set_info_integer(L, "start", (int64_t)attached[i].start);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "attached");
}

/* Set `share`, unless the segment was replaced. */
static void set_info_share(lua_State *L, lipm_handle *handle) {
    ipm_share share;
    ipm_error error;
    lipm_checkopen(L, handle);
    int code = ipm_segment_share(handle->segment, &share, &error);
    if (code == IPM_EREPLACED)
        return;
    if (code != IPM_OK)
        lipm_raise(L, &error);
    lipm_pushshare(L, &share);
    lua_setfield(L, -2, "share");
}

/***
Information about the segment, the handle and the lock.
@function Handle:info
@treturn table with the fields `name`, of the struct; `role`, of the handle; `tag`; `path` and
`lock_path`, of the two files; `size`, of the struct in bytes; `feed`: the bytes of the ring that
feeds read, 0 if there is none; `version`; `recoveries`: how many
transactions were rolled back because their writer died; `pending`: whether a writer died in a
transaction, which the next writer will roll back; `max_readers`; `readers`: how many read locks are
held now; `writer_pid`: the process that holds the write lock now, or 0; `writable`: whether this
role may write; `lockable`: false if this reader can only read without the lock; `replaced`: whether
the segment was replaced or destroyed, or its file was removed; the other fields then show what was
last known; `migrated`: what the opening of this handle migrated, or nil: `kept`, `added` and
`dropped`, lists of paths, see the option `migrate`; `last_commit`: when the last commit was made,
in Unix seconds, to within 10 ms, or nil if there was none; `last_writer`: the process that made it:
`pid`, in its own pid namespace; `start`, which tells it from a later process with the same pid: the
clock ticks between the boot and its start; and `alive`, nil if that cannot be told, because it is
of another pid namespace; `attached`: a table for each handle that a living process has open on the
segment, this one included: `pid`, `role`, `since` in Unix seconds, and `start`. At most 160
handles are listed, and no reader without the lock file. The call makes four system calls for each
of them; `share`: what `share` returns, nil if the segment was replaced
@raise an error object: `"forked"`
*/
int lipm_handle_info(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    ipm_info info = {.own_size = sizeof info};
    ipm_attached attached[IPM_MAX_ATTACHED];
    size_t count;
    ipm_error error;
    lua_createtable(L, 0, 21);
    lipm_checkopen(L, handle);
    if (ipm_segment_info(handle->segment, &info, &error) != IPM_OK ||
        ipm_segment_attached(handle->segment, attached, IPM_MAX_ATTACHED, &count, &error) != IPM_OK)
        return lipm_raise(L, &error);
    const struct {
        const char *name, *value;
    } strings[] = {
        {"name", handle->memory->type->name},
        {"role", lipm_roles[handle->role]},
        {"tag", info.tag},
        {"path", info.path},
        {"lock_path", info.lock_path},
    };
    const struct {
        const char *name;
        uint64_t value;
    } integers[] = {
        {"size", info.size},
        {"feed", info.feed},
        {"version", info.version},
        {"recoveries", info.recoveries},
        {"max_readers", info.max_readers},
        {"readers", info.readers},
        {"writer_pid", (uint64_t)info.writer_pid},
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        lipm_checkopen(L, handle); /* the strings belong to the segment */
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
    set_last_commit(L, &info);
    set_attached(L, attached, count);
    set_info_share(L, handle);
    lipm_checkopen(L, handle);
    const ipm_migration *migration = ipm_segment_migration(handle->segment);
    if (migration != NULL) {
        lipm_pushmigration(L, migration, handle);
        lua_setfield(L, -2, "migrated");
    }
    return 1;
}

/***
Write the data to disk, and return when it is there. Editors and managers.
@function Handle:flush
@raise an error object: `"system"`, `"no_space"`, `"replaced"`, `"forked"`
*/
int lipm_handle_flush(lua_State *L) {
    lipm_handle *handle = lipm_pinwriter(L);
    ipm_error error;
    if (ipm_segment_flush(handle->segment, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_flush);
    return 0;
}

/***
Remove both files. After that all handles of the segment, this one too, fail with `"replaced"`. If
this handle holds its lock, its changes are rolled back and the lock is released. Managers only.
@function Handle:destroy
@raise an error object: `"permission"`, `"system"`, `"not_home"`, `"replaced"`, `"forked"`
*/
int lipm_handle_destroy(lua_State *L) {
    lipm_handle *handle = lipm_pinhandle(L);
    ipm_error error;
    if (handle->role != IPM_MANAGER)
        return luaL_error(L, "%s: only a manager can destroy a segment", lipm_handlename(handle));
    int code = ipm_segment_destroy(handle->segment, &error);
    if (!ipm_segment_is_locked(handle->segment))
        handle->memory->base = NULL;
    return code == IPM_OK ? 0 : lipm_retry(L, handle, &error, lipm_handle_destroy);
}
