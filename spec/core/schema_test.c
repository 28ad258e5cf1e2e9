/* Schema text: which text is accepted, the errors, and the canonical text. */
#include "schema_text.h"

/* A growing text, for cases that are too long for a string literal. */
static struct {
    char bytes[IPM_MAX_TEXT + 4096];
    size_t length;
} big;

#define ADD(...)                                                                                   \
    (big.length +=                                                                                 \
     (size_t)snprintf(big.bytes + big.length, sizeof big.bytes - big.length, __VA_ARGS__))

static void big_refused(const char *why) {
    refuses_bytes(big.bytes, big.length, why);
    big.length = 0;
}

static ipm_layout *big_parsed(void) {
    ipm_layout *layout = NULL;
    if (!CHECK_INT(ipm_layout_parse(big.bytes, big.length, &layout, &error), IPM_OK))
        printf("# %s\n", error.text);
    big.length = 0;
    return layout;
}

static const char *const demo = "struct MmapStructureHeader {\n"
                                "  header_code: int16\n"
                                "  time_stamp: double\n"
                                "}\n"
                                "struct BaseMmapStructure {\n"
                                "  header: MmapStructureHeader\n"
                                "}\n"
                                "struct Point2D {\n"
                                "  x: double\n"
                                "  y: double\n"
                                "}\n"
                                "struct Demo : BaseMmapStructure {\n"
                                "  data_string: char[256]\n"
                                "  points: Point2D[4][24]\n"
                                "}\n";

static void keeps_canonical_text(void) {
    accepts(demo, demo);
}

static void ignores_white_space(void) {
    accepts("\t struct\rA{x:int8;y : int16 ;\n\n z:char [ 4 ][16]}\v\f",
            "struct A {\n  x: int8\n  y: int16\n  z: char[4][16]\n}\n");
    accepts("struct A{x:int8}struct B:A{}", "struct A {\n  x: int8\n}\nstruct B : A {\n}\n");
}

static void drops_unused_structs(void) {
    accepts("struct A {x: int8} struct B {x: int8} struct C {b: B[2]}",
            "struct B {\n  x: int8\n}\nstruct C {\n  b: B[2]\n}\n");
}

static void orders_by_first_use(void) {
    accepts("struct A {v: int8} struct B {v: int8} struct P {a: A} struct Q {p: P}"
            "struct Z : Q {b: B; again: A}",
            "struct A {\n  v: int8\n}\nstruct P {\n  a: A\n}\nstruct Q {\n  p: P\n}\n"
            "struct B {\n  v: int8\n}\nstruct Z : Q {\n  b: B\n  again: A\n}\n");
}

static void has_one_text_for_one_char(void) {
    accepts("struct A {a: char[1]; b: char; c: char[4][1]; d: char[4]}",
            "struct A {\n  a: char\n  b: char\n  c: char[4][1]\n  d: char[4]\n}\n");
}

static void allows_any_field_name(void) {
    accepts("struct struct { struct: int8; end: int8; int8: int8; close: int8; _1: int8 }",
            "struct struct {\n  struct: int8\n  end: int8\n  int8: int8\n  close: int8\n"
            "  _1: int8\n}\n");
}

static void names_unknown_types(void) {
    refuses("struct Demo {\n  a: int32\n  b: flot\n}\n", "Demo: line 3: unknown type 'flot'");
    refuses("struct Demo : Base {}", "Demo: line 1: unknown type 'Base'");
    refuses("struct A { b: B }\nstruct B { x: int8 }", "A: line 1: unknown type 'B'");
    refuses("struct A {\n a: A\n}", "A: line 2: a struct cannot be part of itself");
    refuses("struct A : A {}", "A: line 1: a struct cannot be part of itself");
    refuses("struct A : int8 {}", "A: line 1: its parent 'int8' is not a struct");
}

static void refuses_duplicates(void) {
    refuses("struct A {\n x: int8\n x: int8\n}", "A: line 3: duplicate field 'x'");
    refuses("struct A { x: int8 }\nstruct B : A {\n x: int8 }", "B: line 3: duplicate field 'x'");
    refuses("struct A { x: int8 }\nstruct A { y: int8 }", "A: line 2: duplicate struct 'A'");
    refuses("struct double { x: int8 }",
            "double: line 1: a struct cannot have the name of a scalar type");
    accepts("struct A { x: int8 } struct B { x: int8 } struct C { x: A; y: B }",
            "struct A {\n  x: int8\n}\nstruct B {\n  x: int8\n}\nstruct C {\n  x: A\n  y: B\n}\n");
}

