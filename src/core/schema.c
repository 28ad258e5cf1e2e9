/*
 * Schema text: the parser, which also reads the types in a definition, and the printer of the
 * canonical text. The grammar is in ipmmap.h. The text may come from a damaged file, so the parser
 * checks all of it.
 */
#include "schema.h"

#include "error.h"
#include "excerpt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Tokens ------------------------------------------------------------------------------ */

typedef enum kind {
    NAME,
    NUMBER, /* starts with a digit; the rest may be other characters */
    SIGN,   /* any other byte */
    END
} kind;

typedef struct parser {
    const char *next, *end;
    kind kind; /* of the next token, which is [text, text + length) */
    const char *text;
    size_t length;
    uint32_t line;
    ipm_builder builder; /* builder.line is the line of the last token taken */
    ipm_definition *definition;
    ipm_declaration *declaration; /* the text is this field's type; NULL: the text is a schema */
} parser;

/* Like isdigit in the C locale, because the host may have set another locale. */
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void advance(parser *p) {
    p->builder.line = p->line;
    for (; p->next < p->end && is_space(*p->next); p->next++)
        if (*p->next == '\n')
            p->line++;
    p->text = p->next;
    if (p->next == p->end) {
        p->kind = END;
    } else if (!is_word(*p->next)) {
        p->kind = SIGN;
        p->next++;
    } else {
        p->kind = is_digit(*p->next) ? NUMBER : NAME;
        while (p->next < p->end && is_word(*p->next))
            p->next++;
    }
    p->length = (size_t)(p->next - p->text);
}

static bool at(const parser *p, char sign) {
    return p->kind == SIGN && *p->text == sign;
}

static int refuse_token(parser *p, const char *what) {
    p->builder.line = p->line;
    if (p->kind == END)
        return ipm_builder_refuse(&p->builder, "expected %s, but the text ends", what);
    if (p->kind == SIGN && (*p->text < ' ' || *p->text > '~'))
        return ipm_builder_refuse(&p->builder, "expected %s, but there is a byte 0x%02x", what,
                                  (unsigned)(unsigned char)*p->text);
    return ipm_builder_refuse(&p->builder, "expected %s, but there is '%s'", what,
                              ipm_excerpt_of(p->text, p->length).text);
}

/* A type's text in a definition is short, so the message shows all of it, not one token. */
static int expected(parser *p, const char *what) {
    const ipm_declaration *declared = p->declaration;
    if (declared == NULL)
        return refuse_token(p, what);
    p->definition->untyped = declared;
    return ipm_builder_refuse(&p->builder, "'%s' is not a type",
                              ipm_excerpt_of(declared->type, declared->length).text);
}

static int take_sign(parser *p, char sign, const char *what) {
    if (!at(p, sign))
        return expected(p, what);
    advance(p);
    return IPM_OK;
}

typedef char name[IPM_MAX_NAME + 1];

static int take_name(parser *p, name into, const char *what) {
    if (p->kind != NAME)
        return expected(p, what);
    const char *text = p->text;
    size_t length = p->length;
    advance(p);
    if (length > IPM_MAX_NAME)
        return ipm_builder_refuse(&p->builder, "the name '%s' is longer than %d characters",
                                  ipm_excerpt_of(text, length).text, IPM_MAX_NAME);
    memcpy(into, text, length);
    into[length] = '\0';
    return IPM_OK;
}

/* A number that is too large for uint64_t becomes UINT64_MAX, which the builder refuses. */
static int take_count(parser *p, uint64_t *count) {
    *count = 0;
    if (p->kind != NUMBER)
        return expected(p, "a count");
    for (size_t i = 0; i < p->length; i++) {
        if (!is_digit(p->text[i]) || (p->text[0] == '0' && p->length > 1))
            return refuse_token(p, "a decimal count");
        uint64_t digit = (uint64_t)(p->text[i] - '0');
        *count = *count > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *count * 10 + digit;
    }
    advance(p);
    return IPM_OK;
}

/* ---- Grammar ----------------------------------------------------------------------------- */

#define TRY(call)                                                                                  \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_ != IPM_OK)                                                                       \
            return code_;                                                                          \
    } while (0)

