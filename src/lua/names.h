/*
 * A struct's fields by name. Lua keeps only one copy of each short string, so a name is found by
 * its address. That takes 8 ns less than a search in a Lua table, of about 40 ns for an access.
 */
#ifndef LIPM_NAMES_H
#define LIPM_NAMES_H

#include "view.h"

typedef struct lipm_name {
    const void *string;      /* of an empty slot neither NULL nor the address of a string */
    const ipm_field *field;  /* NULL: nothing here, nor what would have been put here */
    const lipm_names *names; /* of the field's own fields; NULL: it is a scalar */
    uint64_t bit;            /* the field's in a piece of a draft; 0: it is a piece of its own */
    uint64_t number;         /* the field's, from 1, among those that are no scalars; otherwise 0 */
} lipm_name;

/* A userdata with two user values: the strings, which therefore keep their addresses; and the
 * metatable of the views that use these names, which scripts cannot replace here. */
struct lipm_names {
    const lipm_names *element; /* of an array's elements; NULL: they are scalars */
    bool has_bits;             /* any field has one */
    uint64_t all;              /* those of all fields, if they fill the struct; otherwise 0 */
    uintptr_t mask; /* the number of slots less one: a power of two, at least half of them empty */
    lipm_name slots[];
};

enum { LIPM_NAMES_STRINGS = 1, LIPM_NAMES_METATABLE, LIPM_NAMES_VALUES = LIPM_NAMES_METATABLE };

/*
 * Push the names of a struct's fields, or of none for an array; made at first need, with those of
 * all that is nested in it.
 * owner  index, not relative, of the Struct that keeps them
 * key    under which it does: the type, or another address for others with another metatable
 */
const lipm_names *lipm_pushnames(lua_State *L, int owner, const ipm_type *type, const void *key);

/* The name equal to the value at `key`, which is none of those known by address: a long string. */
IPM_COLD const lipm_name *lipm_findlongname(lua_State *L, int key, const lipm_names *names,
                                            const ipm_type *type);

static inline uintptr_t lipm_nameslot(const void *string) {
    return (uintptr_t)string >> 4 ^ (uintptr_t)string >> 12;
}

/* The name of a field of the struct that equals the value at `key`, or NULL. */
static inline const lipm_name *lipm_findname(lua_State *L, int key, const lipm_names *names,
                                             const ipm_type *type) {
    const void *string = lua_topointer(L, key);
    uintptr_t i = lipm_nameslot(string) & names->mask;
    for (; names->slots[i].string != string; i = (i + 1) & names->mask)
        if (names->slots[i].field == NULL)
            return lipm_findlongname(L, key, names, type);
    return &names->slots[i];
}

#endif