static void refuses_bad_grammar(void) {
    refuses("", "schema: the text is empty");
    refuses(" \n", "schema: line 2: expected 'struct', 'enum' or 'flags', but the text ends");
    refuses("structs A {}",
            "schema: line 1: expected 'struct', 'enum' or 'flags', but there is 'structs'");
    refuses("struct { }", "schema: line 1: expected the struct's name, but there is '{'");
    refuses("struct 2D { }", "schema: line 1: expected the struct's name, but there is '2D'");
    refuses("struct A x", "A: line 1: expected '{', but there is 'x'");
    refuses("struct A { }", "A: line 1: a struct needs a field or a parent");
    refuses("struct A { x: int8", "A: line 1: expected a field name or '}', but the text ends");
    refuses("struct A { x int8 }", "A: line 1: expected ':' and the field's type, but there is "
                                   "'int8'");
    refuses("struct A { x: }", "A: line 1: expected a type, but there is '}'");
    refuses("struct A { x: int8;; }", "A: line 1: expected a field name or '}', but there is ';'");
    refuses("struct A { x: int8[2 }", "A: line 1: expected ']', but there is '}'");
    refuses("struct A { x: int8 } ;",
            "schema: line 1: expected 'struct', 'enum' or 'flags', but there is ';'");
    refuses("struct A { x-y: int8 }", "A: line 1: expected ':' and the field's type, but there is "
                                      "'-'");
    refuses_bytes("struct A { x: int8 }\0", 21,
                  "schema: line 1: expected 'struct', 'enum' or 'flags', but there is a byte 0x00");
    refuses_bytes("struct A { x\0: int8 }", 21,
                  "A: line 1: expected ':' and the field's type, but there is a byte 0x00");
    refuses("struct A { \xc3\xa9: int8 }",
            "A: line 1: expected a field name or '}', but there is a byte 0xc3");
}

static void refuses_bad_counts(void) {
    refuses("struct A {\n x: int8[0]\n}", "A: line 2: an array of 0 elements");
    refuses("struct A { x: char[0] }", "A: line 1: an array of 0 elements");
    refuses("struct A { x: int8[] }", "A: line 1: expected a count, but there is ']'");
    refuses("struct A { x: int8[-1] }", "A: line 1: expected a count, but there is '-'");
    refuses("struct A { x: int8[n] }", "A: line 1: expected a count, but there is 'n'");
    refuses("struct A { x: int8[0x10] }",
            "A: line 1: expected a decimal count, but there is '0x10'");
    refuses("struct A { x: int8[010] }", "A: line 1: expected a decimal count, but there is '010'");
}

static void refuses_what_is_too_large(void) {
    accepts("struct A { x: int8[1099511627776] }", "struct A {\n  x: int8[1099511627776]\n}\n");
    refuses("struct A { x: int8[1099511627777] }",
            "A: line 1: an array of 1099511627777 elements of 1 bytes is larger than "
            "1099511627776 bytes");
    refuses("struct A { x: double[18446744073709551616] }",
            "A: line 1: an array of 18446744073709551615 elements of 8 bytes is larger than "
            "1099511627776 bytes");
    refuses("struct A { x: double[2305843009213693953] }",
            "A: line 1: an array of 2305843009213693953 elements of 8 bytes is larger than "
            "1099511627776 bytes");
    refuses("struct A { x: char[4294967296][4294967296] }",
            "A: line 1: an array of 4294967296 elements of 4294967296 bytes is larger than "
            "1099511627776 bytes");
    refuses("struct A {\n x: int8[1099511627776]\n y: int8\n}",
            "A: line 3: with 'y' the struct is larger than 1099511627776 bytes");
    refuses("struct A {\n x: double\n y: int8[1099511627763]\n z: int8[10]\n}",
            "A: line 4: with 'z' the struct is larger than 1099511627776 bytes");
}

static void refuses_long_names(void) {
    char name[IPM_MAX_NAME + 2] = {0};
    memset(name, 'n', IPM_MAX_NAME);
    ADD("struct %s { %s: int8 }", name, name);
    ipm_layout_free(big_parsed());
    name[IPM_MAX_NAME] = 'n';
    ADD("struct A {\n %s: int8 }", name);
    char why[200];
    snprintf(why, sizeof why, "A: line 2: the name '%s' is longer than 63 characters", name);
    big_refused(why);
}

static void nest(int structs) {
    ADD("struct S1 { x: int8 }\n");
    for (int i = 2; i <= structs; i++)
        ADD("struct S%d { s: S%d }\n", i, i - 1);
}

