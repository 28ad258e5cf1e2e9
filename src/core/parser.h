/*
 * Reading schema text token by token. The text may come from a damaged file, so every function
 * checks what it reads. They return IPM_OK, IPM_EINVALID or IPM_ESYSTEM, and word the error.
 */
#ifndef IPM_CORE_PARSER_H
#define IPM_CORE_PARSER_H

#include "builder.h"
#include "excerpt.h"
#include "number.h"
#include "schema.h"

typedef char ipm_word[IPM_MAX_NAME + 1];

typedef enum ipm_token_kind {
    IPM_TOKEN_NAME,
    IPM_TOKEN_NUMBER, /* starts with a digit; the rest may be wrong */
    IPM_TOKEN_STRING, /* from quote to quote; its escapes may be wrong */
    IPM_TOKEN_SIGN,   /* any other byte */
    IPM_TOKEN_END
} ipm_token_kind;

typedef struct ipm_parser {
    const char *next, *end;
    ipm_token_kind kind; /* of the next token, which is [text, text + length) */
    const char *text;
    size_t length;
    uint32_t line;
    ipm_builder builder; /* builder.line is the line of the last token taken */
    ipm_definition *definition;
    ipm_declaration *declaration; /* the text is this field's type; NULL: it is a schema, or the
                                     attributes of a field have begun */
    ipm_word defined;             /* the name of the struct that a program defines */
} ipm_parser;

/* Call `call`, and return from this function if it fails. */
#define IPM_TRY(call)                                                                              \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_ != IPM_OK)                                                                       \
            return code_;                                                                          \
    } while (0)

bool ipm_is_digit(char c);
bool ipm_is_word(char c); /* of a name: a letter, a digit or '_' */

void ipm_parser_advance(ipm_parser *p);
bool ipm_parser_at(const ipm_parser *p, char sign);
bool ipm_parser_at_word(const ipm_parser *p, const char *word);

/* The text of a field's type, without its attributes, for messages. */
ipm_excerpt ipm_declared_type(const ipm_declaration *declared);

/* Refuse the next token, or, in a definition, the field's whole type. */
int ipm_parser_expected(ipm_parser *p, const char *what);

/* Take the next token, which must be as the name says. `what` names it in the error. */
int ipm_parser_sign(ipm_parser *p, char sign, const char *what);
int ipm_parser_name(ipm_parser *p, ipm_word into, const char *what);

/* A decimal number from 0. One that is too large for uint64_t becomes UINT64_MAX, which the builder
 * refuses. */
int ipm_parser_count(ipm_parser *p, uint64_t *count);

/* A number with its sign, for ipm_number_read. */
int ipm_parser_number(ipm_parser *p, char into[IPM_NUMBER_TEXT], const char *what);

/* Read the text as a number of this type; `what` says in the error what it is: "default", "min". */
int ipm_parser_in_range(ipm_parser *p, const ipm_type *type, const char *what, const char *text,
                        ipm_number *number);

/* A string. The layout gets its bytes, which contain no NUL, with a final NUL. */
int ipm_parser_string(ipm_parser *p, const char **bytes, size_t *length, const char *what);

/*
 * The attributes of a field, from '(' to ')'. field->type is set, and becomes a type with limits if
 * there are limits. Sets the other members, but name and offset.
 */
int ipm_parser_attributes(ipm_parser *p, ipm_field *field);

#endif
