/*
 * The tokens of schema text.
 */
#include "parser.h"

#include <string.h>

/* Like isdigit in the C locale, because the host may have set another locale. */
bool ipm_is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool ipm_is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || ipm_is_digit(c);
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_control(char c) {
    return (unsigned char)c < ' ' || c == 0x7f;
}

static void scan_word(ipm_parser *p) {
    while (p->next < p->end && ipm_is_word(*p->next))
        p->next++;
}

static bool digit_follows(const ipm_parser *p, ptrdiff_t after) {
    return p->end - p->next > after && ipm_is_digit(p->next[after]);
}

/* A fraction and the sign of an exponent belong to a number. */
static void scan_number(ipm_parser *p) {
    scan_word(p);
    if (digit_follows(p, 1) && *p->next == '.') {
        p->next++;
        scan_word(p);
    }
    if (digit_follows(p, 1) && (*p->next == '+' || *p->next == '-') &&
        (p->next[-1] == 'e' || p->next[-1] == 'E')) {
        p->next++;
        scan_word(p);
    }
}

/* A string has no control characters, so that a missing quote is found in its line. */
static bool scan_string(ipm_parser *p) {
    for (const char *c = p->next + 1; c < p->end && !is_control(*c); c++) {
        if (*c == '\\') {
            if (++c == p->end)
                break;
        } else if (*c == '"') {
            p->next = c + 1;
            return true;
        }
    }
    return false;
}

void ipm_parser_advance(ipm_parser *p) {
    p->builder.line = p->line;
    for (; p->next < p->end && is_space(*p->next); p->next++)
        if (*p->next == '\n')
            p->line++;
    p->text = p->next;
    if (p->next == p->end) {
        p->kind = IPM_TOKEN_END;
    } else if (ipm_is_digit(*p->next)) {
        p->kind = IPM_TOKEN_NUMBER;
        scan_number(p);
    } else if (ipm_is_word(*p->next)) {
        p->kind = IPM_TOKEN_NAME;
        scan_word(p);
    } else if (*p->next == '"' && scan_string(p)) {
        p->kind = IPM_TOKEN_STRING;
    } else {
        p->kind = IPM_TOKEN_SIGN;
        p->next++;
    }
    p->length = (size_t)(p->next - p->text);
}

bool ipm_parser_at(const ipm_parser *p, char sign) {
    return p->kind == IPM_TOKEN_SIGN && *p->text == sign;
}

bool ipm_parser_at_word(const ipm_parser *p, const char *word) {
    return p->kind == IPM_TOKEN_NAME && p->length == strlen(word) &&
           memcmp(p->text, word, p->length) == 0;
}

static int refuse_token(ipm_parser *p, const char *what) {
    p->builder.line = p->line;
    if (p->kind == IPM_TOKEN_END)
        return ipm_builder_refuse(&p->builder, "expected %s, but the text ends", what);
    if (ipm_parser_at(p, '"'))
        return ipm_builder_refuse(&p->builder,
                                  "expected %s, but there is a string without an end "
                                  "in its line",
                                  what);
    if (p->kind == IPM_TOKEN_SIGN && (*p->text < ' ' || *p->text > '~'))
        return ipm_builder_refuse(&p->builder, "expected %s, but there is a byte 0x%02x", what,
                                  (unsigned)(unsigned char)*p->text);
    return ipm_builder_refuse(&p->builder, "expected %s, but there is '%s'", what,
                              ipm_excerpt_of(p->text, p->length).text);
}

ipm_excerpt ipm_declared_type(const ipm_declaration *declared) {
    const char *attributes = memchr(declared->type, '(', declared->length);
    size_t length = attributes == NULL ? declared->length : (size_t)(attributes - declared->type);
    if (attributes != NULL)
        while (length > 0 && is_space(declared->type[length - 1]))
            length--;
    return ipm_excerpt_of(declared->type, length == 0 ? declared->length : length);
}

