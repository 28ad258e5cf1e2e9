/*
 * A struct's fields by name. Lua keeps only one copy of each short string, so a name is found by
 * its address. That takes 8 ns less than a search in a Lua table, of about 40 ns for an access.
 */
#ifndef LIPM_NAMES_H
#define LIPM_NAMES_H

#include "view.h"

typedef struct lipm_name {
    const void *string;      /* the string's address; in an empty slot that of the lipm_names */
    const ipm_field *field;  /* NULL: the slot is empty, and a search ends here */
    const lipm_names *names; /* of the field's type: see lipm_pushnames; NULL: there are none */
    uint64_t bit;            /* the field's bit in lipm_piece.fields; 0: it has pieces of its own */
    uint64_t number;         /* its number among the fields that are no scalars; 0: a scalar */
} lipm_name;

/* A userdata with two user values: the strings, which therefore keep their addresses; and the
 * metatable of the views that use these names, which scripts cannot replace here. */
struct lipm_names {
    const lipm_names *element; /* of an array's or a list's elements; NULL: there are none */
    bool has_bits;             /* at least one field has a bit */
    uint64_t all;   /* the bits of all fields if these fields fill the struct; otherwise 0 */
    uintptr_t mask; /* the number of slots, a power of two, minus 1; at least half are empty */
    lipm_name slots[];
};

enum { LIPM_NAMES_STRINGS = 1, LIPM_NAMES_METATABLE, LIPM_NAMES_VALUES = LIPM_NAMES_METATABLE };

/*
 * Push the names of a struct's fields. For an array or a list there are none, but those of its
 * elements. The names of a type, and of all types nested in it, are made on the first use.
 * owner  the index of the Struct that keeps the names; not relative to the top of the stack
 * key    the address under which the Struct keeps them: the type's; or another one for names with
 *        another metatable
 */
const lipm_names *lipm_pushnames(lua_State *L, int owner, const ipm_type *type, const void *key);

/* The names of any type: for an optional part, those of its value; NULL for scalars, and optional
 * ones. Pushes one value. */
const lipm_names *lipm_pushanynames(lua_State *L, int owner, const ipm_type *type);

/* The part of lipm_findname for an address that was not found: the value may be a long string, of
 * which Lua keeps several copies. */
IPM_COLD const lipm_name *lipm_findlongname(lua_State *L, int key, const lipm_names *names,
                                            const ipm_type *type);

static inline uintptr_t lipm_nameslot(const void *string) {
    return (uintptr_t)string >> 4 ^ (uintptr_t)string >> 12;
}

/* The field's name that equals the value at `key`, or NULL. */
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
