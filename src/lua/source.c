/*
 * The bytes of views and values are copied in as few parts as possible: the largest that have the
 * same layout on both sides.
 */
#include "source.h"

#include "../core/layout.h"
#include "../core/word.h"
#include "error.h"
#include "list.h"

#include <string.h>

bool lipm_fits(const ipm_type *given, const ipm_type *here) {
    ipm_error unwanted;
    return given == here || ipm_type_compare(here, "", given, "", IPM_BY_PATH, &unwanted) == IPM_OK;
}

/*
 * Copies from the offset `from` to a place. Both return false on failure.
 *
 * part  a part of the same layout
 * head  the count of a list, or the presence of an optional part, whose elements have another
 * layout
 */
typedef struct copier {
    bool (*part)(const void *with, const lipm_place *place, uint64_t from);
    bool (*head)(const void *with, const lipm_place *place, uint64_t from);
    const void *with;
} copier;

static bool copy_common(const lipm_place *place, const ipm_type *type, uint64_t from,
                        const copier *copy);

static bool copy_fields(const lipm_place *place, const ipm_type *type, uint64_t from,
                        const copier *copy) {
    bool is_copied = true;
    for (uint64_t i = 0; is_copied && i < type->count; i++) {
        const ipm_field *given = &type->fields[i];
        const ipm_field *field = ipm_type_field(place->type, given->name, strlen(given->name));
        if (field != NULL) {
            lipm_place part = lipm_fieldplace(place, field);
            is_copied = copy_common(&part, given->type, from + given->offset, copy);
        }
    }
    return is_copied;
}

/* The elements of an array or a list, or the value of an optional part. */
static bool copy_elements(const lipm_place *place, const ipm_type *type, uint64_t from,
                          const copier *copy) {
    uint64_t count = type->kind == IPM_OPTIONAL ? 1 : type->count;
    bool is_copied = type->kind == IPM_ARRAY || copy->head(copy->with, place, from);
    for (uint64_t i = 0; is_copied && i < count; i++) {
        lipm_place part = lipm_elementplace(place, i);
        is_copied =
            copy_common(&part, type->element, from + type->inner + i * type->element->size, copy);
    }
    return is_copied;
}

/* Copy the parts that the place and a part at the offset `from` have in common: the largest parts
 * of equal layout. */
static bool copy_common(const lipm_place *place, const ipm_type *type, uint64_t from,
                        const copier *copy) {
    if (place->type == type || ipm_type_equal(place->type, type))
        return copy->part(copy->with, place, from);
    return (type->kind == IPM_STRUCT ? copy_fields : copy_elements)(place, type, from, copy);
}

static lipm_place head_of(const lipm_place *place) {
    ipm_kind kind = place->type->kind == IPM_LIST ? IPM_UINT32 : IPM_BOOL;
    return (lipm_place){place->memory, ipm_scalar_of(kind), place->offset};
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

static bool store_head(const void *with, const lipm_place *place, uint64_t from) {
    const lipm_place head = head_of(place);
    return store_part(with, &head, from);
}

bool lipm_copyfields(const lipm_place *place, const ipm_type *type, const unsigned char *from) {
    return copy_common(place, type, 0, &(copier){store_part, store_head, from});
}

void lipm_checksource(lua_State *L, int index, const lipm_view *source, const lipm_place *place) {
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

bool lipm_needscheck(const ipm_type *type) {
    const ipm_node *node = ipm_node_of(type);
    return node->is_limited || node->is_dynamic;
}

/* Add a piece with a copy of a part of the view or value. */
static lipm_piece *add_copy(const drafting *d, const lipm_place *place, uint64_t from) {
    uint64_t at = lipm_addpiece(d->draft, place->offset, place->type->size);
    const unsigned char *base = lipm_base(d->source->place.memory);
    if (base == NULL)
        lipm_complain_access(d->draft->L, &d->source->place);
    lipm_piece *piece = lipm_pieceat(d->draft, at);
    ipm_copy_from_shared(piece->bytes, base + from, place->type->size);
    return piece;
}

/* Add a piece for a part of the view or value. If the place is a whole segment, its header is not
 * changed. */
static bool draft_part(const void *with, const lipm_place *place, uint64_t from) {
    const drafting *d = with;
    ipm_error error;
    lipm_piece *piece = add_copy(d, place, from);
    if (lipm_needscheck(place->type) && ipm_type_check(place->type, piece->bytes, &error) != IPM_OK)
        lipm_complain_check(d->draft->L, place, &error);
    uint64_t kept =
        place->offset < place->memory->reserved ? place->memory->reserved - place->offset : 0;
    if (kept > 0) {
        memmove(piece->bytes, piece->bytes + kept, piece->size - kept);
        piece->offset += kept;
        piece->size -= kept;
        d->draft->size -= kept;
    }
    return true;
}

static bool draft_head(const void *with, const lipm_place *place, uint64_t from) {
    const drafting *d = with;
    const lipm_place head = head_of(place);
    const lipm_piece *piece = add_copy(d, &head, from);
    if (place->type->kind == IPM_LIST && lipm_loadcount(piece->bytes) > place->type->count)
        lipm_complain_count(d->draft->L, place, lipm_loadcount(piece->bytes));
    return true;
}

void lipm_draftsource(lipm_draft *draft, int index, const lipm_view *source,
                      const lipm_place *place) {
    lipm_checksource(draft->L, index, source, place);
    copy_common(place, source->place.type, source->place.offset,
                &(copier){draft_part, draft_head, &(drafting){draft, source}});
}

bool lipm_copysource(const lipm_view *source, const lipm_place *place) {
    const unsigned char *base = lipm_base(source->place.memory);
    return base != NULL && copy_common(place, source->place.type, source->place.offset,
                                       &(copier){store_part, store_head, base});
}
