/*
 * The attributes of a field: its default, limits, unit and documentation.
 */
#include "excerpt.h"
#include "parser.h"
#include "utf.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct attributes {
    ipm_field *field;
    const ipm_type *base; /* the type of the field's innermost elements */
    ipm_limits limits;
    uint64_t given; /* values in the default */
} attributes;

/* What the field's values are, for messages: "a text", "int8", "the enumeration Mode". */
static ipm_excerpt describe_base(const attributes *a) {
    const ipm_type *base = a->base;
    ipm_excerpt text;
    const char *kind = base->kind == IPM_STRUCT ? "the struct "
                       : base->names == NULL    ? ""
                       : base->names->is_flags  ? "the flags "
                                                : "the enumeration ";
    snprintf(text.text, sizeof text.text, "%s%s", kind,
             ipm_kind_is_text(base->kind) ? "a text" : base->name);
    return text;
}

/* ---- Numbers ----------------------------------------------------------------------------- */

int ipm_parser_in_range(ipm_parser *p, const ipm_type *base, const char *what, const char *text,
                        ipm_number *number) {
    char least[IPM_NUMBER_TEXT], most[IPM_NUMBER_TEXT];
    ipm_number min, max;
    ipm_reading reading = ipm_number_read(text, base->kind, number);
    if (reading == IPM_READING_DONE)
        return IPM_OK;
    if (reading == IPM_READING_FRACTION)
        return ipm_builder_refuse(&p->builder,
                                  "%s %s: %s is an integer, without fraction or "
                                  "exponent",
                                  what, text, base->name);
    if (ipm_kind_is_real(base->kind))
        return ipm_builder_refuse(&p->builder, "%s %s is outside the range of %s", what, text,
                                  base->name);
    ipm_number_range(base->kind, &min, &max);
    return ipm_builder_refuse(&p->builder, "%s %s is outside the range of %s, %s to %s", what, text,
                              base->name, ipm_number_write(base->kind, min, least),
                              ipm_number_write(base->kind, max, most));
}

static int parse_limit(ipm_parser *p, attributes *a, const char *what, bool *has,
                       ipm_number *number) {
    char text[IPM_NUMBER_TEXT];
    const ipm_type *base = a->base;
    if ((!ipm_kind_is_integer(base->kind) && !ipm_kind_is_real(base->kind)) || base->names != NULL)
        return ipm_builder_refuse(&p->builder, "%s of %s: limits are for numbers", what,
                                  describe_base(a).text);
    if (*has)
        return ipm_builder_refuse(&p->builder, "there are two attributes '%s'", what);
    *has = true;
    IPM_TRY(ipm_parser_number(p, text, "a number"));
    return ipm_parser_in_range(p, base, what, text, number);
}

/* ---- Defaults ---------------------------------------------------------------------------- */

static int refuse_value(ipm_parser *p, const attributes *a, const char *is) {
    const char *quote = p->kind == IPM_TOKEN_STRING ? "" : "'";
    if (p->kind == IPM_TOKEN_END || ipm_parser_at(p, '"'))
        return ipm_parser_expected(p, is);
    return ipm_builder_refuse(&p->builder, "the default of %s is %s, not %s%s%s",
                              describe_base(a).text, is, quote,
                              ipm_excerpt_of(p->text, p->length).text, quote);
}

static int parse_real_default(ipm_parser *p, const attributes *a, void *bytes) {
    char text[IPM_NUMBER_TEXT];
    ipm_number number = {.f = 1};
    if (ipm_parser_at(p, '-') && p->next < p->end && *p->next == 'i') {
        number.f = -1;
        ipm_parser_advance(p);
    }
    if (ipm_parser_at_word(p, "inf") || ipm_parser_at_word(p, "nan")) {
        number.f *= *p->text == 'n' ? (double)NAN : (double)INFINITY;
        ipm_parser_advance(p);
    } else if (ipm_parser_at(p, '-') || p->kind == IPM_TOKEN_NUMBER) {
        IPM_TRY(ipm_parser_number(p, text, "a number"));
        IPM_TRY(ipm_parser_in_range(p, a->base, "default", text, &number));
    } else {
        return refuse_value(p, a, "a number");
    }
    ipm_number_store(a->base->kind, number, bytes);
    return IPM_OK;
}

