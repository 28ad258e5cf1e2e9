/*
 * Assignment to structs and arrays from tables, and from views and values of the same type, whose
 * layout may have fewer fields, or have them elsewhere.
 *
 * Tables are read raw, so no metamethod can run. A table whose metamethods show more than the table
 * contains is refused: see plain.h.
 */
#include "assign.h"

#include "../core/word.h"
#include "error.h"
#include "plain.h"
#include "scalar.h"

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

/* Add a piece for a scalar alone. */
static void add_scalar(lipm_draft *draft, int index, const lipm_place *place) {
    lipm_scalar scalar;
    if (!lipm_toscalar(draft->L, index, place->type, &scalar))
        lipm_complain_scalar(draft->L, index, place);
    bool is_text = place->type->kind == IPM_CHAR;
    uint64_t size = is_text ? scalar.length : place->type->size;
    lipm_piece *piece = lipm_pieceat(draft, lipm_addpiece(draft, place->offset, size));
    if (is_text) {
        memcpy(piece->bytes, scalar.text, size);
        piece->zeros = place->type->size - size;
    } else {
        lipm_storescalar(piece->bytes, place->type, &scalar);
    }
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
    uint64_t at = names->has_bits ? lipm_addpiece(draft, place->offset, place->type->size) : 0;
    uint64_t fields = 0;
    lua_pushnil(L);
    int key = lua_gettop(L), value = key + 1;
    while (lua_next(L, index) != 0) {
        const lipm_name *name = lipm_findname(L, key, names, place->type);
        if (name == NULL)
            lipm_complain_key(L, key, place);
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

static lua_Integer first_missing(lua_State *L, int index) {
    lua_Integer key = 1;
    while (lua_rawgeti(L, index, key) != LUA_TNIL) {
        lua_pop(L, 1);
        key++;
    }
    return key;
}

/* Numbers and bools from 1 to the table's length are one piece. Any other element has pieces of its
 * own. */
static void draft_elements(lipm_draft *draft, int index, const lipm_place *place,
                           const lipm_names *names) {
    lua_State *L = draft->L;
    const ipm_type *element = place->type->element;
    ipm_field number = {.type = element};
    lua_Integer last = 0, count = 0;
    uint64_t at = 0, row = 0;
    if (lipm_is_scalar(element) && element->kind != IPM_CHAR) {
        row = lua_rawlen(L, index);
        row = row <= place->type->count ? row : place->type->count;
    }
    if (row > 0)
        at = lipm_addpiece(draft, place->offset, row * element->size);
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
    if (count != last)
        lipm_complain(L, place, "a table for an array has the keys 1 to n: %I is there, but not %I",
                      last, first_missing(L, index));
    if ((uint64_t)last < row) /* by a finalizer: the rest of the piece has no values */
        lipm_complain(L, place, "the value changed while it was assigned");
}

/* ---- Views and values -------------------------------------------------------------------- */

bool lipm_fits(const ipm_type *given, const ipm_type *here) {
    ipm_error unwanted;
    return given == here || ipm_type_compare(here, "", given, "", IPM_BY_PATH, &unwanted) == IPM_OK;
}

/* Copies the part at the offset `from` to a place of the same layout. Returns false on failure. */
typedef bool (*part_copier)(const void *with, const lipm_place *place, uint64_t from);

static bool copy_common(const lipm_place *place, const ipm_type *type, uint64_t from,
                        part_copier copy, const void *with);

static bool copy_fields(const lipm_place *place, const ipm_type *type, uint64_t from,
                        part_copier copy, const void *with) {
    bool is_copied = true;
    for (uint64_t i = 0; is_copied && i < type->count; i++) {
        const ipm_field *given = &type->fields[i];
        const ipm_field *field = ipm_type_field(place->type, given->name, strlen(given->name));
        if (field != NULL) {
            lipm_place part = lipm_fieldplace(place, field);
            is_copied = copy_common(&part, given->type, from + given->offset, copy, with);
        }
    }
    return is_copied;
}

static bool copy_elements(const lipm_place *place, const ipm_type *type, uint64_t from,
                          part_copier copy, const void *with) {
    bool is_copied = true;
    for (uint64_t i = 0; is_copied && i < type->count; i++) {
        lipm_place part = lipm_elementplace(place, i);
        is_copied = copy_common(&part, type->element, from + i * type->element->size, copy, with);
    }
    return is_copied;
}

/* Copy the parts that the place and a struct or array at the offset `from` have in common: the
 * largest parts of equal layout. */
static bool copy_common(const lipm_place *place, const ipm_type *type, uint64_t from,
                        part_copier copy, const void *with) {
    if (place->type == type || ipm_type_equal(place->type, type))
        return copy(with, place, from);
    return (type->kind == IPM_ARRAY ? copy_elements : copy_fields)(place, type, from, copy, with);
}

/* Store the bytes of a part. If the place is a whole segment, its header is not changed. */
static bool store_part(const void *with, const lipm_place *place, uint64_t from) {
    const unsigned char *base = with;
    lipm_memory *memory = place->memory;
    uint64_t kept = place->offset < memory->reserved ? memory->reserved - place->offset : 0;
    if (place->type->size <= kept)
        return true;
    uint64_t size = place->type->size - kept;
    unsigned char *to = lipm_change(memory, place->offset + kept, size);
    if (to == NULL)
        return false;
    if (to != base + from + kept)
        ipm_copy_shared(to, base + from + kept, size);
    return true;
}

bool lipm_copyfields(const lipm_place *place, const ipm_type *type, const unsigned char *from) {
    return copy_common(place, type, 0, store_part, from);
}

/* ---- Values of any type ------------------------------------------------------------------ */

static void check_source(lua_State *L, int index, const lipm_view *source,
                         const lipm_place *place) {
    const ipm_type *type = source->place.type;
    if (lipm_base(source->place.memory) == NULL)
        lipm_complain_access(L, &source->place);
    if (!lipm_fits(type, place->type)) {
        lipm_pushshown(L, index);
        const char *shown = lua_tostring(L, -1);
        lipm_complain(L, place, "%s is not a %s of the same layout%s", shown, place->type->name,
                      lipm_pushdifference(L, type, place->type));
    }
}

typedef struct drafting {
    lipm_draft *draft;
    const lipm_view *source;
} drafting;

/* Add a piece for a part of the view or value. */
static bool draft_part(const void *with, const lipm_place *place, uint64_t from) {
    const drafting *d = with;
    uint64_t at = lipm_addpiece(d->draft, place->offset, place->type->size);
    const unsigned char *base = lipm_base(d->source->place.memory);
    if (base == NULL)
        lipm_complain_access(d->draft->L, &d->source->place);
    ipm_copy_from_shared(lipm_pieceat(d->draft, at)->bytes, base + from, place->type->size);
    return true;
}

static void draft_source(lipm_draft *draft, int index, const lipm_view *source,
                         const lipm_place *place) {
    check_source(draft->L, index, source, place);
    copy_common(place, source->place.type, source->place.offset, draft_part,
                &(drafting){draft, source});
}

static void check_reserved(lua_State *L, const lipm_place *place) {
    if (place->offset < place->memory->reserved && place->type != place->memory->type)
        lipm_complain(L, place, "set only by creation, touch and clear");
}

static void draft_value(lipm_draft *draft, int index, const lipm_place *place,
                        const lipm_names *names) {
    lua_State *L = draft->L;
    const lipm_view *source;
    check_reserved(L, place);
    if (lipm_is_scalar(place->type)) {
        add_scalar(draft, index, place);
    } else if (lua_istable(L, index)) {
        lipm_checkplain(L, index, place);
        (place->type->kind == IPM_ARRAY ? draft_elements : draft_struct)(draft, index, place,
                                                                         names);
    } else if ((source = lipm_testview(L, index)) != NULL) {
        draft_source(draft, index, source, place);
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
        assignment->source = lipm_testview(L, index);
    }
    lipm_begindraft(L, owner, &assignment->draft);
    if (assignment->source == NULL) {
        draft_value(&assignment->draft, index, place, names);
    } else {
        check_reserved(L, place);
        check_source(L, index, assignment->source, place);
    }
}

static bool copy_source(const lipm_view *source, const lipm_place *place) {
    const unsigned char *base = lipm_base(source->place.memory);
    return base != NULL &&
           copy_common(place, source->place.type, source->place.offset, store_part, base);
}

bool lipm_assign(lipm_assignment *assignment, const lipm_place *place) {
    return assignment->source != NULL ? copy_source(assignment->source, place)
                                      : lipm_storedraft(&assignment->draft, place->memory);
}
