/***
Detached values.
@submodule ipmmap
*/
#include "value.h"

#include "assign.h"
#include "functions.h"
#include "index.h"
#include "layout.h"
#include "list.h"
#include "scalar.h"

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

void lipm_pushcopy(lua_State *L, int owner, lipm_layout *layout, const ipm_type *type,
                   const unsigned char *bytes) {
    if (type->kind == IPM_OPTIONAL && !lipm_is_present(bytes)) {
        lua_pushnil(L);
        return;
    }
    if (type->kind == IPM_OPTIONAL) {
        bytes += type->inner;
        type = type->element;
    }
    if (lipm_is_scalar(type))
        lipm_pushscalar(L, type, bytes);
    else
        memcpy(lipm_pushvalue(L, owner, layout, type)->bytes, bytes, type->size);
}

/* Assign the value at index 2 to the value on the top of the stack. */
static void assign_init(lua_State *L, lipm_value *value) {
    lipm_assignment init;
    lipm_prepare(L, 1, 2, &value->view.place, value->view.names, &init);
    if (!lipm_assign(&init, &value->view.place))
        luaL_error(L, "the value changed while it was read");
    lua_pop(L, 1);
}

/* initial(Struct, init): a value with the defaults of its fields, except for those that `init`
 * sets. For the option `init` of a manager. */
int lipm_initial(lua_State *L) {
    lipm_layout *layout = lipm_checklayout(L, 1);
    lua_settop(L, 2);
    lipm_value *value = lipm_pushvalue(L, 1, layout, ipm_layout_type(layout->layout));
    ipm_type_initialize(value->view.place.type, value->bytes);
    assign_init(L, value);
    return 1;
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
    if (!lua_isnil(L, 2))
        assign_init(L, value);
    return 1;
}
