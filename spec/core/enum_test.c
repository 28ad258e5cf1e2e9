/* Enumerations and flags in schema text and in definitions. */
#include "../../src/core/schema.h"
#include "schema_text.h"

#define MODE "enum Mode : uint8 {\n  idle = 0\n  walk = 4\n  run = 2\n}\n"
#define RIGHTS "flags Rights : uint32 {\n  read = 1\n  write = 2\n  both = 3\n}\n"

static void describes_enumerations(void) {
    ipm_layout *layout = parse(MODE);
    if (layout == NULL)
        return;
    const ipm_type *mode = ipm_layout_type(layout);
    CHECK_STR(mode->name, "Mode");
    CHECK_INT(mode->kind, IPM_UINT8);
    CHECK_INT(mode->size, 1);
    CHECK_INT(mode->align, 1);
    CHECK_INT(ipm_node_of(mode)->depth, 0);
    CHECK(mode->fields == NULL && mode->parent == NULL && mode->element == NULL);
    CHECK(!mode->names->is_flags);
    CHECK_INT(mode->names->count, 3);
    CHECK_STR(mode->names->constants[1].name, "walk");
    CHECK_INT(mode->names->constants[1].number.u, 4);
    CHECK(!ipm_type_is_shared(mode));
    CHECK(ipm_type_field(mode, "idle", 4) == NULL);
    ipm_layout_free(layout);
}

static void finds_constants(void) {
    ipm_layout *layout = parse("enum E : int16 { b = -1 a = 300 ab = -300 abc = 0 }");
    if (layout == NULL)
        return;
    const ipm_type *type = ipm_layout_type(layout);
    for (size_t i = 0; i < type->names->count; i++) {
        const ipm_constant *constant = &type->names->constants[i];
        const ipm_constant *named =
            ipm_constant_named(type, constant->name, strlen(constant->name));
        const ipm_constant *numbered = ipm_constant_of(type, constant->number);
        if (!CHECK(named != NULL && numbered != NULL))
            continue;
        CHECK_INT(named->number.i, constant->number.i);
        CHECK_STR(numbered->name, constant->name);
    }
    CHECK(ipm_constant_named(type, "abcd", 4) == NULL);
    CHECK(ipm_constant_named(type, "", 0) == NULL);
    CHECK(ipm_constant_named(type, "a\0b", 3) == NULL);
    CHECK(ipm_constant_of(type, (ipm_number){.i = 1}) == NULL);
    ipm_layout_free(layout);
}

static void keeps_canonical_text(void) {
    accepts(MODE, MODE);
    accepts(RIGHTS, RIGHTS);
    accepts("enum Mode:uint8{idle=0 walk=4 run=2}", MODE);
    accepts("enum E : int8 { a = -128 b = 127 }", "enum E : int8 {\n  a = -128\n  b = 127\n}\n");
    accepts("enum E : uint64 { a = 18446744073709551615 }",
            "enum E : uint64 {\n  a = 18446744073709551615\n}\n");
    accepts("enum enum : int8 { enum = 0 struct = 1 true = 2 int8 = 3 }",
            "enum enum : int8 {\n  enum = 0\n  struct = 1\n  true = 2\n  int8 = 3\n}\n");
}

static void prints_what_is_used(void) {
    accepts(RIGHTS MODE "struct A { a: Mode } struct S { m: Mode[2]; r: Rights?; a: A[<=3] }",
            MODE RIGHTS "struct A {\n  a: Mode\n}\n"
                        "struct S {\n  m: Mode[2]\n  r: Rights?\n  a: A[<=3]\n}\n");
    accepts("struct A { x: int8 }" MODE, MODE);
}

