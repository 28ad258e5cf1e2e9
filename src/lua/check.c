/***
Checking bytes that were stored without checks.
@submodule ipmmap
*/
#include "../core/word.h"
#include "error.h"
#include "functions.h"
#include "view.h"

#include <lauxlib.h>

/***
Check the values of a view or value against the limits of its fields, the counts of its lists
against the numbers of elements that they hold, and its bools. Assignments are always checked, but
`setbytes` does not check limits, and a program in C may store anything.
@function check
@tparam view|value v
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message: the first value that is refused, and its path
@raise an error if `v` is neither a view nor a value, or if it is a view whose lock was released
*/
int lipm_check(lua_State *L) {
    const lipm_view *view = lipm_checkview(L, 1);
    const lipm_place *place = &view->place;
    ipm_error error;
    if (lipm_base(place->memory) == NULL)
        return lipm_complain_access(L, place);
    void *copy = lua_newuserdatauv(L, place->type->size, 0);
    const unsigned char *base = lipm_base(place->memory);
    if (base == NULL)
        return lipm_complain_access(L, place);
    ipm_copy_from_shared(copy, base + place->offset, place->type->size);
    if (ipm_type_check(place->type, copy, &error) == IPM_OK) {
        lua_pushboolean(L, true);
        return 1;
    }
    luaL_pushfail(L);
    lipm_pushrefusal(L, place, &error);
    return 2;
}
