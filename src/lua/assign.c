/*
 * Assignment to structs, arrays, lists and optional parts from tables, and from views and values of
 * the same type, whose layout may have fewer fields, or have them elsewhere.
 *
 * Tables are read raw, so no metamethod can run. A table whose metamethods show more than the table
 * contains is refused: see plain.h.
 */
#include "assign.h"

#include "error.h"
#include "flat.h"
#include "fill.h"
#include "list.h"
#include "plain.h"
#include "scalar.h"
#include "source.h"

#include <lauxlib.h>
#include <string.h>

/* Each level of nested tables has a key and a value on the stack. */
#define STACK_LEVELS (2 * IPM_MAX_DEPTH + LUA_MINSTACK)

static void draft_value(lipm_draft *draft, int index, const lipm_place *place,
                        const lipm_names *names);

/* ---- Scalars ----------------------------------------------------------------------------- */

/* Put a scalar into the piece at `at`, which is for the place. `field` says where in the place the
 * scalar is; for an element of an array, the caller makes up a field. */
static IPM_OFTEN void draft_scalar(const lipm_draft *draft, int index, uint64_t at,
                                   const lipm_place *place, const ipm_field *field) {
    lipm_scalar scalar;
    if (!lipm_toscalar(draft->L, index, field->type, &scalar)) {
        lipm_place part = lipm_fieldplace(place, field);
        lipm_complain_scalar(draft->L, index, &part);
    }
    lipm_storescalar(lipm_pieceat(draft, at)->bytes + field->offset, field->type, &scalar);
}

/* ---- Structs ----------------------------------------------------------------------------- */

/* Whether the value at `index` is a complete header, as totable returns it. Raises if it is no
 * header. Its pieces are removed from the draft again. */
static IPM_COLD bool is_header(lipm_draft *draft, int index, const lipm_place *place,
                               const lipm_names *names) {
    lua_State *L = draft->L;
    lipm_memory detached = *place->memory;
    uint64_t size = draft->size;
    detached.reserved = 0;
    draft_value(draft, index, &(lipm_place){&detached, place->type, 0}, names);
    draft->size = size;
    for (uint64_t i = 0; lua_istable(L, index) && i < place->type->count; i++) {
        lua_pushstring(L, place->type->fields[i].name);
        bool is_missing = lua_rawget(L, index) == LUA_TNIL;
        lua_pop(L, 1);
        if (is_missing)
            return false;
    }
    return true;
}

/* If the place is a whole segment, the table may have a complete header, which is not assigned. An
 * incomplete header is refused. */
static void draft_struct(lipm_draft *draft, int index, const lipm_place *place,
                         const lipm_names *names) {
    lua_State *L = draft->L;
    uint64_t start = draft->size;
    uint64_t at = names->has_bits ? lipm_addpiece(draft, place->offset, place->type->size) : 0;
    uint64_t fields = 0;
    lua_pushnil(L);
    int key = lua_gettop(L), value = key + 1;
    while (lua_next(L, index) != 0) {
        const lipm_name *name = lipm_findname(L, key, names, place->type);
        if (name == NULL) {
            draft->size = start;
            lipm_draftvector(draft, index, key, place);
            lua_settop(L, key - 1);
            return;
        }
        if (name->bit != 0) {
            draft_scalar(draft, value, at, place, name->field);
            fields |= name->bit;
        } else {
            lipm_place part = lipm_fieldplace(place, name->field);
            if (part.offset >= place->memory->reserved ||
                !is_header(draft, value, &part, name->names))
                draft_value(draft, value, &part, name->names);
        }
        lua_pop(L, 1);
    }
    if (names->has_bits && (fields != names->all || fields == 0)) {
        lipm_pieceat(draft, at)->type = place->type;
        lipm_pieceat(draft, at)->fields = fields;
    }
}

/* ---- Arrays ------------------------------------------------------------------------------ */

/*
 * Draft the elements that the table has. Numbers and bools from 1 to `row` are one piece. Any other
 * element has pieces of its own.
 * returns  n if the keys are 1 to n; otherwise -1, and the piece may have gaps
 */
