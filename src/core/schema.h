/*
 * Defining a struct from a list of fields and from types that the program has defined before.
 */
#ifndef IPM_CORE_SCHEMA_H
#define IPM_CORE_SCHEMA_H

#include "builder.h"

/* A field's name, and its type and attributes as in schema text: "float[4] (default 1)". */
typedef struct ipm_declaration {
    const char *name;
    const char *type;
    size_t length;  /* of `type`, which may hold any bytes */
    ipm_field made; /* set by ipm_layout_define */
} ipm_declaration;

typedef struct ipm_definition {
    const char *name;   /* also with a pack: "Point (pack 1)" */
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