static void takes_names_as_defaults(void) {
    accepts(
        MODE "struct S { a: Mode (default run); b: Mode (default \"walk\"); c: Mode (default 0);"
             "d: Mode (default 7); e: Mode[4] (default [run, 9]) }",
        MODE
        "struct S {\n  a: Mode (default run)\n  b: Mode (default walk)\n"
        "  c: Mode (default idle)\n  d: Mode (default 7)\n  e: Mode[4] (default [run, 9])\n}\n");
    accepts(RIGHTS "struct S { a: Rights (default both); b: Rights (default 4) }",
            RIGHTS "struct S {\n  a: Rights (default 3)\n  b: Rights (default 4)\n}\n");
    refuses(MODE "struct S { a: Mode (default fly) }",
            "S: line 6: default 'fly': Mode has idle, walk, run");
    refuses(MODE "struct S { a: Mode (default 256) }",
            "S: line 6: default 256 is outside the range of Mode, 0 to 255");
    refuses(MODE "struct S { a: Mode (default 0.5) }",
            "S: line 6: default 0.5: Mode is an integer, without fraction or exponent");
    refuses(MODE "struct S { a: Mode (default [run]) }",
            "S: line 6: the default of Mode is one value, not several");
}

static void shortens_long_lists_of_names(void) {
    char text[4096], why[512];
    size_t length = (size_t)snprintf(text, sizeof text, "enum E : int16 {");
    for (int i = 0; i < 100; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, " name%d = %d", i, i);
    snprintf(text + length, sizeof text - length, " } struct S { x: E (default x) }");
    ipm_layout *layout;
    CHECK_INT(ipm_layout_parse(text, strlen(text), &layout, &error), IPM_EINVALID);
    snprintf(why, sizeof why, "%.*s", 51, error.text);
    CHECK_STR(why, "S: line 1: default 'x': E has name0, name1, name2, ");
    CHECK_STR(error.text + strlen(error.text) - 5, ", ...");
}

static void refuses_bad_enumerations(void) {
    refuses("enum E : int8 { }", "E: line 1: an enumeration has at least one name");
    refuses("flags F : int8 { }", "F: line 1: flags have at least one name");
    refuses("enum E : int8 { a = 1\n a = 2 }", "E: line 2: duplicate name 'a'");
    refuses("enum E : int8 { a = 1 b = 1 }", "E: line 1: 'a' and 'b' have the same number, 1");
    refuses("flags F : uint8 { a = 0 }", "F: line 1: a = 0: a flag has at least one bit");
    refuses("enum E : int8 { a = -129 }",
            "E: line 1: a = -129 is outside the range of int8, -128 to 127");
    refuses("enum E : uint8 { a = 256 }",
            "E: line 1: a = 256 is outside the range of uint8, 0 to 255");
    refuses("enum E : int8 { a = 0.5 }",
            "E: line 1: a = 0.5: int8 is an integer, without fraction or exponent");
    refuses("enum E : int8 { 2 = 0 }", "E: line 1: expected a name or '}', but there is '2'");
    refuses("enum E : int8 { a 0 }", "E: line 1: expected '=' and the number, but there is '0'");
    refuses("enum E : int8 { a = b }", "E: line 1: expected an integer, but there is 'b'");
    refuses("enum E : int8 { a = 1", "E: line 1: expected a name or '}', but the text ends");
    refuses("enum E { a = 1 }", "E: line 1: expected ':' and an integer type, but there is '{'");
    refuses("enum : int8 { a = 1 }",
            "schema: line 1: expected the enumeration's name, but there is ':'");
    static const char *const types[] = {"float", "bool", "char", "char16"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char text[100], why[200];
        snprintf(text, sizeof text, "enum E : %s { a = 1 }", types[i]);
        snprintf(why, sizeof why,
                 "E: line 1: the names are of an integer type, such as uint8, not of '%s'",
                 types[i]);
        refuses(text, why);
    }
    refuses("enum E : int9 { a = 1 }", "E: line 1: unknown type 'int9'");
    refuses(MODE "enum E : Mode { a = 1 }",
            "E: line 6: the names are of an integer type, such as uint8, not of 'Mode'");
    refuses(MODE "enum Mode : int8 { a = 1 }", "Mode: line 6: duplicate enumeration 'Mode'");
    refuses(MODE "struct Mode { a: int8 }", "Mode: line 6: duplicate enumeration 'Mode'");
    refuses("struct A { a: int8 } flags A : int8 { a = 1 }", "A: line 1: duplicate struct 'A'");
    refuses("enum int8 : int8 { a = 1 }",
            "int8: line 1: an enumeration cannot have the name of a scalar type");
    refuses(MODE "struct S : Mode { }", "S: line 6: its parent 'Mode' is not a struct");
}