static lua_Integer draft_elements(lipm_draft *draft, int index, const lipm_place *place,
                                  const lipm_names *names, uint64_t row) {
    lua_State *L = draft->L;
    const ipm_type *element = place->type->element;
    ipm_field number = {.type = element};
    lua_Integer last = 0, count = 0;
    uint64_t at = row > 0 ? lipm_addpiece(draft, place->offset, row * element->size) : 0;
    lua_pushnil(L);
    int key = lua_gettop(L), value = key + 1;
    while (lua_next(L, index) != 0) {
        lua_Integer i = lua_isinteger(L, key) ? lua_tointeger(L, key) : 0;
        if (i < 1 || (uint64_t)i > place->type->count)
            lipm_complain_key(L, key, place);
        if ((uint64_t)i <= row) {
            number.offset = ((uint64_t)i - 1) * element->size;
            draft_scalar(draft, value, at, place, &number);
        } else {
            lipm_place part = lipm_elementplace(place, (uint64_t)i - 1);
            draft_value(draft, value, &part, names->element);
        }
        last = i > last ? i : last;
        count++;
        lua_pop(L, 1);
    }
    if (count == last && (uint64_t)count < row) /* by a finalizer */
        lipm_complain(L, place, "the value changed while it was assigned");
    return count == last ? count : -1;
}

/* A table with the keys 1 to n sets the whole array; one with other indices sets these elements. */
static void draft_array(lipm_draft *draft, int index, const lipm_place *place,
                        const lipm_names *names) {
    const ipm_type *element = place->type->element;
    uint64_t start = draft->size, row = 0;
    if (lipm_is_scalar(element) && !lipm_is_text(element)) {
        row = lua_rawlen(draft->L, index);
        row = row <= place->type->count ? row : place->type->count;
    }
    lua_Integer count = draft_elements(draft, index, place, names, row);
    if (count >= 0) {
        lipm_draftrest(draft, place, (uint64_t)count);
    } else if (row > 0) {
        draft->size = start;
        draft_elements(draft, index, place, names, 0);
    }
}

/* ---- Whole parts ------------------------------------------------------------------------- */

/* Add a piece for a whole part that has its defaults, but for what the value at `index` sets. */
static void draft_whole(lipm_draft *draft, int index, const lipm_place *place,
                        const lipm_names *names) {
    uint64_t at = lipm_addpiece(draft, place->offset, place->type->size), from = draft->size;
    lipm_fill(place, 0, place->type->size, lipm_pieceat(draft, at)->bytes);
    draft_value(draft, index, place, names);
    lipm_foldpieces(draft, at, from, place->memory);
}

static void draft_optional(lipm_draft *draft, int index, const lipm_place *place,
                           const lipm_names *names) {
    const ipm_type *type = place->type;
    lipm_place value = lipm_valueplace(place);
    if (lua_isnil(draft->L, index)) {
        lipm_pieceat(draft, lipm_addpiece(draft, place->offset, 0))->zeros = type->size;
        return;
    }
    uint64_t at = lipm_addpiece(draft, place->offset, type->inner);
    memset(lipm_pieceat(draft, at)->bytes, 0, type->inner);
    lipm_pieceat(draft, at)->bytes[0] = 1;
    draft_whole(draft, index, &value, names);
    uint64_t rest = type->size - type->inner - type->element->size;
    if (rest > 0)
        lipm_pieceat(draft, lipm_addpiece(draft, place->offset + type->size - rest, 0))->zeros =
            rest;
}

static void draft_count(lipm_draft *draft, const lipm_place *list, uint64_t count) {
    uint32_t number = (uint32_t)count;
    uint64_t at = lipm_addpiece(draft, list->offset, sizeof number);
    memcpy(lipm_pieceat(draft, at)->bytes, &number, sizeof number);
}

/* Add pieces for the element of a list with the index `i`, from 1. `row`: the piece for all
 * elements if these are numbers or bools, otherwise 0. */
static void draft_element(lipm_draft *draft, int index, const lipm_place *list, uint64_t i,
                          const lipm_names *names, uint64_t row) {
    const ipm_type *element = list->type->element;
    lipm_place part = lipm_elementplace(list, i - 1);
    if (element->kind < IPM_CHAR) {
        ipm_field number = {.type = element, .offset = (i - 1) * element->size};
        lipm_place first = {list->memory, list->type, list->offset + list->type->inner};
        draft_scalar(draft, index, row, &first, &number);
    } else {
        draft_whole(draft, index, &part, names->element);
    }
}

