/* Attributes of fields in schema text: their values, their limits and their canonical text. */
#include "schema_text.h"

#include <locale.h>

/* Fields of a struct S, in the canonical text too. */
static void accepts_field(const char *field, const char *canonical) {
    char text[1024], expected[1024];
    snprintf(text, sizeof text, "struct S { x: %s }", field);
    snprintf(expected, sizeof expected, "struct S {\n  x: %s\n}\n", canonical);
    accepts(text, expected);
}

static void refuses_field(const char *field, const char *why) {
    char text[1024], expected[512];
    snprintf(text, sizeof text, "struct S { x: %s }", field);
    snprintf(expected, sizeof expected, "S: line 1: %s", why);
    refuses(text, expected);
}

static const char *const demo =
    "enum Mode : uint8 {\n"
    "  idle = 0\n"
    "  walk = 4\n"
    "}\n"
    "flags Rights : uint32 {\n"
    "  read = 1\n"
    "  write = 2\n"
    "}\n"
    "struct Point (pack 1) {\n"
    "  x: float\n"
    "}\n"
    "struct Demo {\n"
    "  volume: float (default 0.8, min 0, max 1, unit \"dB\", doc \"how loud\")\n"
    "  gains: float[4] (default 1)\n"
    "  axis: float[3] (default [0, 0, 1])\n"
    "  mode: Mode (default walk)\n"
    "  rights: Rights (default 3)\n"
    "  items: Point[<=64]\n"
    "  left: int32? (max 7)\n"
    "  title: char16[32] (default \"a\\\"\\\\\\x7F\xc3\xa9\")\n"
    "}\n";

static void keeps_canonical_text(void) {
    accepts(demo, demo);
}

static void orders_attributes(void) {
    accepts_field("float(doc\"d\",unit\"u\",max 2,min 1,default 1);",
                  "float (default 1, min 1, max 2, unit \"u\", doc \"d\")");
    accepts_field("float (unit \"\")", "float (unit \"\")");
}

static void writes_the_shortest_decimal(void) {
    accepts_field("float (default 0.1)", "float (default 0.1)");
    accepts_field("double (default 0.1)", "double (default 0.1)");
    accepts_field("double (default 0.30000000000000004)", "double (default 0.30000000000000004)");
    accepts_field("float (default 0.100000001490116)", "float (default 0.1)");
    accepts_field("float (default 16777217)", "float (default 16777216)");
    accepts_field("double (default 100000)", "double (default 100000)");
    accepts_field("double (default 999999999999999)", "double (default 999999999999999)");
    accepts_field("double (default 1000000000000000)", "double (default 1e+15)");
    accepts_field("double (default 1.50)", "double (default 1.5)");
    accepts_field("double (default 12e-1)", "double (default 1.2)");
    accepts_field("double (default 1E-7)", "double (default 1e-07)");
    accepts_field("double (default -0)", "double (default -0)");
    accepts_field("double (default 4.9406564584124654e-324)", "double (default 5e-324)");
    accepts_field("double (default 1.7976931348623157e308)",
                  "double (default 1.7976931348623157e+308)");
    accepts_field("float (default 3.4028235e38)", "float (default 3.4028235e+38)");
    accepts_field("float (default 1e-45)", "float (default 1e-45)");
    accepts_field("float (default 1e-400)", "float (default 0)");
    accepts_field("double (default nan)", "double (default nan)");
    accepts_field("float[3] (default [inf, -inf, nan])", "float[3] (default [inf, -inf, nan])");
}

/* Numbers are the same in a locale whose decimal point is a comma, and the locale stays as it is.
 */
