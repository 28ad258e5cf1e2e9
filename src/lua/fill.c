#include "fill.h"

#include <string.h>

/* A field with a default that contains a place: the default is that of the whole field. */
typedef struct origin {
    const ipm_field *field; /* NULL: there is none */
    uint64_t offset;        /* of the place in the field */
} origin;

/* A default is one of scalars and of arrays of these, so no other field lies in between. */
static origin find_origin(const lipm_place *place) {
    const ipm_type *at = place->memory->type;
    uint64_t offset = place->offset;
    origin found = {NULL, 0};
    while (!lipm_is_scalar(at) && (at != place->type || offset != 0)) {
        lipm_step step = lipm_descend(at, offset);
        at = step.type;
        offset -= step.offset;
        if (step.field != NULL && step.field->initial != NULL)
            return (origin){step.field, offset};
    }
    return found;
}

bool lipm_has_initial(const lipm_place *place) {
    const ipm_type *type = place->type;
    return ipm_type_has_initial(type->kind == IPM_ARRAY ? type->element : type) ||
           find_origin(place).field != NULL;
}

void lipm_fill(const lipm_place *place, uint64_t from, uint64_t size, unsigned char *into) {
    const ipm_type *type = place->type;
    origin found = find_origin(place);
    if (found.field != NULL) {
        const unsigned char *initial = found.field->initial;
        for (uint64_t i = 0; i < size; i++)
            into[i] = initial[(found.offset + from + i) % found.field->initial_size];
    } else if (type->kind == IPM_ARRAY) {
        for (uint64_t i = 0; i < size; i += type->element->size)
            ipm_type_initialize(type->element, into + i);
    } else {
        ipm_type_initialize(type, into);
    }
}
