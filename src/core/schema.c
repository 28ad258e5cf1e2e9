/*
 * Schema text: the grammar of types, structs and enumerations, which also reads the types in a
 * definition. It is in ipmmap.h.
 */
#include "schema.h"

#include "error.h"
#include "excerpt.h"
#include "parser.h"
#include "print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Types ------------------------------------------------------------------------------- */

static int find_type(ipm_parser *p, const char *word, const ipm_type **type) {
    IPM_TRY(ipm_builder_type(&p->builder, word, type));
    if (*type != NULL)
        return IPM_OK;
    if (p->builder.subject != NULL && strcmp(word, p->builder.subject) == 0)
        return ipm_builder_refuse(&p->builder, "a struct cannot be part of itself");
    return ipm_builder_refuse(&p->builder, "unknown type '%s'", word);
}

/* A type as written in the text: a name, and the counts in the brackets after it. */
typedef struct spelling {
    ipm_word word;
    uint64_t counts[IPM_MAX_DEPTH + 1];
    size_t dimensions;
    bool is_list; /* the last bracket has "<=" */
    bool is_optional;
} spelling;

static int take_bracket(ipm_parser *p, spelling *written) {
    ipm_parser_advance(p);
    if (written->is_list)
        return ipm_builder_refuse(&p->builder, "an array of lists: put the list into a struct");
    if (written->dimensions == sizeof written->counts / sizeof *written->counts)
        return ipm_builder_refuse(&p->builder, "nested deeper than %d", IPM_MAX_DEPTH);
    if (ipm_parser_at(p, '<')) {
        ipm_parser_advance(p);
        IPM_TRY(ipm_parser_sign(p, '=', "'='"));
        written->is_list = true;
    }
    IPM_TRY(ipm_parser_count(p, &written->counts[written->dimensions++]));
    return ipm_parser_sign(p, ']', "']'");
}

static int take_type(ipm_parser *p, spelling *written) {
    written->dimensions = 0;
    written->is_list = written->is_optional = false;
    IPM_TRY(ipm_parser_name(p, written->word, "a type"));
    while (ipm_parser_at(p, '['))
        IPM_TRY(take_bracket(p, written));
    if (ipm_parser_at(p, '?')) {
        ipm_parser_advance(p);
        written->is_optional = true;
        if (ipm_parser_at(p, '['))
            return ipm_builder_refuse(
                &p->builder, "an array of optional values: put the optional value into a struct");
    }
    return IPM_OK;
}

/* The last dimension is the innermost. The last dimension of char is the size of a text. */
static int add_dimensions(ipm_parser *p, const spelling *written, const ipm_type **type) {
    size_t left = written->dimensions - written->is_list;
    if (left > 0 && ipm_kind_is_text((*type)->kind))
        IPM_TRY(ipm_builder_text(&p->builder, *type, written->counts[--left], type));
    while (left > 0)
        IPM_TRY(ipm_builder_array(&p->builder, *type, written->counts[--left], type));
    if (written->is_list)
        IPM_TRY(
            ipm_builder_list(&p->builder, *type, written->counts[written->dimensions - 1], type));
    return written->is_optional ? ipm_builder_optional(&p->builder, *type, type) : IPM_OK;
}

static int parse_type(ipm_parser *p, const ipm_type **type) {
    spelling written;
    IPM_TRY(take_type(p, &written));
    IPM_TRY(find_type(p, written.word, type));
    return add_dimensions(p, &written, type);
}

/* ---- Structs and enumerations ------------------------------------------------------------ */

static int parse_field(ipm_parser *p) {
    ipm_word name;
    ipm_field field = {.name = name};
    IPM_TRY(ipm_parser_name(p, name, "a field name or '}'"));
    IPM_TRY(ipm_parser_sign(p, ':', "':' and the field's type"));
    IPM_TRY(parse_type(p, &field.type));
    if (ipm_parser_at(p, '('))
        IPM_TRY(ipm_parser_attributes(p, &field));
    IPM_TRY(ipm_builder_field(&p->builder, &field));
    if (ipm_parser_at(p, ';'))
        ipm_parser_advance(p);
    return IPM_OK;
}

/* "(pack 4)", if the text has it. pack  0: it has none */
static int take_pack(ipm_parser *p, uint64_t *pack) {
    *pack = 0;
    if (!ipm_parser_at(p, '('))
        return IPM_OK;
    ipm_parser_advance(p);
    if (!ipm_parser_at_word(p, "pack"))
        return ipm_parser_expected(p, "'pack'");
    ipm_parser_advance(p);
    IPM_TRY(ipm_parser_count(p, pack));
    if (*pack == 0)
        return ipm_builder_refuse(&p->builder, "pack is 1, 2, 4 or 8, not 0");
    return ipm_parser_sign(p, ')', "')'");
}