static void ignores_the_locale(void) {
    char place[] = "/tmp/ipmmap-locale-XXXXXX", command[200], text[16];
    if (mkdtemp(place) == NULL)
        SKIP("no temporary directory");
    snprintf(command, sizeof command,
             "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >/dev/null 2>&1", place);
    int made = system(command);
    uselocale(LC_GLOBAL_LOCALE);
    setenv("LOCPATH", place, 1);
    bool is_set = made == 0 && setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
    snprintf(text, sizeof text, "%.1f", 0.5);
    bool has_comma = strcmp(text, "0,5") == 0;
    if (is_set && has_comma) {
        accepts_field("double (default 0.25, min -1.5e-7)", "double (default 0.25, min -1.5e-07)");
        refuses_field("float (default 0.5, max 0.25)", "default 0.5 is above max 0.25");
        snprintf(text, sizeof text, "%.1f", 0.5);
        CHECK_STR(text, "0,5");
    }
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -r '%s'", place);
    CHECK_INT(system(command), 0);
    if (!has_comma)
        SKIP("no locale with a comma can be made here");
}

static void bounds_integers(void) {
    static const struct {
        const char *type, *least, *below, *most, *above;
    } ranges[] = {
        {"int8", "-128", "-129", "127", "128"},
        {"uint8", "0", "-1", "255", "256"},
        {"int16", "-32768", "-32769", "32767", "32768"},
        {"uint16", "0", "-1", "65535", "65536"},
        {"int32", "-2147483648", "-2147483649", "2147483647", "2147483648"},
        {"uint32", "0", "-1", "4294967295", "4294967296"},
        {"int64", "-9223372036854775808", "-9223372036854775809", "9223372036854775807",
         "9223372036854775808"},
        {"uint64", "0", "-1", "18446744073709551615", "18446744073709551616"},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const char *type = ranges[i].type;
        char field[200], why[400];
        snprintf(field, sizeof field, "%s (default %s, min %s, max %s)", type, ranges[i].most,
                 ranges[i].least, ranges[i].most);
        accepts_field(field, field);
        snprintf(field, sizeof field, "%s[2] (default [%s, 1], min %s)", type, ranges[i].least,
                 ranges[i].least);
        accepts_field(field, field);
        const char *const outside[] = {ranges[i].below, ranges[i].above,
                                       "99999999999999999999999999"};
        static const char *const words[] = {"default", "min", "max"};
        for (size_t j = 0; j < 3; j++) {
            snprintf(field, sizeof field, "%s (%s %s)", type, words[j], outside[j]);
            snprintf(why, sizeof why, "%s %s is outside the range of %s, %s to %s", words[j],
                     outside[j], type, ranges[i].least, ranges[i].most);
            refuses_field(field, why);
        }
        snprintf(field, sizeof field, "%s (min 0.5)", type);
        snprintf(why, sizeof why, "min 0.5: %s is an integer, without fraction or exponent", type);
        refuses_field(field, why);
    }
    accepts_field("uint8 (default -0)", "uint8 (default 0)");
    refuses_field("int8 (max 1e2)", "max 1e2: int8 is an integer, without fraction or exponent");
}

static void bounds_reals(void) {
    refuses_field("float (default 3.5e38)", "default 3.5e38 is outside the range of float");
    refuses_field("double (min -1e309)", "min -1e309 is outside the range of double");
    refuses_field("float (max inf)", "expected a number, but there is 'inf'");
    refuses_field("float (min nan)", "expected a number, but there is 'nan'");
}

static void refuses_bad_numbers(void) {
    static const char *const bad[] = {"01", "0x10", "1_", "1e", "1.5f", "1.5e5.5", "00.5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char field[100], why[200];
        snprintf(field, sizeof field, "float (min %s)", bad[i]);
        snprintf(why, sizeof why, "expected a number, but there is '%s'",
                 strcmp(bad[i], "1.5e5.5") == 0 ? "1.5e5" : bad[i]);
        if (strcmp(bad[i], "1.5e5.5") == 0)
            snprintf(why, sizeof why, "expected ',' or ')', but there is '.'");
        refuses_field(field, why);
    }
    refuses_field("float (min .5)", "expected a number, but there is '.'");
    refuses_field("float (min 1.)", "expected ',' or ')', but there is '.'");
    refuses_field("float (min +1)", "expected a number, but there is '+'");
    refuses_field("float (min --1)", "expected a number, but there is '-'");
    char field[200] = "double (max ", why[200];
    size_t start = strlen(field);
    memset(field + start, '1', 63);
    snprintf(why, sizeof why, "the number '%s' is longer than 62 characters", field + start);
    strcat(field, ")");
    refuses_field(field, why);
    field[start + 62] = ')';
    field[start + 63] = '\0';
    accepts_field(field, "double (max 1.1111111111111111e+61)");
}

