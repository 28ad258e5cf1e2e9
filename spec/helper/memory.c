/*
 * An allocator that fails, for tests of what a failed allocation leaves behind.
 */
#include <lauxlib.h>
#include <lua.h>

typedef struct failing {
    lua_Alloc allocate;
    void *data;
    lua_Integer
        left; /* allocations that succeed until one fails, twice: Lua collects and retries */
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

/* fail(n, fn): whether the n-th allocation was reached, and what pcall(fn) gives. */
static int memory_fail(lua_State *L) {
    failing state = {.left = luaL_checkinteger(L, 1)};
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

int luaopen_spec_helper_memory(lua_State *L);

int luaopen_spec_helper_memory(lua_State *L) {
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, memory_fail);
    lua_setfield(L, -2, "fail");
    return 1;
}
