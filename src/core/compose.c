#include "schema.h"

#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct part_list {
    const ipm_type *const *parts;
    size_t count;
} part_list;

static const ipm_type *listed_part(void *context, const char *name) {
    const part_list *list = context;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->parts[i]->name, name) == 0)
            return list->parts[i];
    return NULL;
}

int ipm_layout_compose(const char *name, const ipm_type *parent, const ipm_member *members,
                       size_t count, const ipm_type *const *parts, size_t part_count,
                       size_t *untyped, ipm_layout **layout, ipm_error *error) {
    part_list list = {parts, part_count};
    ipm_declaration *declarations = calloc(count + 1, sizeof *declarations);
    if (declarations == NULL)
        return ipm_fail(error, IPM_ESYSTEM, ENOMEM, "defining a struct");
    for (size_t i = 0; i < count; i++) {
        declarations[i].name = members[i].name;
        declarations[i].type = members[i].type;
        declarations[i].length = members[i].length;
    }
    ipm_definition definition = {
        .name = name,
        .parent = parent == NULL ? NULL : parent->name,
        .declarations = declarations,
        .count = count,
        .known = {listed_part, &list},
    };
    int code = ipm_layout_define(&definition, layout, error);
    if (untyped != NULL)
        *untyped = definition.untyped == NULL ? count : (size_t)(definition.untyped - declarations);
    free(declarations);
    return code;
}