static void refuses_bad_limits(void) {
    refuses_field("float (min 5, max 1)", "min 5 is above max 1");
    refuses_field("uint64 (max 0, min 18446744073709551615)",
                  "min 18446744073709551615 is above max 0");
    refuses_field("int8 (max -1, min 0)", "min 0 is above max -1");
    accepts_field("int8 (max -1, min -1)", "int8 (min -1, max -1)");
    refuses_field("float (default 2, max 1)", "default 2 is above max 1");
    refuses_field("float (max 1, min 0.5, default 0.25)", "default 0.25 is below min 0.5");
    refuses_field("float[2] (default [1, 2], max 1)", "default 2 is above max 1");
    refuses_field("double (default nan, min 0)", "default nan is not within the limits");
    refuses_field("float (default inf, max 1)", "default inf is above max 1");
    accepts_field("float (default inf, min 1)", "float (default inf, min 1)");
    accepts_field("float[3] (default [1], min 1)", "float[3] (default [1], min 1)");
    accepts_field("float (default 0.1, max 0.1)", "float (default 0.1, max 0.1)");
    refuses_field("char[8] (min 1)", "min of a text: limits are for numbers");
    refuses_field("char16 (max 1)", "max of a text: limits are for numbers");
    refuses_field("bool[2] (max 1)", "max of bool: limits are for numbers");
    refuses("enum E : int8 { a = 1 } struct S { x: E (min 1) }",
            "S: line 1: min of the enumeration E: limits are for numbers");
    refuses("flags F : int8 { a = 1 } struct S { x: F[2] (max 1) }",
            "S: line 1: max of the flags F: limits are for numbers");
    refuses("struct P { a: int8 } struct S { x: P[<=2] (max 1) }",
            "S: line 1: max of the struct P: limits are for numbers");
}

static void keeps_limits_with_the_elements(void) {
    ipm_layout *layout = parse("struct S { a: float[2][3] (min 0.1); b: int8[<=4] (max 5); "
                               "c: uint64? (min 1, max 2); d: float; e: float (min 0.1) }");
    if (layout == NULL)
        return;
    const ipm_field *fields = ipm_layout_type(layout)->fields;
    const ipm_type *a = fields[0].type, *b = fields[1].type, *c = fields[2].type;
    CHECK_STR(a->name, "float[2][3]");
    CHECK(a->limits == NULL && a->element->limits == NULL);
    CHECK_STR(a->element->element->name, "float");
    if (CHECK(a->element->element->limits != NULL)) {
        CHECK(a->element->element->limits->has_min);
        CHECK(!a->element->element->limits->has_max);
        CHECK(a->element->element->limits->min.f == (double)0.1f);
    }
    CHECK(b->element->limits != NULL && b->element->limits->max.i == 5);
    CHECK(c->element->limits != NULL && c->element->limits->min.u == 1);
    CHECK(fields[3].type->limits == NULL);
    CHECK(fields[4].type == a->element->element);
    CHECK(ipm_node_of(a)->is_limited && ipm_node_of(b)->is_limited);
    CHECK(ipm_node_of(ipm_layout_type(layout))->is_limited);
    CHECK(!ipm_node_of(fields[3].type)->is_limited);
    ipm_layout_free(layout);
}

/* Types with different limits are different types, also if a number that is not used is equal. */
static void keeps_limits_apart(void) {
    ipm_layout *layout =
        parse("struct S { a: int32; b: int32 (min 0); c: int32 (max 0); d: int32 (min 0, max 0);"
              "e: int32 (min 1); f: int32 (max 1); g: uint32 (min 0); h: float (min 0); i: char[4];"
              "j: char16[2]; k: int32 (min 0, max 1); l: int32 (min 1, max 1); m: int32[1] (min 0);"
              "n: int32[1] (max 0); o: int32[1] }");
    if (layout == NULL)
        return;
    const ipm_type *type = ipm_layout_type(layout);
    for (uint64_t i = 0; i < type->count; i++)
        for (uint64_t j = 0; j < i; j++)
            if (!CHECK(type->fields[i].type != type->fields[j].type))
                printf("# %s and %s\n", type->fields[i].name, type->fields[j].name);
    ipm_layout_free(layout);
}

