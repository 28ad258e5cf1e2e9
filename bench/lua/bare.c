/*
 * A lower bound for the binding: a method lock(), a field's assignment and a release that only
 * lock, change and commit with this core, and check nothing. The binding's own cost is its time
 * minus this.
 */
#include "../../src/core/word.h"
#include "../core/open.h"
#include "object.h"

static ipm_segment *segment;

static int lock(lua_State *L) {
    ipm_segment_lock(segment, IPM_FOREVER, NULL);
    lua_getiuservalue(L, 1, 1);
    return 1;
}

static int set(lua_State *L) {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    void *at = ipm_segment_change(segment, (uint64_t)lua_tointeger(L, -1), 4);
    ipm_store_u32(at, (uint32_t)lua_tointeger(L, 3));
    return 0;
}

static int release(lua_State *L) {
    (void)L;
    ipm_segment_unlock(segment, NULL);
    return 0;
}

/* handle(): its method lock() returns an object whose data_int can be set until it is closed */
static int handle(lua_State *L) {
    segment = open_demo(IPM_MANAGER, "bare");
    lua_newuserdatauv(L, 0, 0);
    lua_createtable(L, 0, 1);
    lua_pushinteger(L, IPM_HEADER_SIZE);
    lua_setfield(L, -2, "data_int");
    push_metatable(L, NULL, set, release);
    lua_setmetatable(L, -2);
    push_handle(L, lua_gettop(L), lock);
    return 1;
}

int luaopen_bare(lua_State *L);

int luaopen_bare(lua_State *L) {
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, handle);
    lua_setfield(L, -2, "handle");
    return 1;
}
