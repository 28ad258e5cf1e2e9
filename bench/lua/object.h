/*
 * The two objects of the minimal modules: an object whose fields can be set by name until it is
 * closed, and a handle whose method lock() returns that object.
 */
#ifndef BENCH_LUA_OBJECT_H
#define BENCH_LUA_OBJECT_H

#include <lauxlib.h>
#include <lua.h>

/* Push the metatable of the first object. The table on top of the stack maps names to offsets, and
 * becomes the upvalue of its functions. `get` may be NULL. */
static inline void push_metatable(lua_State *L, lua_CFunction get, lua_CFunction set,
                                  lua_CFunction close) {
    lua_createtable(L, 0, 3);
    lua_insert(L, -2);
    if (get != NULL) {
        lua_pushvalue(L, -1);
        lua_pushcclosure(L, get, 1);
        lua_setfield(L, -3, "__index");
    }
    lua_pushcclosure(L, set, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__close");
}

/* Push a handle that keeps the object at `object` as its user value. */
static inline void push_handle(lua_State *L, int object, lua_CFunction lock) {
    lua_newuserdatauv(L, 0, 1);
    lua_pushvalue(L, object);
    lua_setiuservalue(L, -2, 1);
    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, lock);
    lua_setfield(L, -2, "lock");
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

#endif
