/*
 * Assignment in two steps, so that a failed assignment stores nothing. lipm_prepare makes a draft
 * from a scalar or a table, or checks a view or value. It raises if that does not fit the place.
 * lipm_assign stores the draft, or copies the view or value. It neither raises nor runs other code.
 */
#ifndef LIPM_ASSIGN_H
#define LIPM_ASSIGN_H

#include "draft.h"
#include "names.h"

/* A prepared assignment. The value at `index`, and the value that lipm_prepare pushes, must stay on
 * the stack until lipm_assign has returned. */
typedef struct lipm_assignment {
    const lipm_view *source; /* the view or value to copy; NULL: the draft is stored */
    lipm_draft draft;
} lipm_assignment;

/*
 * Prepare the assignment of the value at `index`. Pushes one value.
 * owner  the index of a Struct, which keeps memory for drafts; it may be the Struct of another type
 * names  those of the place's type, from lipm_pushanynames
 */
void lipm_prepare(lua_State *L, int owner, int index, const lipm_place *place,
                  const lipm_names *names, lipm_assignment *assignment);

/*
 * Prepare to append the value at `index` to the list that has `count` elements, fewer than it
 * holds. The caller sees to it that the list has as many when the assignment is stored. Pushes one
 * value.
 * names  those of the elements' type
 */
void lipm_prepareappend(lua_State *L, int owner, int index, const lipm_place *list, uint64_t count,
                        const lipm_names *names, lipm_assignment *assignment);

/*
 * Store a prepared assignment. The place's memory must be accessible (lipm_base) and writable.
 * returns  false: the place cannot be changed, or the source is no longer accessible; a part may
 *          have been stored
 */
bool lipm_assign(lipm_assignment *assignment, const lipm_place *place);

#endif
