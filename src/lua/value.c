/***
Detached values, and views as plain tables.
@submodule ipmmap
*/
#include "lipm.h"

#include <limits.h>
#include <string.h>

lipm_value *lipm_pushvalue(lua_State *L, int owner, lipm_layout *layout, const ipm_type *type) {
    lipm_value *value = lua_newuserdatauv(L, sizeof *value + type->size, LIPM_VIEW_VALUES);
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, -2, LIPM_VIEW_CONTAINER);
    const lipm_names *names = lipm_pushmetatable(L, owner, type);
    value->view = (lipm_view){&lipm_mark, &value->memory, type, 0, names};
    value->memory = (lipm_memory){
        .layout = layout,
        .type = type,
        .base = value->bytes,
        .ready = value->bytes,
        .ready_size = type->size,
        .watched = &layout->alive,
        .expected = 1,
        .is_writable = true,
    };
    lua_setmetatable(L, -2);
    return value;
}

/***
A detached value in this process's memory, zeroed, then assigned from the table.
@function Struct:new
@tparam[opt] table|view|value init the fields to set; or a view or value of the same struct to copy
@treturn value
@raise what assigning a field raises
*/
int lipm_new(lua_State *L) {
    lipm_layout *layout = lipm_checklayout(L, 1);
    lua_settop(L, 2);
    lipm_value *value = lipm_pushvalue(L, 1, layout, ipm_layout_type(layout->layout));
    memset(value->bytes, 0, value->view.type->size);
    if (!lua_isnil(L, 2)) {
        lipm_checkassign(L, 2, &value->memory, value->view.type, 0);
        if (!lipm_assign(L, 2, &value->memory, value->view.type, 0)) {
            return luaL_error(L, "the table changed while it was read");
        }
    }
    return 1;
}

/* Push a part as plain Lua values. The memory is looked at anew for each: filling a table may
 * run finalizers, and they may release a lock. */
static void push_plain(lua_State *L, const lipm_memory *memory, const ipm_type *type,
                       uint64_t offset) {
    if (lipm_base(memory) == NULL) {
        lipm_complain_access(L, memory, type, offset);
    }
    if (lipm_is_scalar(type)) {
        lipm_pushlive(L, memory, type, offset);
        return;
    }
    int count = type->count <= INT_MAX ? (int)type->count : INT_MAX;
    luaL_checkstack(L, 4, "struct nested too deeply");
    if (type->kind == IPM_ARRAY) {
        lua_createtable(L, count, 0);
        for (uint64_t i = 0; i < type->count; i++) {
            push_plain(L, memory, type->element, offset + i * type->element->size);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    } else {
        lua_createtable(L, 0, count);
        for (uint64_t i = 0; i < type->count; i++) {
            const ipm_field *field = &type->fields[i];
            push_plain(L, memory, field->type, offset + field->offset);
            lua_setfield(L, -2, field->name);
        }
    }
}

/***
A view or value as plain tables, recursively: structs by field name, arrays from 1.
@function totable
@tparam view|value v
@treturn table
@raise not a view or value; a view whose lock was released
*/
int lipm_totable(lua_State *L) {
    const lipm_view *view = lipm_checkview(L, 1);
    push_plain(L, view->memory, view->type, view->offset);
    return 1;
}
