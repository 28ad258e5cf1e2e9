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
 * names  the names of the place's type; NULL for a scalar
 */
void lipm_prepare(lua_State *L, int owner, int index, const lipm_place *place,
                  const lipm_names *names, lipm_assignment *assignment);

/*
 * Store a prepared assignment. The place's memory must be accessible (lipm_base) and writable.
 * returns  false: the place cannot be changed, or the source is no longer accessible; a part may
 *          have been stored
 */
bool lipm_assign(lipm_assignment *assignment, const lipm_place *place);

/* Whether a value of the type `given` can be assigned to one of the type `here`: `here` has each
 * field of `given`, by path, with the same type. */
bool lipm_fits(const ipm_type *given, const ipm_type *here);

/*
 * Copy the struct or array at `from` to a place. Where their layouts differ, only the fields that
 * both have are copied. One of the two types fits the other.
 * returns  false: the memory cannot be changed now
 */
bool lipm_copyfields(const lipm_place *place, const ipm_type *type, const unsigned char *from);

#endif
