#include "follow.h"

#include "../core/abandon.h"
#include "../core/error.h"
#include "error.h"
#include "layout.h"

#include <lauxlib.h>
#include <string.h>

/* Push the Struct of the segment's layout. If the layout is the program's, so is the Struct. */
static lipm_layout *push_struct(lua_State *L, int index, const lipm_handle *handle) {
    if (ipm_segment_layout(handle->segment) == handle->definition->layout) {
        lua_getiuservalue(L, index, LIPM_HANDLE_DEFINITION);
        return handle->definition;
    }
    lipm_layout *copy = lipm_pushlayout(L);
    lipm_checkopen(L, handle);
    lipm_copylayout(L, ipm_segment_layout(handle->segment), copy);
    return copy;
}

/* Push a memory of that layout. The handle keeps it, because views point to it. */
static lipm_memory *push_memory(lua_State *L, int index, const lipm_handle *handle,
                                lipm_layout *layout) {
    if (lua_getiuservalue(L, index, LIPM_HANDLE_MEMORIES) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, index, LIPM_HANDLE_MEMORIES);
    }
    lipm_memory *memory = lua_newuserdatauv(L, sizeof *memory, 0);
    *memory = *handle->memory;
    memory->layout = layout;
    memory->type = ipm_layout_type(layout->layout);
    memory->base = NULL;
    memory->ready_size = 0;
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    return memory;
}

/* Layouts that are equal in memory may differ in attributes, and those of the file hold. */
static bool has_its_layout(const lipm_handle *handle) {
    const ipm_layout *layout = ipm_segment_layout(handle->segment), *own = handle->layout->layout;
    return layout == own || strcmp(ipm_layout_text(layout, NULL), ipm_layout_text(own, NULL)) == 0;
}

/* Give the handle another layout. A finalizer may run in between, which may close the handle or
 * make it follow again. Then the handle has not been changed here. */
static void take_other_layout(lua_State *L, int index, lipm_handle *handle) {
    uint64_t openings = ipm_segment_openings(handle->segment);
    int top = lua_gettop(L);
    luaL_checkstack(L, 4, "no room for a layout");
    lipm_layout *taken = push_struct(L, index, handle);
    lipm_memory *memory = push_memory(L, index, handle, taken);
    lipm_checkopen(L, handle);
    if (openings != ipm_segment_openings(handle->segment))
        return;
    handle->memory = memory;
    lua_pushvalue(L, top + 1);
    lua_setiuservalue(L, index, LIPM_HANDLE_STRUCT);
    lipm_retainlayout(taken);
    lipm_releaselayout(handle->layout);
    handle->layout = taken;
    handle->root = NULL; /* it has the old layout */
    handle->is_root_spare = false;
}

void lipm_takelayout(lua_State *L, int index, lipm_handle *handle) {
    int top = lua_gettop(L);
    index = lua_absindex(L, index);
    while (!has_its_layout(handle)) {
        take_other_layout(L, index, handle);
        lua_settop(L, top);
    }
    ipm_segment_show(handle->segment, &handle->memory->base);
    handle->openings = ipm_segment_openings(handle->segment);
}

int lipm_follow(lua_State *L, int index, lipm_handle *handle, ipm_error *error) {
    int code = ipm_segment_follow(handle->segment, error);
    if (code == IPM_OK && handle->openings != ipm_segment_openings(handle->segment))
        lipm_takelayout(L, index, handle);
    return code;
}

void lipm_catchup(lua_State *L, lipm_handle *handle) {
    ipm_error unwanted;
    if (lipm_is_locked(handle))
        return;
    if (handle->may_change)
        lipm_follow(L, 1, handle, &unwanted);
    else if (handle->openings != ipm_segment_openings(handle->segment))
        lipm_takelayout(L, 1, handle);
}

void lipm_failmoved(const lipm_handle *handle, ipm_error *error) {
    ipm_fail(error, IPM_EREPLACED, 0, "%s was replaced during the call", lipm_handlename(handle));
}

bool lipm_again(lua_State *L, lipm_handle *handle, ipm_error *error) {
    return error->code == IPM_EREPLACED && handle->follows && !lipm_is_locked(handle) &&
           lipm_follow(L, 1, handle, error) == IPM_OK;
}

int lipm_retry(lua_State *L, lipm_handle *handle, ipm_error *error, lua_CFunction method) {
    return lipm_again(L, handle, error) ? method(L) : lipm_raise(L, error);
}