/* Many names, and many defaults that name them, take no quadratic time. */
static void takes_many_names(void) {
    static char text[IPM_MAX_TEXT];
    size_t length = (size_t)snprintf(text, sizeof text, "enum E : int32 {");
    for (int i = 0; i < 30000; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "n%d=%d ", i, i);
    length += (size_t)snprintf(text + length, sizeof text - length,
                               "} struct S { x: E[60000] (default [n29999");
    for (int i = 1; i < 60000; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, ",n%d", i % 9999);
    length += (size_t)snprintf(text + length, sizeof text - length, "]) }");
    ipm_layout *layout = parse(text);
    ipm_layout_free(layout);
}

/* ---- Definitions ------------------------------------------------------------------------- */

static ipm_layout *compose(const char *name, const ipm_member *members, size_t count,
                           const ipm_type *const *parts, size_t part_count, size_t *untyped) {
    ipm_layout *layout = NULL;
    ipm_member measured[8];
    for (size_t i = 0; i < count; i++) {
        measured[i] = members[i];
        measured[i].length = strlen(members[i].type);
    }
    error.text[0] = '\0';
    ipm_layout_compose(name, NULL, measured, count, parts, part_count, untyped, &layout, &error);
    return layout;
}

static void defines_with_enumerations(void) {
    ipm_layout *mode = parse(MODE), *rights = parse(RIGHTS), *hand = NULL, *arm = NULL;
    ipm_layout *parsed =
        parse(MODE RIGHTS "struct Hand (pack 2) { mode: Mode[2] (default [walk], doc \"how\");"
                          "rights: Rights (default 3); force: float (min 0, max 1, unit \"N\") }"
                          "struct Arm { hand: Hand; left: Hand[<=3]; last: Mode? }");
    const ipm_type *parts[3] = {ipm_layout_type(mode), ipm_layout_type(rights)};
    size_t untyped;
    hand = compose("Hand (pack 2)",
                   (const ipm_member[]){{"mode", "Mode[2] (default [walk], doc \"how\")", 0},
                                        {"rights", "Rights (default 3)", 0},
                                        {"force", "float (min 0, max 1, unit \"N\")", 0}},
                   3, parts, 2, &untyped);
    CHECK_INT(untyped, 3);
    CHECK_STR(error.text, "");
    ipm_layout_free(rights);
    if (CHECK(hand != NULL)) {
        parts[1] = ipm_layout_type(hand);
        arm = compose("Arm",
                      (const ipm_member[]){
                          {"hand", "Hand", 0}, {"left", "Hand[<=3]", 0}, {"last", "Mode?", 0}},
                      3, parts, 2, &untyped);
        CHECK_STR(error.text, "");
    }
    if (CHECK(hand != NULL && arm != NULL)) {
        const ipm_field *given = ipm_layout_type(hand)->fields;
        const ipm_field *copied = ipm_layout_type(arm)->fields[0].type->fields;
        CHECK(copied[0].doc != given[0].doc && strcmp(copied[0].doc, "how") == 0);
        CHECK(copied[2].unit != given[2].unit && strcmp(copied[2].unit, "N") == 0);
        CHECK(copied[0].initial != given[0].initial);
        CHECK(memcmp(copied[0].initial, "\4", 2) == 0);
        CHECK(copied[0].type->element->names != given[0].type->element->names);
        CHECK(copied[2].type->limits != given[2].type->limits);
    }
    ipm_layout_free(mode);
    ipm_layout_free(hand);
    if (CHECK(arm != NULL && parsed != NULL)) {
        CHECK_STR(ipm_layout_text(arm, NULL), ipm_layout_text(parsed, NULL));
        CHECK_INT(ipm_layout_type(arm)->size, ipm_layout_type(parsed)->size);
        const ipm_node *a = ipm_node_of(ipm_layout_type(arm));
        CHECK(a->has_initial && a->is_limited && a->is_dynamic && a->has_bool);
    }
    ipm_layout_free(arm);
    ipm_layout_free(parsed);
}

