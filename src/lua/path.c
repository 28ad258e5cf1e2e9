#include "path.h"

#include "error.h"
#include "list.h"
#include "scalar.h"

#include <lauxlib.h>
#include <string.h>

#define CACHED_PATHS 256

/* Find the guards of a part. returns  their number */
static size_t find_guards(const ipm_type *root, const ipm_type *type, uint64_t offset,
                          lipm_guard guards[IPM_MAX_DEPTH]) {
    const ipm_type *at = root;
    uint64_t left = offset;
    size_t count = 0;
    while (!lipm_is_scalar(at) && (at != type || left != 0)) {
        lipm_step step = lipm_descend(at, left);
        if (at->kind == IPM_LIST || at->kind == IPM_OPTIONAL)
            guards[count++] = (lipm_guard){at, offset - left, step.index + 1};
        at = step.type;
        left -= step.offset;
    }
    return count;
}

static lipm_part *find_part(lua_State *L, int index, const lipm_layout *layout) {
    const ipm_type *root = ipm_layout_type(layout->layout), *type;
    lipm_guard guards[IPM_MAX_DEPTH];
    size_t length;
    uint64_t offset;
    ipm_error error;
    const char *path = lua_tolstring(L, index, &length);
    if (ipm_type_find(root, path, length, &type, &offset, &error) != IPM_OK)
        lipm_raise(L, &error);
    size_t count = find_guards(root, type, offset, guards);
    lipm_part *part = lua_newuserdatauv(L, sizeof *part + count * sizeof *guards, 0);
    *part = (lipm_part){.type = type, .offset = offset, .guard_count = count};
    memcpy(part->guards, guards, count * sizeof *guards);
    return part;
}

const lipm_part *lipm_checkpath(lua_State *L, int index, int owner, lipm_layout *layout) {
    if (lua_type(L, index) != LUA_TSTRING) {
        lipm_pushshown(L, index);
        luaL_error(L, "%s: %s is not a path", ipm_layout_type(layout->layout)->name,
                   lua_tostring(L, -1));
    }
    lua_getiuservalue(L, owner, LIPM_STRUCT_PATHS);
    lua_pushvalue(L, index);
    lua_rawget(L, -2);
    const lipm_part *part = lua_touserdata(L, -1);
    if (part == NULL) {
        lua_pop(L, 1);
        if (layout->paths == CACHED_PATHS) {
            lua_newtable(L);
            lua_pushvalue(L, -1);
            lua_setiuservalue(L, owner, LIPM_STRUCT_PATHS);
            lua_replace(L, -2);
            layout->paths = 0;
        }
        part = find_part(L, index, layout);
        lipm_keepnames(L, owner, part->type);
        lua_pushvalue(L, index);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
        layout->paths++;
    }
    return part;
}

lipm_gap lipm_findgap(const lipm_part *part, const unsigned char *bytes, uint64_t first) {
    for (size_t i = 0; i < part->guard_count; i++) {
        const lipm_guard *guard = &part->guards[i];
        const unsigned char *at = bytes + (guard->offset - first);
        if (guard->type->kind == IPM_OPTIONAL) {
            if (!lipm_is_present(at))
                return (lipm_gap){guard, 0};
        } else {
            uint32_t count = lipm_loadcount(at);
            if (guard->index > count || count > guard->type->count)
                return (lipm_gap){guard, count};
        }
    }
    return (lipm_gap){NULL, 0};
}

bool lipm_is_next(const lipm_part *part, const lipm_gap *gap) {
    const lipm_guard *last = &part->guards[part->guard_count - 1];
    return gap->guard == last && last->type->kind == IPM_LIST &&
           part->type == last->type->element && gap->count + UINT64_C(1) == last->index;
}

int lipm_complain_gap(lua_State *L, lipm_memory *memory, const lipm_part *part,
                      const lipm_gap *gap) {
    const lipm_place whole = {memory, gap->guard->type, gap->guard->offset};
    if (whole.type->kind == IPM_LIST && gap->count > whole.type->count)
        lipm_complain_count(L, &whole, gap->count);
    if (whole.type->kind == IPM_LIST)
        lipm_complain_index(L, &whole, gap->guard->index, gap->count);
    lipm_pushpath(L, &whole);
    lipm_complain(L, &(lipm_place){memory, part->type, part->offset}, "%s is absent",
                  lua_tostring(L, -1));
}
