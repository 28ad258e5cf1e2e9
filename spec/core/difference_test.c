/* Differences between layouts: which one is named, and which layouts count as equal. */
#include "../../src/core/difference.h"
#include "tap.h"

#include <unistd.h>

static ipm_layout *parse(const char *text) {
    ipm_layout *layout = NULL;
    ipm_error error;
    if (!CHECK_INT(ipm_layout_parse(text, strlen(text), &layout, &error), IPM_OK)) {
        printf("# %s\n", error.text);
        exit(EXIT_FAILURE);
    }
    return layout;
}

/* text NULL: the layouts are equal */
static void compare(const char *file, const char *definition, const char *difference) {
    ipm_layout *a = parse(file), *b = parse(definition);
    const ipm_type *in_file = ipm_layout_type(a), *defined = ipm_layout_type(b);
    ipm_error error = {0};
    CHECK_INT(ipm_layout_difference(in_file, defined, IPM_EXACT, &error),
              difference == NULL ? IPM_OK : IPM_ELAYOUT);
    CHECK_STR(error.text, difference == NULL ? "" : difference);
    CHECK_INT(error.code, difference == NULL ? IPM_OK : IPM_ELAYOUT);
    CHECK_INT(ipm_type_equal(in_file, defined), difference == NULL);
    CHECK_INT(ipm_type_equal(defined, in_file), difference == NULL);
    CHECK(ipm_type_equal(in_file, in_file));
    ipm_layout_free(a);
    ipm_layout_free(b);
}

#define BASE(fields) IPM_BASE_SCHEMA "struct A : BaseMmapStructure { " fields " }"

static void finds_none(void) {
    compare(BASE("x: int32; t: char; u: char[2][1]"), BASE("x: int32; t: char[1]; u: char[2][1]"),
            NULL);
    compare("struct P {x: int8} struct A {p: P[2]}",
            "struct Q {x: int8} struct P {x: int8} struct A {p: P[2]}", NULL);
}

static void names_types(void) {
    compare(BASE("data_int: int32"), BASE("data_int: int64"),
            "data_int: int32 at 16 in the file, int64 at 16 in the definition");
    compare(BASE("a: int32; s: char[4]"), BASE("a: int32; s: char[5]"),
            "s: char[4] at 20 in the file, char[5] at 20 in the definition");
    compare(BASE("s: char[4]"), BASE("s: char[4][1]"),
            "s: char[4] at 16 in the file, char[4][1] at 16 in the definition");
    compare(BASE("s: int8[4]"), BASE("s: int8[2][2]"),
            "s: int8[4] at 16 in the file, int8[2][2] at 16 in the definition");
    compare("struct P {x: int8} struct Q {x: int8} struct A {p: P}",
            "struct P {x: int8} struct Q {x: int8} struct A {p: Q}",
            "p: P at 0 in the file, Q at 0 in the definition");
}

static void sees_no_difference_in_what_values_mean(void) {
    compare(
        "enum Mode : uint8 { idle = 0 walk = 1 }" BASE(
            "m: Mode[3]; v: float (default 1, min 0, max 2, unit \"V\", doc \"d\"); l: Mode[<=4];"
            "o: Mode?"),
        BASE("m: uint8[3]; v: float (max 3); l: uint8[<=4]; o: uint8?"), NULL);
    compare("enum Mode : uint8 { idle = 0 }" BASE("m: Mode"),
            "enum Mode : int8 { idle = 0 }" BASE("m: Mode"),
            "m: Mode at 16 in the file, Mode at 16 in the definition");
    compare("struct P (pack 4) { a: int32 } struct A { p: P }",
            "struct P { a: int32 } struct A { p: P }", NULL);
}

static void names_lists_and_optional_values(void) {
    compare(BASE("l: int32[<=4]"), BASE("l: int32[<=5]"),
            "l: int32[<=4] at 16 in the file, int32[<=5] at 16 in the definition");
    compare(BASE("l: int32[<=4]"), BASE("l: int32[4]"),
            "l: int32[<=4] at 16 in the file, int32[4] at 16 in the definition");
    compare(BASE("o: int32?"), BASE("o: int32"),
            "o: int32? at 16 in the file, int32 at 16 in the definition");
    compare(BASE("t: char16[4]"), BASE("t: char16[5]"),
            "t: char16[4] at 16 in the file, char16[5] at 16 in the definition");
    compare("struct P {x: int8} struct A {l: P[<=2]; o: P?}",
            "struct P {x: int16} struct A {l: P[<=2]; o: P?}",
            "l[1].x: int8 at 4 in the file, int16 at 4 in the definition");
    compare("struct P {x: int8} struct A {o: P?}", "struct P {y: int8} struct A {o: P?}",
            "o.y: absent in the file, int8 at 1 in the definition");
}