static void bounds_depth(void) {
    nest(IPM_MAX_DEPTH);
    ipm_layout_free(big_parsed());
    nest(IPM_MAX_DEPTH + 1);
    big_refused("S65: line 65: nested deeper than 64");

    nest(IPM_MAX_DEPTH);
    ADD("struct S : S64 { }");
    big_refused("S: line 65: nested deeper than 64");

    nest(IPM_MAX_DEPTH - 2);
    ADD("struct S { s: S62[1] }");
    ipm_layout_free(big_parsed());
    nest(IPM_MAX_DEPTH - 2);
    ADD("struct S { s: S62[1][1] }");
    big_refused("S: line 63: nested deeper than 64");

    for (int extra = 0; extra < 2; extra++) {
        ADD("struct S { s: char");
        for (int i = 0; i < 64 + extra * 1000; i++)
            ADD("[1]");
        ADD(" }");
        if (extra == 0)
            ipm_layout_free(big_parsed());
    }
    big_refused("S: line 1: nested deeper than 64");
}

static void bounds_text(void) {
    ADD("struct A { x: int8 }%*s", IPM_MAX_TEXT - 20, "");
    CHECK_INT(big.length, IPM_MAX_TEXT);
    ipm_layout_free(big_parsed());
    ADD("struct A { x: int8 }%*s", IPM_MAX_TEXT - 19, "");
    big_refused("schema: 1048577 bytes of text are more than 1048576");

    ADD("struct A{");
    while (big.length < IPM_MAX_TEXT - 20)
        ADD("a%zx:int8;", big.length);
    ADD("}");
    big_refused("A: the canonical schema is longer than 1048576 bytes");
}

static void takes_many_fields(void) {
    ADD("struct A {\n");
    for (int i = 0; i < 60000; i++)
        ADD("f%d: int8\n", i);
    ADD("}");
    ipm_layout *layout = big_parsed();
    if (CHECK(layout != NULL))
        CHECK_INT(ipm_layout_type(layout)->count, 60000);
    ipm_layout_free(layout);

    ADD("struct A {\n");
    for (int i = 0; i < 60000; i++)
        ADD("f%d: int8\n", i);
    ADD("}\nstruct B : A { }\nstruct C : A { }\nstruct D : A { }\nstruct E : A { }\n");
    big_refused("E: line 60006: more than 262144 fields in all structs together");
}

static void takes_many_structs(void) {
    ADD("struct A { x: int8 }\n");
    for (int i = 0; i < 30000; i++)
        ADD("struct S%d {x: A}\n", i);
    ADD("struct Z : S29999 { }\n");
    ipm_layout *layout = big_parsed();
    if (CHECK(layout != NULL))
        CHECK_STR(ipm_layout_text(layout, NULL),
                  "struct A {\n  x: int8\n}\nstruct S29999 {\n  x: A\n}\nstruct Z : S29999 {\n}\n");
    ipm_layout_free(layout);
}

/* A text that differs from a correct one in one byte is refused, or its canonical text is parsed to
 * the same text. */
static void survives_damage(void) {
    size_t length = strlen(demo);
    survives_changed_bytes(demo);
    for (size_t i = 0; i + 1 < length; i++) {
        ipm_layout *layout;
        if (ipm_layout_parse(demo, i, &layout, NULL) == IPM_OK) {
            CHECK(demo[i - 1] == '}' || demo[i - 1] == '\n');
            ipm_layout_free(layout);
        }
    }
}

int main(void) {
    run("returns canonical text unchanged", keeps_canonical_text);
    run("accepts any white space, or none", ignores_white_space);
    run("drops structs that the last one does not use", drops_unused_structs);
    run("orders structs by first use, a parent before the fields", orders_by_first_use);
    run("writes char as char[1], and keeps an array of these apart from a text",
        has_one_text_for_one_char);
    run("allows any word as a field's name", allows_any_field_name);
    run("names an unknown type", names_unknown_types);
    run("refuses duplicate names", refuses_duplicates);
    run("says what it expected at a syntax error", refuses_bad_grammar);
    run("refuses counts that are not decimal numbers from 1", refuses_bad_counts);
    run("refuses sizes beyond the limit without an overflow", refuses_what_is_too_large);
    run("refuses names beyond the limit", refuses_long_names);
    run("refuses nesting beyond the limit, which includes parents", bounds_depth);
    run("refuses texts beyond the limit, also if only the canonical text is too long", bounds_text);
    run("accepts many fields, and refuses more than the limit", takes_many_fields);
    run("accepts many structs", takes_many_structs);
    run("parses or refuses every damaged or truncated text without a crash", survives_damage);
    return done();
}