static int parse_struct(ipm_parser *p, const ipm_type **type) {
    ipm_word word;
    uint64_t pack;
    ipm_parser_advance(p);
    IPM_TRY(ipm_parser_name(p, word, "the struct's name"));
    IPM_TRY(ipm_builder_begin(&p->builder, word));
    if (ipm_parser_at(p, ':')) {
        const ipm_type *parent;
        ipm_parser_advance(p);
        IPM_TRY(ipm_parser_name(p, word, "the parent's name"));
        IPM_TRY(find_type(p, word, &parent));
        IPM_TRY(ipm_builder_extend(&p->builder, parent));
    }
    IPM_TRY(take_pack(p, &pack));
    if (pack != 0)
        IPM_TRY(ipm_builder_pack(&p->builder, pack));
    IPM_TRY(ipm_parser_sign(p, '{', "'{'"));
    while (!ipm_parser_at(p, '}'))
        IPM_TRY(parse_field(p));
    ipm_parser_advance(p);
    return ipm_builder_end(&p->builder, type);
}

static int parse_constant(ipm_parser *p, const ipm_type *integer) {
    ipm_word name;
    char text[IPM_NUMBER_TEXT], what[IPM_MAX_NAME + sizeof " ="];
    ipm_number number;
    IPM_TRY(ipm_parser_name(p, name, "a name or '}'"));
    IPM_TRY(ipm_parser_sign(p, '=', "'=' and the number"));
    IPM_TRY(ipm_parser_number(p, text, "an integer"));
    snprintf(what, sizeof what, "%s =", name);
    IPM_TRY(ipm_parser_in_range(p, integer, what, text, &number));
    return ipm_builder_constant(&p->builder, name, number);
}

static int parse_enum(ipm_parser *p, const ipm_type **type) {
    ipm_word word;
    const ipm_type *integer;
    bool is_flags = *p->text == 'f';
    ipm_parser_advance(p);
    IPM_TRY(ipm_parser_name(p, word, is_flags ? "the flags' name" : "the enumeration's name"));
    IPM_TRY(ipm_builder_begin_enum(&p->builder, word, is_flags));
    IPM_TRY(ipm_parser_sign(p, ':', "':' and an integer type"));
    IPM_TRY(ipm_parser_name(p, word, "an integer type"));
    IPM_TRY(find_type(p, word, &integer));
    IPM_TRY(ipm_builder_integer(&p->builder, integer));
    IPM_TRY(ipm_parser_sign(p, '{', "'{'"));
    while (!ipm_parser_at(p, '}'))
        IPM_TRY(parse_constant(p, integer));
    ipm_parser_advance(p);
    return ipm_builder_end_enum(&p->builder, type);
}

static int parse_text(ipm_parser *p, const ipm_type **type) {
    ipm_parser_advance(p);
    do {
        if (ipm_parser_at_word(p, "struct"))
            IPM_TRY(parse_struct(p, type));
        else if (ipm_parser_at_word(p, "enum") || ipm_parser_at_word(p, "flags"))
            IPM_TRY(parse_enum(p, type));
        else
            return ipm_parser_expected(p, "'struct', 'enum' or 'flags'");
    } while (p->kind != IPM_TOKEN_END);
    return IPM_OK;
}

/* ---- Definitions ------------------------------------------------------------------------- */

static bool is_name(const char *text) {
    size_t length = 0;
    while (ipm_is_word(text[length]))
        length++;
    return length > 0 && length <= IPM_MAX_NAME && text[length] == '\0' && !ipm_is_digit(text[0]);
}

static int refuse_name(ipm_parser *p, const char *text) {
    return ipm_builder_refuse(&p->builder, "'%s' is not a name",
                              ipm_excerpt_of(text, strlen(text)).text);
}

static void read_text(ipm_parser *p, const char *text, size_t length) {
    p->next = text;
    p->end = text + length;
    ipm_parser_advance(p);
}

/* Check the grammar of the type first and its name last, so that "unsigned long" is refused as a
 * whole. */
static int read_declaration(ipm_parser *p, ipm_declaration *declared) {
    spelling written;
    ipm_field *made = &declared->made;
    p->builder.member = NULL;
    if (!is_name(declared->name))
        return refuse_name(p, declared->name);
    p->builder.member = declared->name;
    p->declaration = declared;
    *made = (ipm_field){.name = declared->name};
    read_text(p, declared->type, declared->length);
    IPM_TRY(take_type(p, &written));
    if (p->kind != IPM_TOKEN_END && !ipm_parser_at(p, '('))
        return ipm_parser_expected(p, "nothing");
    for (size_t i = 0; i < written.dimensions; i++)
        if (written.counts[i] == 0)
            return ipm_builder_refuse(&p->builder, "'%s': an array has at least one element",
                                      ipm_declared_type(declared).text);
    IPM_TRY(ipm_builder_type(&p->builder, written.word, &made->type));
    if (made->type == NULL || strcmp(made->type->name, written.word) != 0) { /* "_Bool" */
        p->definition->untyped = declared;
        return ipm_builder_refuse(&p->builder,
                                  "'%s' is neither a type (bool, char, char16, char32, int8 to "
                                  "uint64, float, double) nor a registered struct or enumeration",
                                  written.word);
    }
    p->declaration = NULL;
    IPM_TRY(add_dimensions(p, &written, &made->type));
    if (p->kind == IPM_TOKEN_END)
        return IPM_OK;
    IPM_TRY(ipm_parser_attributes(p, made));
    return p->kind == IPM_TOKEN_END ? IPM_OK : ipm_parser_expected(p, "nothing after ')'");
}