static void sees_how_structs_are_packed(void) {
    compare("struct P (pack 1) {a: int8; x: double} struct A {p: P}",
            "struct P {a: int8; x: double} struct A {p: P}",
            "p.x: double at 1 in the file, double at 8 in the definition");
    compare("struct P (pack 1) {x: double; a: int8} struct A {p: P}",
            "struct P {x: double; a: int8} struct A {p: P}",
            "p: 9 bytes in the file, 16 bytes in the definition");
    compare("struct A (pack 1) {x: double; a: int8}", "struct A {x: double; a: int8}",
            "A: 9 bytes in the file, 16 bytes in the definition");
}

static void names_absent_fields(void) {
    compare(BASE("a: int32"), BASE("a: int32; extra: int32"),
            "extra: absent in the file, int32 at 20 in the definition");
    compare(BASE("a: int32; extra: int32"), BASE("a: int32"),
            "extra: int32 at 20 in the file, absent in the definition");
    compare(BASE("a: int32; b: int8"), BASE("a: int32; extra: int32; b: int8"),
            "extra: absent in the file, int32 at 20 in the definition");
    compare(BASE("a: int32; extra: int32; b: int8"), BASE("a: int32; b: int8"),
            "b: int8 at 24 in the file, int8 at 20 in the definition");
    compare(BASE("old: int32"), BASE("new: int32"),
            "new: absent in the file, int32 at 16 in the definition");
}

static void names_moved_fields(void) {
    compare(BASE("a: int32; b: int32"), BASE("b: int32; a: int32"),
            "b: int32 at 20 in the file, int32 at 16 in the definition");
    compare("struct A { x: int8; a: int8; b: int64 }", "struct A { x: int8; b: int64; a: int8 }",
            "a: int8 at 1 in the file, int8 at 16 in the definition");
    compare("struct P { x: double; y: int8 } struct A : P { z: int8 }",
            "struct A { x: double; y: int8; z: int8 }",
            "z: int8 at 16 in the file, int8 at 9 in the definition");
}

static void names_structs(void) {
    compare("struct A {x: int8}", "struct B {x: int8}",
            "the struct is A in the file, B in the definition");
}

static void gives_the_whole_path(void) {
    compare("struct P {x: int8} struct M {n: int8; multi_points: P[24]} struct A {multi_pts: M}",
            "struct P {x: int16} struct M {n: int8; multi_points: P[24]} struct A {multi_pts: M}",
            "multi_pts.multi_points[1].x: int8 at 1 in the file, int16 at 2 in the definition");
    compare("struct P {x: int8} struct A {m: P[2][3]}",
            "struct P {x: int8; y: int8} struct A {m: P[2][3]}",
            "m[1][1].y: absent in the file, int8 at 1 in the definition");
    compare(BASE("x: int8"),
            "struct MmapStructureHeader { header_code: int16; time_stamp: float }"
            "struct BaseMmapStructure { header: MmapStructureHeader }"
            "struct A : BaseMmapStructure { x: int8 }",
            "header.time_stamp: double at 8 in the file, float at 4 in the definition");
}

static void shortens_what_is_long(void) {
    char file[16384], definition[16384];
    for (int which = 0; which < 2; which++) {
        char *text = which ? definition : file, *end = text;
        end += sprintf(end, "struct S1 {x: %s", which ? "int8" : "int16");
        for (int i = 0; i < 45; i++)
            end += sprintf(end, i == 0 ? "[1000000000]" : "[1]");
        end += sprintf(end, "}");
        for (int i = 2; i <= 8; i++)
            end += sprintf(end, "struct S%d {a%060d: S%d[1]}", i, i, i - 1);
    }
    ipm_layout *a = parse(file), *b = parse(definition);
    ipm_error error;
    CHECK_INT(ipm_layout_difference(ipm_layout_type(a), ipm_layout_type(b), IPM_EXACT, &error),
              IPM_ELAYOUT);
    CHECK(strncmp(error.text, "...0", 4) == 0);
    CHECK(strstr(error.text, "2[1].x: int16[1000000000][1]") != NULL);
    CHECK(strstr(error.text, "... at 0 in the file, int8[1000000000][1]") != NULL);
    CHECK(strstr(error.text, "... at 0 in the definition") != NULL);
    ipm_layout_free(a);
    ipm_layout_free(b);
}

/* Each struct contains the one before it twice: 40 structs with 2^39 parts. */
static void is_quick_however_often_a_struct_is_used(void) {
    char text[4096], *end = text;
    end += sprintf(end, "struct S0 {x: int8}");
    for (int i = 1; i < 40; i++)
        end += sprintf(end, "struct S%d {a: S%d; b: S%d}", i, i - 1, i - 1);
    alarm(30); /* the runner counts a program that a signal ended as failed */
    compare(text, text, NULL);
    alarm(0);
}

/* ---- Files that may have more ------------------------------------------------------------ */

/* difference NULL: they match */
static void match(const char *file, const char *definition, ipm_match how, const char *difference) {
    ipm_layout *a = parse(file), *b = parse(definition);
    ipm_error error = {0};
    CHECK_INT(ipm_layout_difference(ipm_layout_type(a), ipm_layout_type(b), how, &error),
              difference == NULL ? IPM_OK : IPM_ELAYOUT);
    CHECK_STR(error.text, difference == NULL ? "" : difference);
    ipm_layout_free(a);
    ipm_layout_free(b);
}