static int find_type(parser *p, const char *word, const ipm_type **type) {
    TRY(ipm_builder_type(&p->builder, word, type));
    if (*type != NULL)
        return IPM_OK;
    if (p->builder.subject != NULL && strcmp(word, p->builder.subject) == 0)
        return ipm_builder_refuse(&p->builder, "a struct cannot be part of itself");
    return ipm_builder_refuse(&p->builder, "unknown type '%s'", word);
}

/* A type as written in the text: a name, and the counts in the brackets after it. */
typedef struct spelling {
    name word;
    uint64_t counts[IPM_MAX_DEPTH + 1];
    size_t dimensions;
} spelling;

static int take_type(parser *p, spelling *written) {
    written->dimensions = 0;
    TRY(take_name(p, written->word, "a type"));
    while (at(p, '[')) {
        advance(p);
        if (written->dimensions == sizeof written->counts / sizeof *written->counts)
            return ipm_builder_refuse(&p->builder, "nested deeper than %d", IPM_MAX_DEPTH);
        TRY(take_count(p, &written->counts[written->dimensions++]));
        TRY(take_sign(p, ']', "']'"));
    }
    return IPM_OK;
}

/* The last dimension is the innermost. The last dimension of char is the size of a text. */
static int add_dimensions(parser *p, const spelling *written, const ipm_type **type) {
    size_t left = written->dimensions;
    if (left > 0 && (*type)->kind == IPM_CHAR)
        TRY(ipm_builder_text(&p->builder, written->counts[--left], type));
    while (left > 0)
        TRY(ipm_builder_array(&p->builder, *type, written->counts[--left], type));
    return IPM_OK;
}

static int parse_type(parser *p, const ipm_type **type) {
    spelling written;
    TRY(take_type(p, &written));
    TRY(find_type(p, written.word, type));
    return add_dimensions(p, &written, type);
}

static int parse_field(parser *p) {
    name field;
    const ipm_type *type;
    TRY(take_name(p, field, "a field name or '}'"));
    TRY(take_sign(p, ':', "':' and the field's type"));
    TRY(parse_type(p, &type));
    TRY(ipm_builder_field(&p->builder, field, type));
    if (at(p, ';'))
        advance(p);
    return IPM_OK;
}

static int parse_struct(parser *p, const ipm_type **type) {
    name word;
    if (p->kind != NAME || p->length != strlen("struct") ||
        memcmp(p->text, "struct", p->length) != 0)
        return expected(p, "'struct'");
    advance(p);
    TRY(take_name(p, word, "the struct's name"));
    TRY(ipm_builder_begin(&p->builder, word));
    if (at(p, ':')) {
        const ipm_type *parent;
        advance(p);
        TRY(take_name(p, word, "the parent's name"));
        TRY(find_type(p, word, &parent));
        TRY(ipm_builder_extend(&p->builder, parent));
    }
    TRY(take_sign(p, '{', "'{'"));
    while (!at(p, '}'))
        TRY(parse_field(p));
    advance(p);
    return ipm_builder_end(&p->builder, type);
}

static int parse_text(parser *p, const ipm_type **type) {
    advance(p);
    do
        TRY(parse_struct(p, type));
    while (p->kind != END);
    return IPM_OK;
}

/* ---- Definitions ------------------------------------------------------------------------- */

static int check_name(parser *p, const char *text) {
    size_t length = 0;
    while (is_word(text[length]))
        length++;
    if (length == 0 || length > IPM_MAX_NAME || text[length] != '\0' || is_digit(text[0]))
        return ipm_builder_refuse(&p->builder, "'%s' is not a name",
                                  ipm_excerpt_of(text, strlen(text)).text);
    return IPM_OK;
}