static void refuses_type(const char *type, const char *why, size_t untyped) {
    ipm_layout *mode = parse(MODE), *other = parse("enum Mode : int32 { idle = 0 }"
                                                   "struct P { m: Mode (default 0) }");
    const ipm_type *parts[] = {ipm_layout_type(mode), ipm_layout_type(other)};
    size_t found;
    ipm_layout *made = compose("S", (const ipm_member[]){{"first", "Mode", 0}, {"x", type, 0}}, 2,
                               parts, 2, &found);
    CHECK(made == NULL);
    CHECK_STR(error.text, why);
    CHECK_INT(found, untyped);
    ipm_layout_free(mode);
    ipm_layout_free(other);
}

static void names_the_field(void) {
    refuses_type("Mode (default fly)", "S.x: default 'fly': Mode has idle, walk, run", 2);
    refuses_type("float (min 5, max 1)", "S.x: min 5 is above max 1", 2);
    refuses_type("float (min)", "S.x: expected a number, but there is ')'", 2);
    refuses_type("float (min 1", "S.x: expected ',' or ')', but the text ends", 2);
    refuses_type("float (min 1) x", "S.x: expected nothing after ')', but there is 'x'", 2);
    refuses_type(
        "flot (min 1)",
        "S.x: 'flot' is neither a type (bool, char, char16, char32, int8 to uint64, float, "
        "double) nor a registered struct or enumeration",
        1);
    refuses_type("float[ (min 1)", "S.x: 'float[' is not a type", 1);
    refuses_type("unsigned int (min 1)", "S.x: 'unsigned int' is not a type", 1);
    refuses_type("(min 1)", "S.x: '(min 1)' is not a type", 1);
    refuses_type("int8[<=0] (min 1)", "S.x: 'int8[<=0]': an array has at least one element", 2);
    refuses_type("int8?[2]",
                 "S.x: an array of optional values: put the optional value into a struct", 2);
    refuses_type("int8[<=2][3]", "S.x: an array of lists: put the list into a struct", 2);
    refuses_type("P", "S.x: there are two different types 'Mode'", 2);
}

static void refuses_bad_packs(void) {
    static const struct {
        const char *name, *why;
    } bad[] = {
        {"S (pack 3)", "S: pack is 1, 2, 4 or 8, not 3"},
        {"S (pack 0)", "S: pack is 1, 2, 4 or 8, not 0"},
        {"S (pack)", "S: expected a count, but there is ')'"},
        {"S (pack 1", "S: expected ')', but the text ends"},
        {"S (pack 1) x", "S: expected nothing after ')', but there is 'x'"},
        {"S (size 1)", "S: expected 'pack', but there is 'size'"},
        {"S x (pack 1)", "S x (pack 1): 'S x (pack 1)' is not a name"},
        {"(pack 1)", "(pack 1): '(pack 1)' is not a name"},
        {"1S (pack 1)", "1S (pack 1): '1S (pack 1)' is not a name"},
        {"S ", "S : 'S ' is not a name"},
        {"", ": '' is not a name"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(compose(bad[i].name, (const ipm_member[]){{"x", "int8", 0}}, 1, NULL, 0, NULL) ==
              NULL);
        CHECK_STR(error.text, bad[i].why);
    }
}

int main(void) {
    run("describes an enumeration as an integer with names", describes_enumerations);
    run("finds constants by name and by number", finds_constants);
    run("returns canonical text unchanged", keeps_canonical_text);
    run("prints the enumerations that the last type uses, before their use", prints_what_is_used);
    run("takes names and numbers as defaults", takes_names_as_defaults);
    run("names the constants in an error, as far as there is room", shortens_long_lists_of_names);
    run("refuses enumerations that make no sense", refuses_bad_enumerations);
    run("takes many names without taking long", takes_many_names);
    run("defines structs with enumerations, attributes, lists and a pack",
        defines_with_enumerations);
    run("names the field in its errors", names_the_field);
    run("refuses a pack that is none", refuses_bad_packs);
    return done();
}