static void match_both(const char *file, const char *definition, const char *difference) {
    match(file, definition, IPM_SAME_OFFSETS, difference);
    match(file, definition, IPM_BY_PATH, difference);
}

static void lets_the_file_have_more(void) {
    match_both(BASE("a: int32"), BASE("a: int32"), NULL);
    match_both(BASE("a: int32; extra: int64"), BASE("a: int32"), NULL);
    match_both(BASE("a: int8; padding: int8; b: int32"), BASE("a: int8; b: int32"), NULL);
    match_both("struct P {x: int8; extra: int8} struct A {p: P}",
               "struct P {x: int8} struct A {p: P}", NULL);
    match_both("struct P {x: int16; y: int8; extra: int8} struct A {m: P[2][3]}",
               "struct P {x: int16; y: int8} struct A {m: P[2][3]}", NULL);
    match_both("struct B {a: int32; b: int8} struct A : B {c: int8}",
               "struct A {a: int32; b: int8}", NULL);
}

static void refuses_what_the_file_lacks_or_has_otherwise(void) {
    match_both(BASE("a: int32"), BASE("a: int32; b: int8"),
               "b: absent in the file, int8 at 20 in the definition");
    match_both(BASE("a: int64"), BASE("a: int32"),
               "a: int64 at 16 in the file, int32 at 16 in the definition");
    match_both(BASE("a: int32[5]"), BASE("a: int32[4]"),
               "a: int32[5] at 16 in the file, int32[4] at 16 in the definition");
    match_both(BASE("a: char[5]"), BASE("a: char[4]"),
               "a: char[5] at 16 in the file, char[4] at 16 in the definition");
    match_both("struct P {y: int8} struct A {m: P[2]}", "struct P {x: int8} struct A {m: P[2]}",
               "m[1].x: absent in the file, int8 at 0 in the definition");
    match_both("struct B {x: int8}", "struct A {x: int8}",
               "the struct is B in the file, A in the definition");
}

static void finds_fields_elsewhere_only_by_path(void) {
    static const char moved[] = BASE("b: int64; a: int32"),
                      as_it_was[] = BASE("a: int32; b: int64");
    match(moved, as_it_was, IPM_BY_PATH, NULL);
    match(moved, as_it_was, IPM_SAME_OFFSETS,
          "a: int32 at 24 in the file, int32 at 16 in the definition");
    static const char wider[] = "struct P {x: int8; extra: int8} struct A {m: P[2]; n: int8}";
    static const char narrow[] = "struct P {x: int8} struct A {m: P[2]}";
    match(wider, narrow, IPM_BY_PATH, NULL);
    match(wider, narrow, IPM_SAME_OFFSETS, "m[2]: P at 2 in the file, P at 1 in the definition");
    match("struct P {x: int8; extra: int8} struct A {m: P[1]}",
          "struct P {x: int8} struct A {m: P[1]}", IPM_SAME_OFFSETS, NULL);
    match("struct P {x: int8; extra: int8} struct A {l: P[<=2]; o: P?}",
          "struct P {x: int8} struct A {l: P[<=2]; o: P?}", IPM_BY_PATH, NULL);
    match("struct P {x: int8; extra: int8} struct A {l: P[<=2]}",
          "struct P {x: int8} struct A {l: P[<=2]}", IPM_SAME_OFFSETS,
          "l[2]: P at 6 in the file, P at 5 in the definition");
    match("struct P {x: int8; y: int32} struct A {l: P[<=2]}",
          "struct P {x: int8} struct A {l: P[<=2]}", IPM_SAME_OFFSETS,
          "l[2]: P at 12 in the file, P at 5 in the definition");
    match("struct P (pack 1) {x: int32; y: int8} struct A {p: P; z: int8}",
          "struct P {x: int32} struct A {p: P}", IPM_SAME_OFFSETS, NULL);
}

int main(void) {
    run("finds no difference between equal layouts", finds_none);
    run("names types, array counts and structs that differ", names_types);
    run("sees no difference in names of numbers, defaults, limits, units and texts",
        sees_no_difference_in_what_values_mean);
    run("names lists, optional values and texts that differ", names_lists_and_optional_values);
    run("sees how structs are packed", sees_how_structs_are_packed);
    run("names a field that one layout lacks", names_absent_fields);
    run("names a field that has moved", names_moved_fields);
    run("names the structs themselves", names_structs);
    run("names the whole path of a nested difference", gives_the_whole_path);
    run("keeps the end of a path that is too long to show", shortens_what_is_long);
    run("is fast even if structs are used very often", is_quick_however_often_a_struct_is_used);
    run("lets the file have more fields", lets_the_file_have_more);
    run("refuses fields that the file lacks or has with another type",
        refuses_what_the_file_lacks_or_has_otherwise);
    run("finds fields at other offsets only by path", finds_fields_elsewhere_only_by_path);
    return done();
}