/* A type's text in a definition is short, so the message shows all of it, not one token. */
int ipm_parser_expected(ipm_parser *p, const char *what) {
    const ipm_declaration *declared = p->declaration;
    if (declared == NULL)
        return refuse_token(p, what);
    p->definition->untyped = declared;
    return ipm_builder_refuse(&p->builder, "'%s' is not a type", ipm_declared_type(declared).text);
}

int ipm_parser_sign(ipm_parser *p, char sign, const char *what) {
    if (!ipm_parser_at(p, sign))
        return ipm_parser_expected(p, what);
    ipm_parser_advance(p);
    return IPM_OK;
}

int ipm_parser_name(ipm_parser *p, ipm_word into, const char *what) {
    if (p->kind != IPM_TOKEN_NAME)
        return ipm_parser_expected(p, what);
    const char *text = p->text;
    size_t length = p->length;
    ipm_parser_advance(p);
    if (length > IPM_MAX_NAME)
        return ipm_builder_refuse(&p->builder, "the name '%s' is longer than %d characters",
                                  ipm_excerpt_of(text, length).text, IPM_MAX_NAME);
    memcpy(into, text, length);
    into[length] = '\0';
    return IPM_OK;
}

int ipm_parser_count(ipm_parser *p, uint64_t *count) {
    *count = 0;
    if (p->kind != IPM_TOKEN_NUMBER)
        return ipm_parser_expected(p, "a count");
    for (size_t i = 0; i < p->length; i++) {
        if (!ipm_is_digit(p->text[i]) || (p->text[0] == '0' && p->length > 1))
            return refuse_token(p, "a decimal count");
        uint64_t digit = (uint64_t)(p->text[i] - '0');
        *count = *count > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *count * 10 + digit;
    }
    ipm_parser_advance(p);
    return IPM_OK;
}

int ipm_parser_number(ipm_parser *p, char into[IPM_NUMBER_TEXT], const char *what) {
    size_t sign = ipm_parser_at(p, '-');
    if (sign)
        ipm_parser_advance(p);
    if (p->kind != IPM_TOKEN_NUMBER)
        return ipm_parser_expected(p, what);
    if (p->length > IPM_NUMBER_TEXT - 2)
        return ipm_builder_refuse(&p->builder, "the number '%s' is longer than %d characters",
                                  ipm_excerpt_of(p->text, p->length).text, IPM_NUMBER_TEXT - 2);
    into[0] = '-';
    memcpy(into + sign, p->text, p->length);
    into[sign + p->length] = '\0';
    if (!ipm_number_is_decimal(into))
        return refuse_token(p, what);
    ipm_parser_advance(p);
    return IPM_OK;
}

static int hex_digit(char c) {
    if (ipm_is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode the escape behind a backslash. returns  its length; 0: it is wrong */
static size_t read_escape(const char *from, const char *end, char *byte) {
    if (*from == '"' || *from == '\\') {
        *byte = *from;
        return 1;
    }
    if (*from != 'x' || end - from < 3 || hex_digit(from[1]) < 0 || hex_digit(from[2]) < 0)
        return 0;
    *byte = (char)(hex_digit(from[1]) * 16 + hex_digit(from[2]));
    return *byte == '\0' ? 0 : 3;
}

int ipm_parser_string(ipm_parser *p, const char **bytes, size_t *length, const char *what) {
    if (p->kind != IPM_TOKEN_STRING)
        return ipm_parser_expected(p, what);
    const char *end = p->text + p->length - 1;
    char *into = ipm_layout_alloc(p->builder.layout, p->length);
    if (into == NULL)
        return ipm_builder_no_memory(&p->builder);
    *bytes = into;
    for (const char *from = p->text + 1; from < end;) {
        size_t taken = 1;
        if (*from != '\\') {
            *into = *from;
        } else {
            taken = read_escape(++from, end, into);
            if (taken == 0)
                return ipm_builder_refuse(&p->builder, "in a string, \\ stands before \", \\ or "
                                                       "x01 to xFF");
        }
        into++;
        from += taken;
    }
    *into = '\0';
    *length = (size_t)(into - *bytes);
    ipm_parser_advance(p);
    return IPM_OK;
}