/* The struct's name, and its pack, if it has one. */
static int read_name(ipm_parser *p, ipm_word name, uint64_t *pack) {
    const char *text = p->definition->name;
    *pack = 0;
    p->builder.definition = text;
    if (is_name(text)) {
        memcpy(name, text, strlen(text) + 1);
        return IPM_OK;
    }
    size_t length = strcspn(text, " (");
    if (length > IPM_MAX_NAME || text[length] == '\0')
        return refuse_name(p, text);
    memcpy(name, text, length);
    name[length] = '\0';
    if (!is_name(name) || text[length + strspn(text + length, " ")] != '(')
        return refuse_name(p, text);
    p->builder.definition = name;
    read_text(p, text + length, strlen(text + length));
    IPM_TRY(take_pack(p, pack));
    return p->kind == IPM_TOKEN_END ? IPM_OK : ipm_parser_expected(p, "nothing after ')'");
}

/* Read all types before the struct begins: reading one may build the known struct that it names. */
static int define(ipm_parser *p, const ipm_type **type) {
    const ipm_definition *definition = p->definition;
    const ipm_type *parent = NULL;
    uint64_t pack;
    p->builder.known = &definition->known;
    IPM_TRY(read_name(p, p->defined, &pack));
    if (definition->parent != NULL)
        IPM_TRY(find_type(p, definition->parent, &parent));
    for (size_t i = 0; i < definition->count; i++)
        IPM_TRY(read_declaration(p, &definition->declarations[i]));
    p->builder.member = NULL;
    IPM_TRY(ipm_builder_begin(&p->builder, p->defined));
    if (parent != NULL)
        IPM_TRY(ipm_builder_extend(&p->builder, parent));
    if (pack != 0)
        IPM_TRY(ipm_builder_pack(&p->builder, pack));
    for (size_t i = 0; i < definition->count; i++) {
        p->builder.member = definition->declarations[i].name;
        IPM_TRY(ipm_builder_field(&p->builder, &definition->declarations[i].made));
    }
    p->builder.member = NULL;
    return ipm_builder_end(&p->builder, type);
}

/* ---- Layouts ------------------------------------------------------------------------------ */

static int set_text(ipm_layout *layout, ipm_error *error) {
    size_t length = 0;
    char *text = ipm_print(layout->type, &length);
    char *kept = text == NULL ? NULL : ipm_layout_alloc(layout, length + 1);
    if (kept != NULL)
        layout->text = memcpy(kept, text, length + 1);
    layout->length = length;
    free(text);
    if (kept == NULL)
        return ipm_fail(error, IPM_ESYSTEM, ENOMEM, "printing a schema");
    if (length > IPM_MAX_TEXT)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: the canonical schema is longer than %d bytes",
                        layout->type->name, IPM_MAX_TEXT);
    return IPM_OK;
}

static int make_layout(ipm_parser *p, int (*read)(ipm_parser *p, const ipm_type **type),
                       ipm_layout **layout, ipm_error *error) {
    ipm_layout *made = ipm_layout_new();
    if (made == NULL)
        return ipm_fail(error, IPM_ESYSTEM, ENOMEM, "reading a schema");
    ipm_builder_open(&p->builder, made, error);
    int code = read(p, &made->type);
    ipm_builder_close(&p->builder);
    if (code == IPM_OK)
        code = set_text(made, error);
    if (code != IPM_OK) {
        ipm_layout_free(made);
        return code;
    }
    *layout = made;
    return IPM_OK;
}

int ipm_layout_parse(const char *text, size_t length, ipm_layout **layout, ipm_error *error) {
    if (length > IPM_MAX_TEXT)
        return ipm_fail(error, IPM_EINVALID, 0, "schema: %zu bytes of text are more than %d",
                        length, IPM_MAX_TEXT);
    if (length == 0)
        return ipm_fail(error, IPM_EINVALID, 0, "schema: the text is empty");
    ipm_parser p = {.next = text, .end = text + length, .line = 1};
    return make_layout(&p, parse_text, layout, error);
}

int ipm_layout_define(ipm_definition *definition, ipm_layout **layout, ipm_error *error) {
    definition->untyped = NULL;
    ipm_parser p = {.definition = definition};
    return make_layout(&p, define, layout, error);
}
