/*
 * A struct's fields by name. Lua keeps only one copy of each short string, so a name is found by
 * its address. That takes 8 ns less than a search in a Lua table, of about 40 ns for an access.
 */
#ifndef LIPM_NAMES_H
#define LIPM_NAMES_H

#include "view.h"

typedef struct lipm_name {
    const void *string;
    const ipm_field *field; /* NULL: the slot is empty, and a search ends here */
} lipm_name;

/* A userdata with two user values: the strings, which therefore keep their addresses; and the
 * metatable of the views that use these names, which scripts cannot replace here. */
struct lipm_names {
    uintptr_t mask; /* the number of slots, a power of two, minus 1; at least half are empty */
    lipm_name slots[];
};

enum { LIPM_NAMES_STRINGS = 1, LIPM_NAMES_METATABLE, LIPM_NAMES_VALUES = LIPM_NAMES_METATABLE };

/* Push the names of a struct's fields. For an array there are none. */
void lipm_pushnames(lua_State *L, const ipm_type *type);

/* The field that the value at `key` names, or NULL, if its address was not found: it may be a long
 * string, of which Lua keeps several copies. */
IPM_COLD const ipm_field *lipm_findlongname(lua_State *L, int key, const ipm_type *type);

static inline uintptr_t lipm_nameslot(const void *string) {
    return (uintptr_t)string >> 4 ^ (uintptr_t)string >> 12;
}

/* The field of the struct that the value at `key` names, or NULL. */
static inline const ipm_field *lipm_findname(lua_State *L, int key, const lipm_names *names,
                                             const ipm_type *type) {
    const void *string = lua_topointer(L, key);
    for (uintptr_t i = lipm_nameslot(string) & names->mask; names->slots[i].field != NULL;
         i = (i + 1) & names->mask)
        if (names->slots[i].string == string)
            return names->slots[i].field;
    return lipm_findlongname(L, key, type);
}

#endif