/* Check the grammar first and the name last, so that "unsigned long" is refused as a whole. */
static int read_declaration(parser *p, ipm_declaration *declared) {
    spelling written;
    p->builder.member = NULL;
    TRY(check_name(p, declared->name));
    p->builder.member = declared->name;
    p->declaration = declared;
    p->next = declared->type;
    p->end = declared->type + declared->length;
    advance(p);
    TRY(take_type(p, &written));
    if (p->kind != END)
        return expected(p, "nothing");
    for (size_t i = 0; i < written.dimensions; i++)
        if (written.counts[i] == 0)
            return ipm_builder_refuse(&p->builder, "'%s': an array has at least one element",
                                      ipm_excerpt_of(declared->type, declared->length).text);
    TRY(ipm_builder_type(&p->builder, written.word, &declared->made));
    if (declared->made == NULL || strcmp(declared->made->name, written.word) != 0) { /* "_Bool" */
        p->definition->untyped = declared;
        return ipm_builder_refuse(&p->builder,
                                  "'%s' is neither a type (bool, char, int8 to uint64, float, "
                                  "double) nor a registered struct",
                                  written.word);
    }
    return add_dimensions(p, &written, &declared->made);
}

/* Read all types before the struct begins: reading one may build the known struct that it names. */
static int define(parser *p, const ipm_type **type) {
    const ipm_definition *definition = p->definition;
    const ipm_type *parent = NULL;
    p->builder.known = &definition->known;
    p->builder.definition = definition->name;
    TRY(check_name(p, definition->name));
    if (definition->parent != NULL)
        TRY(find_type(p, definition->parent, &parent));
    for (size_t i = 0; i < definition->count; i++)
        TRY(read_declaration(p, &definition->declarations[i]));
    p->builder.member = NULL;
    TRY(ipm_builder_begin(&p->builder, definition->name));
    if (parent != NULL)
        TRY(ipm_builder_extend(&p->builder, parent));
    for (size_t i = 0; i < definition->count; i++) {
        const ipm_declaration *declared = &definition->declarations[i];
        p->builder.member = declared->name;
        TRY(ipm_builder_field(&p->builder, declared->name, declared->made));
    }
    p->builder.member = NULL;
    return ipm_builder_end(&p->builder, type);
}

/* ---- Canonical text ---------------------------------------------------------------------- */

/* Print the structs that the struct uses, in the order of first use, and then the struct itself. */
static void print_struct(FILE *out, const ipm_type *type, bool *printed) {
    const ipm_node *node = ipm_node_of(type);
    if (printed[node->index])
        return;
    printed[node->index] = true;
    if (type->parent != NULL)
        print_struct(out, type->parent, printed);
    for (uint64_t i = ipm_inherited(type); i < type->count; i++) {
        const ipm_type *part = type->fields[i].type;
        while (part->kind == IPM_ARRAY)
            part = part->element;
        if (part->kind == IPM_STRUCT)
            print_struct(out, part, printed);
    }
    if (type->parent == NULL)
        fprintf(out, "struct %s {\n", type->name);
    else
        fprintf(out, "struct %s : %s {\n", type->name, type->parent->name);
    for (uint64_t i = ipm_inherited(type); i < type->count; i++)
        fprintf(out, "  %s: %s\n", type->fields[i].name, type->fields[i].type->name);
    fputs("}\n", out);
}

/* Print the canonical text. returns  memory that the caller frees; NULL: no memory */
static char *print(const ipm_type *type, size_t *length) {
    char *text = NULL;
    bool *printed = calloc(ipm_node_of(type)->index + (size_t)1, sizeof *printed);
    FILE *out = printed == NULL ? NULL : open_memstream(&text, length);
    if (out != NULL) {
        print_struct(out, type, printed);
        bool failed = ferror(out) != 0;
        if (fclose(out) != 0 || failed) {
            free(text);
            text = NULL;
        }
    }
    free(printed);
    return text;
}

static int set_text(ipm_layout *layout, ipm_error *error) {
    size_t length = 0;
    char *text = print(layout->type, &length);
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

/* ------------------------------------------------------------------------------------------ */

static int make_layout(parser *p, int (*read)(parser *p, const ipm_type **type),
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
    parser p = {.next = text, .end = text + length, .line = 1};
    return make_layout(&p, parse_text, layout, error);
}

int ipm_layout_define(ipm_definition *definition, ipm_layout **layout, ipm_error *error) {
    definition->untyped = NULL;
    parser p = {.definition = definition};
    return make_layout(&p, define, layout, error);
}
