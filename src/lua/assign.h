/*
 * Assignment from tables, and from views and values of the same type: a draft first, which raises
 * if the value does not fit, and then its storing, which neither raises nor runs other code.
 */
#ifndef LIPM_ASSIGN_H
#define LIPM_ASSIGN_H

#include "draft.h"
#include "names.h"

/* What is to be assigned to a place. It refers to the stack, from `index` on. */
typedef struct lipm_assignment {
    const lipm_view *source; /* the view or value that is copied; NULL: the draft is stored */
    lipm_draft draft;
} lipm_assignment;

/*
 * Prepare to assign the value at `index`. Pushes one value.
 * owner  index of the Struct, or of any other
 * names  of the place's type, or NULL
 */
void lipm_prepare(lua_State *L, int owner, int index, const lipm_place *place,
                  const lipm_names *names, lipm_assignment *assignment);

/* Assign to memory that can be touched and written. returns  false: not everything was stored,
 * since that memory, or the source, could not be touched */
bool lipm_assign(lipm_assignment *assignment, const lipm_place *place);

#endif
