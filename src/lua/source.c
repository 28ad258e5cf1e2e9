/*
 * The bytes of views and values are copied in as few parts as possible: the largest that have the
 * same layout on both sides.
 */
#include "source.h"

#include "../core/layout.h"
#include "../core/word.h"
#include "error.h"

#include <string.h>

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
    return (type->kind == IPM_STRUCT ? copy_fields : copy_elements)(place, type, from, copy, with);
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

/* Add a piece for a part of the view or value. If the place is a whole segment, its header is not
 * changed. */
static bool draft_part(const void *with, const lipm_place *place, uint64_t from) {
    const drafting *d = with;
    ipm_error error;
    uint64_t at = lipm_addpiece(d->draft, place->offset, place->type->size);
    const unsigned char *base = lipm_base(d->source->place.memory);
    if (base == NULL)
        lipm_complain_access(d->draft->L, &d->source->place);
    lipm_piece *piece = lipm_pieceat(d->draft, at);
    ipm_copy_from_shared(piece->bytes, base + from, place->type->size);
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

void lipm_draftsource(lipm_draft *draft, int index, const lipm_view *source,
                      const lipm_place *place) {
    lipm_checksource(draft->L, index, source, place);
    copy_common(place, source->place.type, source->place.offset, draft_part,
                &(drafting){draft, source});
}

bool lipm_copysource(const lipm_view *source, const lipm_place *place) {
    const unsigned char *base = lipm_base(source->place.memory);
    return base != NULL &&
           copy_common(place, source->place.type, source->place.offset, store_part, base);
}