static void says_what_arrays_hold(void) {
    ipm_layout *layout = parse("struct P { v: int16 (default -2) } struct Q { a: int8? }"
                               "struct S { a: P[3]; b: Q[2]; c: int8[2]; d: P[<=2]; e: P? }");
    if (layout == NULL)
        return;
    const ipm_field *fields = ipm_layout_type(layout)->fields;
    CHECK(ipm_node_of(fields[0].type)->has_initial && !ipm_node_of(fields[0].type)->is_dynamic);
    CHECK(ipm_node_of(fields[1].type)->is_dynamic && ipm_node_of(fields[1].type)->has_bool);
    CHECK(!ipm_node_of(fields[1].type)->has_initial);
    CHECK(!ipm_node_of(fields[2].type)->is_dynamic && !ipm_node_of(fields[2].type)->has_bool);
    CHECK(ipm_node_of(fields[3].type)->has_initial && ipm_node_of(fields[4].type)->has_initial);
    CHECK_INT(ipm_node_of(fields[0].type)->index, 0);
    CHECK_INT(ipm_node_of(fields[1].type)->index, 1);
    CHECK_INT(ipm_node_of(ipm_layout_type(layout))->index, 2);
    ipm_layout_free(layout);
}

static void stores_defaults(void) {
    ipm_layout *layout = parse(
        "struct P { v: int16 (default -2) }"
        "struct S { a: float[4] (default 1); b: int16[4] (default [1, 2]); "
        "c: char[4] (default \"ab\"); d: bool (default true); e: char16[3] (default \"a\xf0\x9d"
        "\x84\x9e\"); p: P; f: int8[2][2] (default [1, 2, 3]); g: char[3][2] (default \"x\") }");
    if (layout == NULL)
        return;
    const ipm_type *type = ipm_layout_type(layout);
    const float one = 1;
    const ipm_field *field = type->fields;
    CHECK_INT(field->initial_size, 4);
    CHECK(memcmp(field++->initial, &one, sizeof one) == 0);
    CHECK_INT(field->initial_size, 8);
    CHECK(memcmp(field++->initial, (const int16_t[]){1, 2, 0, 0}, 8) == 0);
    CHECK_INT(field->initial_size, 4);
    CHECK(memcmp(field++->initial, "ab\0\0", 4) == 0);
    CHECK_INT(field->initial_size, 1);
    CHECK(*(const bool *)field++->initial);
    CHECK_INT(field->initial_size, 6);
    CHECK(memcmp(field++->initial, (const uint16_t[]){'a', 0xd834, 0xdd1e}, 6) == 0);
    CHECK(field->initial == NULL && ipm_node_of(field->type)->has_initial);
    field++;
    CHECK_INT(field->initial_size, 4);
    CHECK(memcmp(field++->initial, "\1\2\3\0", 4) == 0);
    CHECK_INT(field->initial_size, 2);
    CHECK(ipm_node_of(type)->has_initial && ipm_node_of(type)->has_bool);
    ipm_layout_free(layout);
}

static void writes_lists_without_zeros(void) {
    accepts_field("float[3] (default [0, 0, 0])", "float[3] (default [0])");
    accepts_field("float[3] (default [1, -0, 0])", "float[3] (default [1, -0])");
    accepts_field("float[1] (default [1])", "float[1] (default 1)");
    accepts_field("float[3] (default [1, 1, 1])", "float[3] (default [1, 1, 1])");
    accepts_field("char[2][3] (default [\"ab\", \"\"])", "char[2][3] (default [\"ab\"])");
    accepts_field("char[2][1] (default [\"a\", \"b\"])", "char[2][1] (default [\"a\", \"b\"])");
    refuses_field("float[2] (default [1, 2, 3])",
                  "the default has more values than float[2] has, 2");
    refuses_field("float[2] (default [])", "the default of float is a number, not ']'");
    refuses_field("float (default [1])", "the default of float is one value, not several");
    refuses_field("char[4] (default [\"a\"])", "the default of char[4] is one value, not several");
}