static int parse_integer_default(ipm_parser *p, const attributes *a, void *bytes) {
    char text[IPM_NUMBER_TEXT];
    ipm_number number;
    if (!ipm_parser_at(p, '-') && p->kind != IPM_TOKEN_NUMBER)
        return refuse_value(p, a, a->base->names == NULL ? "an integer" : "a name or an integer");
    IPM_TRY(ipm_parser_number(p, text, "a number"));
    IPM_TRY(ipm_parser_in_range(p, a->base, "default", text, &number));
    ipm_number_store(a->base->kind, number, bytes);
    return IPM_OK;
}

/* The first names of an enumeration, as far as there is room: "idle, walk, run". */
static ipm_excerpt list_names(const ipm_enum *names) {
    ipm_excerpt list = {{0}};
    size_t length = 0;
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->constants[i].name, *comma = i > 0 ? ", " : "";
        if (length + strlen(comma) + strlen(name) + sizeof ", ..." > sizeof list.text) {
            snprintf(list.text + length, sizeof list.text - length, ", ...");
            break;
        }
        length +=
            (size_t)snprintf(list.text + length, sizeof list.text - length, "%s%s", comma, name);
    }
    return list;
}

/* A name, also as a string, or a number. */
static int parse_named(ipm_parser *p, const attributes *a, void *bytes) {
    const ipm_type *base = a->base;
    const char *name = p->text;
    size_t length = p->length;
    if (p->kind == IPM_TOKEN_STRING) {
        name++;
        length -= 2;
    } else if (p->kind != IPM_TOKEN_NAME) {
        return parse_integer_default(p, a, bytes);
    }
    const ipm_constant *constant = ipm_constant_named(base, name, length);
    if (constant == NULL)
        return ipm_builder_refuse(&p->builder, "default '%s': %s has %s",
                                  ipm_excerpt_of(name, length).text, base->name,
                                  list_names(base->names).text);
    ipm_number_store(base->kind, constant->number, bytes);
    ipm_parser_advance(p);
    return IPM_OK;
}

static int parse_bool(ipm_parser *p, const attributes *a, void *bytes) {
    bool value = ipm_parser_at_word(p, "true");
    if (!value && !ipm_parser_at_word(p, "false"))
        return refuse_value(p, a, "true or false");
    memcpy(bytes, &value, sizeof value);
    ipm_parser_advance(p);
    return IPM_OK;
}

static int parse_text_value(ipm_parser *p, const attributes *a, void *bytes) {
    const ipm_type *base = a->base;
    size_t room = base->size / ipm_unit_size(base->kind), count;
    const char *text;
    if (p->kind != IPM_TOKEN_STRING)
        return refuse_value(p, a, "a string in double quotes");
    IPM_TRY(ipm_parser_string(p, &text, &count, "a string"));
    if (base->kind != IPM_CHAR) {
        count = ipm_utf_encode(base->kind, text, count, bytes, room);
        if (count == SIZE_MAX)
            return ipm_builder_refuse(&p->builder, "default \"%s\" is not UTF-8",
                                      ipm_excerpt_of(text, strlen(text)).text);
    }
    if (count > room)
        return ipm_builder_refuse(&p->builder,
                                  "default \"%s\" is too long: %zu %s, and %s holds %zu",
                                  ipm_excerpt_of(text, strlen(text)).text, count,
                                  base->kind == IPM_CHAR ? "bytes" : "units", base->name, room);
    if (base->kind == IPM_CHAR)
        memcpy(bytes, text, count);
    return IPM_OK;
}

static int parse_value(ipm_parser *p, const attributes *a, void *bytes) {
    ipm_kind kind = a->base->kind;
    if (a->base->names != NULL)
        return parse_named(p, a, bytes);
    if (kind == IPM_BOOL)
        return parse_bool(p, a, bytes);
    if (ipm_kind_is_text(kind))
        return parse_text_value(p, a, bytes);
    return (ipm_kind_is_real(kind) ? parse_real_default : parse_integer_default)(p, a, bytes);
}

/* The values of the first elements. The default has the bytes of the whole field. */
static int parse_list(ipm_parser *p, attributes *a, char *bytes) {
    uint64_t count = a->field->type->size / a->base->size;
    do {
        ipm_parser_advance(p);
        if (a->given == count)
            return ipm_builder_refuse(&p->builder,
                                      "the default has more values than %s has, %" PRIu64,
                                      a->field->type->name, count);
        IPM_TRY(parse_value(p, a, bytes + a->given * a->base->size));
        a->given++;
    } while (ipm_parser_at(p, ','));
    return ipm_parser_sign(p, ']', "',' or ']'");
}

/* returns  why fields of this type cannot have a default; NULL: they can */
static const char *no_default(const ipm_type *type) {
    if (ipm_innermost(type)->kind == IPM_STRUCT)
        return "give it to the fields of the struct";
    return type->kind == IPM_LIST       ? "a list is empty at first"
           : type->kind == IPM_OPTIONAL ? "an optional value is absent at first"
                                        : NULL;
}

