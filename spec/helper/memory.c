/*
 * Allocators for tests: one that fails at a given allocation, and one that changes a file at a
 * given allocation, as another process could. Their states are static, because Lua 5.5 keeps the
 * allocator of a long string until it frees the string.
 */
#include <fcntl.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

typedef struct failing {
    lua_Alloc allocate;
    void *data;
    lua_Integer left; /* how many allocations succeed before one fails; it fails twice, because Lua
                         collects and retries */
    int failed;
} failing;

static void *allocate(void *data, void *block, size_t old_size, size_t new_size) {
    failing *state = data;
    if (new_size > 0 && (block == NULL || new_size > old_size) && --state->left <= 0 &&
        state->left > -2) {
        state->failed = 1;
        return NULL;
    }
    return state->allocate(state->data, block, old_size, new_size);
}

/* fail(n, fn) -> whether fn reached its n-th allocation, which failed; the results of pcall(fn) */
static int memory_fail(lua_State *L) {
    static failing state;
    state = (failing){.left = luaL_checkinteger(L, 1)};
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    state.allocate = lua_getallocf(L, &state.data);
    lua_settop(L, 2);
    lua_setallocf(L, allocate, &state);
    int status = lua_pcall(L, 0, 1, 0);
    lua_setallocf(L, state.allocate, state.data);
    lua_pushboolean(L, state.failed);
    lua_pushboolean(L, status == LUA_OK);
    lua_pushvalue(L, 2);
    return 3;
}

typedef struct changing {
    lua_Alloc allocate;
    void *data;
    lua_Integer left; /* how many allocations come before the one that changes the file */
    int file;
    lua_Integer offset;
    const char *bytes;
    size_t size;
    int changed;
} changing;

static void *change_and_allocate(void *data, void *block, size_t old_size, size_t new_size) {
    changing *state = data;
    if (new_size > 0 && --state->left == 0)
        state->changed =
            pwrite(state->file, state->bytes, state->size, state->offset) == (ssize_t)state->size;
    return state->allocate(state->data, block, old_size, new_size);
}

/* change(n, path, offset, bytes, fn) -> whether fn reached its n-th allocation; the results of
 * pcall(fn). Directly before that allocation the bytes are stored in the file. */
static int memory_change(lua_State *L) {
    static changing state;
    state = (changing){.left = luaL_checkinteger(L, 1), .offset = luaL_checkinteger(L, 3)};
    state.file = open(luaL_checkstring(L, 2), O_WRONLY);
    if (state.file < 0)
        return luaL_error(L, "cannot open %s", lua_tostring(L, 2));
    state.bytes = luaL_checklstring(L, 4, &state.size);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_settop(L, 5);
    state.allocate = lua_getallocf(L, &state.data);
    lua_setallocf(L, change_and_allocate, &state);
    int status = lua_pcall(L, 0, 1, 0);
    lua_setallocf(L, state.allocate, state.data);
    close(state.file);
    lua_pushboolean(L, state.changed);
    lua_pushboolean(L, status == LUA_OK);
    lua_pushvalue(L, 5);
    return 3;
}

int luaopen_spec_helper_memory(lua_State *L);

int luaopen_spec_helper_memory(lua_State *L) {
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, memory_fail);
    lua_setfield(L, -2, "fail");
    lua_pushcfunction(L, memory_change);
    lua_setfield(L, -2, "change");
    return 1;
}