static void takes_texts(void) {
    accepts_field("char (default \"a\")", "char (default \"a\")");
    accepts_field("char[4] (default \"\")", "char[4] (default \"\")");
    accepts_field("char[4] (default \"abcd\")", "char[4] (default \"abcd\")");
    accepts_field("char[4] (default \"\\x01\\x1f\\xff\\x41\")", "char[4] (default \"\\x01\\x1F\xff"
                                                                "A\")");
    refuses_field("char[4] (default \"abcde\")",
                  "default \"abcde\" is too long: 5 bytes, and char[4] holds 4");
    refuses_field("char16[2] (default \"a\xf0\x9d\x84\x9e\")",
                  "default \"a????\" is too long: 3 units, and char16[2] holds 2");
    accepts_field("char32[2] (default \"a\xf0\x9d\x84\x9e\")",
                  "char32[2] (default \"a\xf0\x9d\x84\x9e\")");
    accepts_field("char16 (default \"\xed\xa0\x80\")", "char16 (default \"\xed\xa0\x80\")");
    accepts_field("char16[2] (default \"\xed\xb4\x9e\xed\xa0\xb4\")",
                  "char16[2] (default \"\xed\xb4\x9e\xed\xa0\xb4\")");
    accepts_field("char16[2] (default \"\xed\xa0\xb4z\")", "char16[2] (default \"\xed\xa0\xb4z\")");
    accepts_field("char16[2] (default \"\xed\xa0\xb4\xed\xb4\x9e\")",
                  "char16[2] (default \"\xf0\x9d\x84\x9e\")");
    static const char *const edges[] = {"\xc2\x80",         "\xdf\xbf",         "\xe0\xa0\x80",
                                        "\xef\xbf\xbf",     "\xf0\x90\x80\x80", "\xee\x80\x80",
                                        "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        for (int bits = 16; bits <= 32; bits += 16) {
            char field[100];
            snprintf(field, sizeof field, "char%d[3] (default \"%s-\")", bits, edges[i]);
            accepts_field(field, field);
        }
    accepts_field("char32[2] (default \"\xf4\x8f\xbf\xbf\xc2\x80\")",
                  "char32[2] (default \"\xf4\x8f\xbf\xbf\xc2\x80\")");
    static const char *const bad[] = {"\xff",
                                      "\xc3",
                                      "\xc0\x80",
                                      "\xe0\x80\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\x80",
                                      "\xc3z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100];
        snprintf(text, sizeof text, "struct S { x: char16[9] (default \"%s\") }", bad[i]);
        ipm_layout *layout;
        CHECK_INT(ipm_layout_parse(text, strlen(text), &layout, &error), IPM_EINVALID);
        CHECK(strstr(error.text, "is not UTF-8") != NULL);
    }
}

static void refuses_bad_strings(void) {
    refuses_field("int8 (doc \"a", "expected a string in double quotes, but there is a string "
                                   "without an end in its line");
    refuses_field("int8 (doc \"a\nb\")",
                  "expected a string in double quotes, but there is a string "
                  "without an end in its line");
    refuses_field("char[4] (default \"a\\", "expected a string in double quotes, but there is a "
                                            "string without an end in its line");
    static const char *const bad[] = {"\\n", "\\x", "\\x1", "\\x1g", "\\x00", "\\'"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char field[100];
        snprintf(field, sizeof field, "int8 (unit \"%s\")", bad[i]);
        refuses_field(field, "in a string, \\ stands before \", \\ or x01 to xFF");
    }
    refuses_field("int8 (doc 5)", "expected a string in double quotes, but there is '5'");
}

