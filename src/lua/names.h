/*
 * A struct's fields by name. Lua has each short string once, so a name is found by its address: 8
 * ns less than from a Lua table, of about 40 for an access.
 */
#ifndef LIPM_NAMES_H
#define LIPM_NAMES_H

#include "view.h"

typedef struct lipm_name {
    const void *string;
    const ipm_field *field; /* NULL: nothing here, nor what would have been put here */
} lipm_name;

/* A userdata with two user values: the names themselves, which keeps their addresses theirs, and
 * the metatable of the views that use it, which scripts cannot exchange there. */
struct lipm_names {
    uintptr_t mask; /* the number of slots less one: a power of two, at least half of them empty */
    lipm_name slots[];
};

enum { LIPM_NAMES_STRINGS = 1, LIPM_NAMES_METATABLE, LIPM_NAMES_VALUES = LIPM_NAMES_METATABLE };

/* Push the names of a struct's fields; of none for an array. */
void lipm_pushnames(lua_State *L, const ipm_type *type);

/* The field named by the value at `key`, which is none of those known by address: a long string. */
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
