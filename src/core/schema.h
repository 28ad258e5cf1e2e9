/*
 * Defining a struct from a list of fields and from structs that the program has defined before.
 */
#ifndef IPM_CORE_SCHEMA_H
#define IPM_CORE_SCHEMA_H

#include "builder.h"

/* A field's name, and its type written as in schema text: "Point2D[24]". */
typedef struct ipm_declaration {
    const char *name;
    const char *type;
    size_t length;        /* of `type`, which may hold any bytes */
    const ipm_type *made; /* set by ipm_layout_define */
} ipm_declaration;

typedef struct ipm_definition {
    const char *name;
    const char *parent; /* the name of the parent, a known struct; NULL: none */
    ipm_declaration *declarations;
    size_t count;
    ipm_known known;                /* a type that find returns is only used until its next call */
    const ipm_declaration *untyped; /* set to the declaration whose text is no type, or to NULL */
} ipm_definition;

/*
 * Make the layout that ipm_layout_parse would make from a text with this struct and all its parts.
 *
 * returns  IPM_EINVALID: the error's text begins with "Demo.points: " if it is about one field,
 *          else with "Demo: "; IPM_ESYSTEM (no memory)
 * owner    the caller, as for ipm_layout_parse. The layout has copies of the known structs.
 */
int ipm_layout_define(ipm_definition *definition, ipm_layout **layout, ipm_error *error);

#endif