/* A table with the keys 1 to n. The elements that a list had before do not show through. */
static void draft_list(lipm_draft *draft, int index, const lipm_place *place,
                       const lipm_names *names) {
    lua_State *L = draft->L;
    const ipm_type *type = place->type;
    uint64_t count = lua_rawlen(L, index), seen = 0, row = 0;
    lua_Integer last = (lua_Integer)count;
    if (count > type->count)
        lipm_complain(L, place, "a list of %I values is too long: %s holds %I", (lua_Integer)count,
                      type->name, (lua_Integer)type->count);
    if (type->element->kind < IPM_CHAR)
        row = lipm_addpiece(draft, place->offset + type->inner, count * type->element->size);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1), seen++) {
        int key = lua_absindex(L, -2);
        lua_Integer i = lua_isinteger(L, key) ? lua_tointeger(L, key) : 0;
        if (i < 1 || (uint64_t)i > type->count)
            lipm_complain_key(L, key, place);
        last = i > last ? i : last;
        if ((uint64_t)i <= count)
            draft_element(draft, key + 1, place, (uint64_t)i, names, row);
    }
    if (seen != (uint64_t)last)
        lipm_complain(L, place, "a table for a list has the keys 1 to n: %I is there, but not %I",
                      last, lipm_firstmissing(L, index));
    if ((uint64_t)last != count) /* by a finalizer */
        lipm_complain(L, place, "the value changed while it was assigned");
    draft_count(draft, place, count);
}

/* ---- Values of any type ------------------------------------------------------------------ */

static void check_reserved(lua_State *L, const lipm_place *place) {
    if (place->offset < place->memory->reserved && place->type != place->memory->type)
        lipm_complain(L, place, "set only by creation, touch and clear");
}

static void draft_table(lipm_draft *draft, int index, const lipm_place *place,
                        const lipm_names *names) {
    lipm_checkplain(draft->L, index, place);
    if (place->type->kind == IPM_STRUCT)
        draft_struct(draft, index, place, names);
    else if (place->type->kind == IPM_LIST)
        draft_list(draft, index, place, names);
    else if (lipm_is_flat(draft->L, index, place->type))
        lipm_draftflat(draft, index, place);
    else
        draft_array(draft, index, place, names);
}

static void draft_value(lipm_draft *draft, int index, const lipm_place *place,
                        const lipm_names *names) {
    lua_State *L = draft->L;
    const lipm_view *source;
    check_reserved(L, place);
    if (lipm_is_scalar(place->type)) {
        lipm_draftscalar(draft, index, place);
    } else if (place->type->kind == IPM_OPTIONAL) {
        draft_optional(draft, index, place, names);
    } else if (lua_istable(L, index)) {
        draft_table(draft, index, place, names);
    } else if ((source = lipm_testview(L, index)) != NULL) {
        lipm_draftsource(draft, index, source, place);
    } else {
        lipm_pushshown(L, index);
        lipm_complain(L, place, "%s is neither a table nor a %s", lua_tostring(L, -1),
                      place->type->name);
    }
}

void lipm_prepare(lua_State *L, int owner, int index, const lipm_place *place,
                  const lipm_names *names, lipm_assignment *assignment) {
    assignment->source = NULL;
    if (!lipm_is_scalar(place->type)) {
        luaL_checkstack(L, STACK_LEVELS, "struct nested too deeply");
        if (place->type->kind != IPM_OPTIONAL && !lipm_needscheck(place->type))
            assignment->source = lipm_testview(L, index);
    }
    lipm_begindraft(L, owner, &assignment->draft);
    if (assignment->source == NULL) {
        draft_value(&assignment->draft, index, place, names);
    } else {
        check_reserved(L, place);
        lipm_checksource(L, index, assignment->source, place);
    }
}

void lipm_prepareappend(lua_State *L, int owner, int index, const lipm_place *list, uint64_t count,
                        const lipm_names *names, lipm_assignment *assignment) {
    lipm_place element = lipm_elementplace(list, count);
    assignment->source = NULL;
    luaL_checkstack(L, STACK_LEVELS, "struct nested too deeply");
    lipm_begindraft(L, owner, &assignment->draft);
    draft_whole(&assignment->draft, index, &element, names);
    draft_count(&assignment->draft, list, count + 1);
}

bool lipm_assign(lipm_assignment *assignment, const lipm_place *place) {
    return assignment->source != NULL ? lipm_copysource(assignment->source, place)
                                      : lipm_storedraft(&assignment->draft, place->memory);
}
