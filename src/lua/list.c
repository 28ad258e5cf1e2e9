#include "list.h"

#include "error.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

int lipm_complain_count(lua_State *L, const lipm_place *list, uint32_t count) {
    ipm_error error = {.code = IPM_ECORRUPT};
    lipm_pushpath(L, list);
    snprintf(error.text, sizeof error.text, "%s: %" PRIu32 " elements are more than its %" PRIu64,
             lua_tostring(L, -1), count, list->type->count);
    lipm_raise(L, &error);
    abort(); /* not reached: lipm_raise raises */
}

int lipm_complain_full(lua_State *L, const lipm_place *list) {
    lipm_complain(L, list, "the list is full: %s", list->type->name);
}

int lipm_complain_index(lua_State *L, const lipm_place *list, uint64_t index, uint64_t count) {
    if (count == 0)
        lipm_complain(L, list, "index %I is out of range: the list is empty", (lua_Integer)index);
    lipm_complain(L, list, "index %I is out of range (1 to %I)", (lua_Integer)index,
                  (lua_Integer)count);
}