static void refuses_other_values(void) {
    refuses_field("int8 (default \"x\")", "the default of int8 is an integer, not \"x\"");
    refuses_field("int8 (default x)", "the default of int8 is an integer, not 'x'");
    refuses_field("float (default true)", "the default of float is a number, not 'true'");
    refuses_field("float (default -nan)", "expected a number, but there is 'nan'");
    refuses_field("bool (default 1)", "the default of bool is true or false, not '1'");
    refuses_field("char[4] (default 5)",
                  "the default of a text is a string in double quotes, not '5'");
    refuses_field("int8[<=4] (default 1)", "int8[<=4] has no default: a list is empty at first");
    refuses_field("int8? (default 1)",
                  "int8? has no default: an optional value is absent at first");
    refuses("struct P { a: int8 } struct S { x: P (default 1) }",
            "S: line 1: P has no default: give it to the fields of the struct");
    refuses("struct S {\n x: float (default", "S: line 2: expected a number, but the text ends");
}

static void refuses_bad_grammar(void) {
    refuses_field("int8 ()", "expected default, min, max, unit or doc, but there is ')'");
    refuses_field("int8 (foo 1)", "expected default, min, max, unit or doc, but there is 'foo'");
    refuses_field("int8 (min 1", "expected ',' or ')', but there is '}'");
    refuses_field("int8 (min 1 max 2)", "expected ',' or ')', but there is 'max'");
    refuses_field("int8 (min 1,)", "expected default, min, max, unit or doc, but there is ')'");
    static const char *const twice[] = {"default 1", "min 1", "max 1", "unit \"x\"", "doc \"x\""};
    for (size_t i = 0; i < sizeof twice / sizeof *twice; i++) {
        char field[100], why[100];
        snprintf(field, sizeof field, "int8 (%s, %s)", twice[i], twice[i]);
        snprintf(why, sizeof why, "there are two attributes '%.*s'", (int)strcspn(twice[i], " "),
                 twice[i]);
        refuses_field(field, why);
    }
}

static void bounds_defaults(void) {
    accepts_field("char[1048576] (default \"x\")", "char[1048576] (default \"x\")");
    refuses_field("char[1048577] (default \"x\")",
                  "the defaults of all fields together are larger than 1048576 bytes");
    refuses("struct S {\n a: int8[1048576] (default [1])\n b: int8 (default 1)\n}",
            "S: line 3: the defaults of all fields together are larger than 1048576 bytes");
    accepts_field("double[1099511627] (default 1)", "double[1099511627] (default 1)");
}

/* A damaged text is refused, or its canonical text is parsed to the same text. */
static void survives_damage(void) {
    size_t length = strlen(demo);
    survives_changed_bytes(demo);
    for (size_t i = 0; i + 1 < length; i++) {
        ipm_layout *layout;
        char *cut = malloc(i + 1); /* so that a sanitizer sees a read behind the end */
        memcpy(cut, demo, i);
        if (ipm_layout_parse(cut, i, &layout, NULL) == IPM_OK)
            ipm_layout_free(layout);
        free(cut);
    }
}

int main(void) {
    run("returns canonical text unchanged", keeps_canonical_text);
    run("writes attributes in one order", orders_attributes);
    run("writes a real as the shortest decimal that stores the same", writes_the_shortest_decimal);
    run("reads and writes numbers in any locale", ignores_the_locale);
    run("refuses integers outside their type, or with a fraction", bounds_integers);
    run("refuses reals outside their type, and limits that are not finite", bounds_reals);
    run("refuses what is not a decimal number", refuses_bad_numbers);
    run("refuses limits and defaults that contradict each other", refuses_bad_limits);
    run("keeps limits with the type of the innermost elements", keeps_limits_with_the_elements);
    run("keeps types with different limits apart", keeps_limits_apart);
    run("says which arrays and lists have defaults, lists and bools inside", says_what_arrays_hold);
    run("stores a default as bytes that repeat", stores_defaults);
    run("writes a default of several values without the zeros at its end",
        writes_lists_without_zeros);
    run("takes texts as defaults, if they fit", takes_texts);
    run("refuses strings with a wrong escape or without an end", refuses_bad_strings);
    run("refuses a default of another kind", refuses_other_values);
    run("says what it expected at a syntax error", refuses_bad_grammar);
    run("refuses defaults beyond the limit", bounds_defaults);
    run("parses or refuses every damaged or truncated text without a crash", survives_damage);
    return done();
}
