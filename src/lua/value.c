/***
Detached values.
@submodule ipmmap
*/
#include "value.h"

#include "assign.h"
#include "functions.h"
#include "index.h"
#include "layout.h"

#include <lauxlib.h>
#include <string.h>

lipm_value *lipm_pushvalue(lua_State *L, int owner, lipm_layout *layout, const ipm_type *type) {
    lipm_value *value = lua_newuserdatauv(L, sizeof *value + type->size, LIPM_VIEW_VALUES);
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, -2, LIPM_VIEW_CONTAINER);
    const lipm_names *names = lipm_pushmetatable(L, owner, type);
    value->view = (lipm_view){&lipm_view_brand, {&value->memory, type, 0}, names};
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
Make a detached value in this process's memory. All its bytes are zero, except for the fields that
`init` sets.
@function Struct:new
@tparam[opt] table|view|value init a table of the fields to set; or a view or value of the same
struct to copy
@treturn value
@raise an error if `init` has an unknown field, or a value of a wrong type or out of range
*/
int lipm_new(lua_State *L) {
    lipm_layout *layout = lipm_checklayout(L, 1);
    lua_settop(L, 2);
    lipm_value *value = lipm_pushvalue(L, 1, layout, ipm_layout_type(layout->layout));
    memset(value->bytes, 0, value->view.place.type->size);
    if (!lua_isnil(L, 2)) {
        lipm_assignment init;
        lipm_prepare(L, 1, 2, &value->view.place, value->view.names, &init);
        if (!lipm_assign(&init, &value->view.place))
            return luaL_error(L, "the value changed while it was read");
        lua_pop(L, 1);
    }
    return 1;
}