static int parse_default(ipm_parser *p, attributes *a) {
    ipm_field *field = a->field;
    const char *reason = no_default(field->type);
    bool is_list = ipm_parser_at(p, '[');
    void *bytes;
    if (reason != NULL)
        return ipm_builder_refuse(&p->builder, "%s has no default: %s", field->type->name, reason);
    if (field->initial != NULL)
        return ipm_builder_refuse(&p->builder, "there are two attributes 'default'");
    if (is_list && field->type->kind != IPM_ARRAY)
        return ipm_builder_refuse(&p->builder, "the default of %s is one value, not several",
                                  field->type->name);
    field->initial_size = is_list ? field->type->size : a->base->size;
    IPM_TRY(ipm_builder_initial(&p->builder, field->initial_size, &bytes));
    field->initial = bytes;
    if (is_list)
        return parse_list(p, a, bytes);
    a->given = 1;
    return parse_value(p, a, bytes);
}

/* ---- All attributes ---------------------------------------------------------------------- */

static int parse_string(ipm_parser *p, const char *what, const char **string) {
    size_t length;
    if (*string != NULL)
        return ipm_builder_refuse(&p->builder, "there are two attributes '%s'", what);
    return ipm_parser_string(p, string, &length, "a string in double quotes");
}

static int parse_attribute(ipm_parser *p, attributes *a) {
    ipm_word word;
    static const char expected[] = "default, min, max, unit or doc";
    const char *text = p->text;
    size_t length = p->length;
    IPM_TRY(ipm_parser_name(p, word, expected));
    if (strcmp(word, "default") == 0)
        return parse_default(p, a);
    if (strcmp(word, "min") == 0)
        return parse_limit(p, a, word, &a->limits.has_min, &a->limits.min);
    if (strcmp(word, "max") == 0)
        return parse_limit(p, a, word, &a->limits.has_max, &a->limits.max);
    if (strcmp(word, "unit") == 0)
        return parse_string(p, word, &a->field->unit);
    if (strcmp(word, "doc") == 0)
        return parse_string(p, word, &a->field->doc);
    return ipm_builder_refuse(&p->builder, "expected %s, but there is '%s'", expected,
                              ipm_excerpt_of(text, length).text);
}

static int check_default(ipm_parser *p, const attributes *a) {
    ipm_kind kind = a->base->kind;
    for (uint64_t i = 0; i < a->given; i++) {
        char value[IPM_NUMBER_TEXT], limit[IPM_NUMBER_TEXT];
        ipm_number number =
            ipm_number_load(kind, (const char *)a->field->initial + i * a->base->size);
        ipm_fit fit = ipm_limits_fit(&a->limits, kind, number);
        if (fit == IPM_FIT_NAN)
            return ipm_builder_refuse(&p->builder, "default nan is not within the limits");
        if (fit != IPM_FITS)
            return ipm_builder_refuse(
                &p->builder, "default %s is %s %s", ipm_number_write(kind, number, value),
                fit == IPM_FIT_BELOW ? "below min" : "above max",
                ipm_number_write(kind, fit == IPM_FIT_BELOW ? a->limits.min : a->limits.max,
                                 limit));
    }
    return IPM_OK;
}

static int apply_limits(ipm_parser *p, attributes *a) {
    const ipm_limits *limits = &a->limits;
    ipm_kind kind = a->base->kind;
    char least[IPM_NUMBER_TEXT], most[IPM_NUMBER_TEXT];
    if (!limits->has_min && !limits->has_max)
        return IPM_OK;
    if (limits->has_min && limits->has_max &&
        ipm_number_compare(kind, limits->min, limits->max) > 0)
        return ipm_builder_refuse(&p->builder, "min %s is above max %s",
                                  ipm_number_write(kind, limits->min, least),
                                  ipm_number_write(kind, limits->max, most));
    IPM_TRY(check_default(p, a));
    return ipm_builder_limit(&p->builder, a->field->type, limits, &a->field->type);
}

int ipm_parser_attributes(ipm_parser *p, ipm_field *field) {
    attributes a = {.field = field, .base = ipm_innermost(field->type)};
    do {
        ipm_parser_advance(p);
        IPM_TRY(parse_attribute(p, &a));
    } while (ipm_parser_at(p, ','));
    IPM_TRY(ipm_parser_sign(p, ')', "',' or ')'"));
    return apply_limits(p, &a);
}
