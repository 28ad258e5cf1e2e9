/* Structs that become structs of another layout: what is copied, what is refused, what is lost. */
#include "fixture.h"

#include <math.h>

#define BASE(fields) IPM_BASE_SCHEMA "struct A : BaseMmapStructure { " fields " }"
#define ROOM 4096

static ipm_layout *before, *after;
static ipm_migration *report;
static union {
    uint64_t aligned;
    unsigned char bytes[ROOM];
} old, new;

/* Parse the two layouts, and forget the values of the last conversion. */
static void change(const char *from, const char *to) {
    ipm_layout_free(before);
    ipm_layout_free(after);
    before = layout_of(from);
    after = layout_of(to);
    memset(old.bytes, 0, ROOM);
    memset(new.bytes, 0xff, ROOM);
}

static unsigned char *at(const ipm_layout *layout, unsigned char *bytes, const char *path) {
    const ipm_type *type;
    uint64_t offset = 0;
    if (!CHECK_INT(
            ipm_type_find(ipm_layout_type(layout), path, strlen(path), &type, &offset, &error),
            IPM_OK))
        printf("# %s\n", error.text);
    return bytes + offset;
}

#define SET(type, path, value)                                                                     \
    do {                                                                                           \
        type value_ = (value);                                                                     \
        memcpy(at(before, old.bytes, path), &value_, sizeof value_);                               \
    } while (0)

#define DEFINE_GET(type)                                                                           \
    static type get_##type(const char *path) {                                                     \
        type value;                                                                                \
        memcpy(&value, at(after, new.bytes, path), sizeof value);                                  \
        return value;                                                                              \
    }

DEFINE_GET(int8_t)
DEFINE_GET(uint8_t)
DEFINE_GET(int16_t)
DEFINE_GET(uint16_t)
DEFINE_GET(int32_t)
DEFINE_GET(uint32_t)
DEFINE_GET(int64_t)
DEFINE_GET(uint64_t)
DEFINE_GET(float)
DEFINE_GET(double)

static void set_text(const char *path, const char *text) {
    memcpy(at(before, old.bytes, path), text, strlen(text));
}

/* A text of that size, with a NUL after it. */
static const char *text_at(const char *path, size_t size) {
    static char text[256];
    memcpy(text, at(after, new.bytes, path), size);
    text[size] = '\0';
    return text;
}

static int convert(bool lossy) {
    ipm_migration_free(report);
    return ipm_convert(ipm_layout_type(before), old.bytes, ipm_layout_type(after), new.bytes, lossy,
                       &report, &error);
}

static void converts(bool lossy) {
    if (!CHECK_INT(convert(lossy), IPM_OK))
        printf("# %s\n", error.text);
}

static const char *joined(ipm_paths list) {
    static char text[1024];
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < list.count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", i == 0 ? "" : " ",
                                   list.paths[i]);
    return text;
}

static void reports(const char *kept, const char *added, const char *dropped) {
    if (!CHECK(report != NULL))
        return;
    CHECK_STR(joined(report->kept), kept);
    CHECK_STR(joined(report->added), added);
    CHECK_STR(joined(report->dropped), dropped);
}

static void copies_what_both_have(void) {
    change(BASE("a: int32; gone: int8; b: double; pos: int16[3]; t: char[8]; yes: bool"),
           BASE("b: double; yes: bool; t: char[8]; fresh: int64; a: int32; pos: int16[3]"));
    SET(int16_t, "header.header_code", IPM_HEADER_CODE);
    SET(double, "header.time_stamp", 12.5);
    SET(int32_t, "a", -7);
    SET(int8_t, "gone", 3);
    SET(double, "b", 0.1);
    SET(int16_t, "pos[3]", 9);
    SET(bool, "yes", true);
    set_text("t", "full one");
    converts(false);
    CHECK_INT(get_int16_t("header.header_code"), IPM_HEADER_CODE);
    CHECK(get_double("header.time_stamp") == 12.5);
    CHECK_INT(get_int32_t("a"), -7);
    CHECK(get_double("b") == 0.1);
    CHECK_INT(get_int16_t("pos[1]"), 0);
    CHECK_INT(get_int16_t("pos[3]"), 9);
    CHECK_INT(get_uint8_t("yes"), 1);
    CHECK_STR(text_at("t", 8), "full one");
    CHECK_INT(get_int64_t("fresh"), 0);
    reports("b yes t a pos", "fresh", "gone");
}

static void widens_numbers_of_one_kind(void) {
    change(BASE("a: int8; b: int16; c: int32; d: uint8; e: uint16; f: uint32; g: float; h: int8"),
           BASE("a: int16; b: int32; c: int64; d: uint16; e: uint32; f: uint64; g: double; "
                "h: int64"));
    SET(int8_t, "a", INT8_MIN);
    SET(int16_t, "b", INT16_MIN);
    SET(int32_t, "c", INT32_MIN);
    SET(uint8_t, "d", UINT8_MAX);
    SET(uint16_t, "e", UINT16_MAX);
    SET(uint32_t, "f", UINT32_MAX);
    SET(float, "g", 0.1F);
    SET(int8_t, "h", -1);
    converts(false);
    CHECK_INT(get_int16_t("a"), INT8_MIN);
    CHECK_INT(get_int32_t("b"), INT16_MIN);
    CHECK_INT(get_int64_t("c"), INT32_MIN);
    CHECK_INT(get_uint16_t("d"), UINT8_MAX);
    CHECK_INT(get_uint32_t("e"), UINT16_MAX);
    CHECK_INT(get_uint64_t("f"), UINT32_MAX);
    CHECK(get_double("g") == (double)0.1F);
    CHECK_INT(get_int64_t("h"), -1);
    reports("a b c d e f g h", "", "");
}

static void lengthens_texts_and_arrays(void) {
    change(BASE("t: char[4]; n: int16[2]; grid: int32[2][2]; words: char[2][2]"),
           BASE("t: char[6]; n: int32[3]; grid: int32[3][3]; words: char[2][4]"));
    set_text("t", "four");
    SET(int16_t, "n[2]", -2);
    for (int i = 0; i < 4; i++)
        ((int32_t *)at(before, old.bytes, "grid"))[i] = i + 1;
    set_text("words[1]", "ab");
    set_text("words[2]", "c");
    converts(false);
    CHECK_STR(text_at("t", 6), "four");
    CHECK_INT(get_int32_t("n[2]"), -2);
    CHECK_INT(get_int32_t("n[3]"), 0);
    CHECK_INT(get_int32_t("grid[1][2]"), 2);
    CHECK_INT(get_int32_t("grid[1][3]"), 0);
    CHECK_INT(get_int32_t("grid[2][1]"), 3);
    CHECK_INT(get_int32_t("grid[3][1]"), 0);
    CHECK_STR(text_at("words[1]", 4), "ab");
    CHECK_STR(text_at("words[2]", 4), "c");
    reports("t n grid words", "", "");
}

static void goes_into_structs_by_path(void) {
    change("struct P { x: int8; y: int8 } struct Q { name: char[4] } " BASE(
               "one: P; both: Q; many: P[2][2]"),
           "struct R { z: int8; y: int16 } struct Q { name: char[4] } " BASE(
               "many: R[2][3]; both: Q; one: R"));
    SET(int8_t, "one.y", 1);
    SET(int8_t, "many[2][2].x", 5);
    SET(int8_t, "many[2][2].y", 2);
    set_text("both.name", "q");
    converts(false);
    CHECK_INT(get_int16_t("one.y"), 1);
    CHECK_INT(get_int16_t("many[2][2].y"), 2);
    CHECK_INT(get_int8_t("many[2][2].z"), 0);
    CHECK_INT(get_int16_t("many[2][3].y"), 0);
    CHECK_STR(text_at("both.name", 4), "q");
    reports("many[1][1].y both one.y", "many[1][1].z one.z", "one.x many[1][1].x");
}

static void refuses(const char *from, const char *to, const char *message) {
    change(from, to);
    error.text[0] = '\0';
    CHECK_INT(convert(false), IPM_ELAYOUT);
    CHECK_STR(error.text, message);
    CHECK(report == NULL);
    CHECK_INT(new.bytes[IPM_HEADER_SIZE], 0xff);
    CHECK_INT(ipm_convert(ipm_layout_type(before), old.bytes, ipm_layout_type(after), new.bytes,
                          false, NULL, NULL),
              IPM_ELAYOUT);
}

#define LOSES " could lose values, which only a lossy conversion may"

static void refuses_what_could_lose_a_value(void) {
    static const char *const pairs[][2] = {
        {"int64", "int32"},       {"uint16", "uint8"},      {"double", "float"},
        {"int8", "uint8"},        {"uint8", "int16"},       {"int32", "double"},
        {"double", "int64"},      {"char[4]", "char[3]"},   {"int8[3]", "int8[2]"},
        {"int8", "int8[1]"},      {"int8[1]", "int8"},      {"bool", "uint8"},
        {"int8", "bool"},         {"char[2]", "uint8"},     {"uint8[4]", "char[4]"},
        {"int64[2]", "int32[4]"}, {"int8[2][2]", "int8[4]"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char from[512], to[512], message[200];
        snprintf(from, sizeof from, BASE("a: %s"), pairs[i][0]);
        snprintf(to, sizeof to, BASE("a: %s"), pairs[i][1]);
        snprintf(message, sizeof message, "a: %s to %s" LOSES, pairs[i][0], pairs[i][1]);
        refuses(from, to, message);
    }
    refuses("struct P { x: int8[2] } " BASE("p: P[3]"), "struct P { x: int8[1] } " BASE("p: P[4]"),
            "p[1].x: int8[2] to int8[1]" LOSES);
    refuses("struct P { x: int8 } " BASE("p: P"), BASE("p: int8"), "p: P to int8" LOSES);
}

/* As assignment takes it: a number of any kind, within the range, and whole for an integer. */
static void keeps_numbers_that_fit_when_lossy(void) {
    change(
        BASE("a: int64; b: int8; c: double; d: uint64; e: double; f: int32; g: double; h: double; "
             "i: uint64"),
        BASE("a: int32; b: uint8; c: int16; d: int64; e: float; f: float; g: uint64; h: float; "
             "i: double"));
    SET(int64_t, "a", INT32_MIN);
    SET(int8_t, "b", INT8_MAX);
    SET(double, "c", -5);
    SET(uint64_t, "d", INT64_MAX);
    SET(double, "e", 0.1);
    SET(int32_t, "f", 3);
    SET(double, "g", 0x1p63);
    SET(double, "h", (double)INFINITY);
    SET(uint64_t, "i", UINT64_MAX);
    converts(true);
    CHECK_INT(get_int32_t("a"), INT32_MIN);
    CHECK_INT(get_uint8_t("b"), INT8_MAX);
    CHECK_INT(get_int16_t("c"), -5);
    CHECK_INT(get_int64_t("d"), INT64_MAX);
    CHECK(get_float("e") == 0.1F);
    CHECK(get_float("f") == 3);
    CHECK(get_uint64_t("g") == UINT64_C(1) << 63);
    CHECK(isinf(get_float("h")));
    CHECK(get_double("i") == 0x1p64);
    reports("a b c d e f g h i", "", "");
}

static void drops_numbers_that_do_not_fit(void) {
    change(
        BASE("a: int64; b: int8; c: double; d: uint64; e: double; f: int64; g: double; h: double; "
             "i: double; j: uint16; k: int16"),
        BASE("a: int32; b: uint8; c: int16; d: int64; e: float; f: uint32; g: uint64; h: int64; "
             "i: int8; j: uint8; k: int8"));
    SET(int64_t, "a", INT64_C(1) << 31);
    SET(int8_t, "b", -1);
    SET(double, "c", 0.5);
    SET(uint64_t, "d", UINT64_C(1) << 63);
    SET(double, "e", 1e300);
    SET(int64_t, "f", INT64_C(1) << 32);
    SET(double, "g", 0x1p64);
    SET(double, "h", -0x1.8p63);
    SET(double, "i", (double)NAN);
    SET(uint16_t, "j", 256);
    SET(int16_t, "k", -129);
    converts(true);
    const unsigned char *end = new.bytes + ipm_layout_type(after)->size;
    for (const unsigned char *byte = new.bytes + IPM_HEADER_SIZE; byte < end; byte++)
        CHECK_INT(*byte, 0);
    reports("", "", "a b c d e f g h i j k");
}

static void cuts_texts_after_a_whole_character(void) {
    change(BASE("fits: char[9]; cut: char[9]; whole: char[9]; last: char[9]; latin: char[9]; junk: "
                "char[4]"),
           BASE("fits: char[4]; cut: char[4]; whole: char[4]; last: char[4]; latin: char[4]; junk: "
                "char[3]"));
    set_text("fits", "four");
    set_text("cut", "abcdef");
    set_text("whole", "ab\xe2\x82\xac"); /* a character of three bytes, of which two would fit */
    set_text("last", "a\xe2\x82\xacz");  /* it ends where the cut is */
    set_text("latin", "\xbf\xbf\xbf\xbf\xbf\xbf");
    memcpy(at(before, old.bytes, "junk"), "a\0xx", 4);
    converts(true);
    CHECK_STR(text_at("fits", 4), "four");
    CHECK_STR(text_at("cut", 4), "abcd");
    CHECK_STR(text_at("whole", 4), "ab");
    CHECK_STR(text_at("last", 4), "a\xe2\x82\xac");
    CHECK_STR(text_at("latin", 4), "\xbf\xbf\xbf\xbf");
    CHECK_STR(text_at("junk", 3), "a");
    reports("fits junk", "", "cut whole last latin");
}

static void shortens_arrays(void) {
    change(BASE("none: int8[4]; some: int8[4]; n: int32[3]"),
           BASE("none: int8[2]; some: int8[2]; n: int16[2]"));
    SET(int8_t, "none[2]", 1);
    SET(int8_t, "some[2]", 2);
    SET(int8_t, "some[4]", 3);
    SET(int32_t, "n[1]", 4);
    SET(int32_t, "n[2]", 70000);
    converts(true);
    CHECK_INT(get_int8_t("none[2]"), 1);
    CHECK_INT(get_int8_t("some[2]"), 2);
    CHECK_INT(get_int16_t("n[1]"), 4);
    CHECK_INT(get_int16_t("n[2]"), 0);
    reports("none some", "", "some[3] n");
}

static void drops_what_becomes_another_kind(void) {
    change("struct P { x: int8 } " BASE("a: bool; b: P; c: int8[2]; d: char[4]; e: P[2]"),
           "struct P { x: int8 } " BASE("a: int8; b: int8; c: int8; d: char[4][1]; e: int8[2]"));
    memset(old.bytes + IPM_HEADER_SIZE, 1, ipm_layout_type(before)->size - IPM_HEADER_SIZE);
    converts(true);
    CHECK_INT(get_int8_t("a") | get_int8_t("b") | get_int8_t("c") | get_int8_t("e[1]"), 0);
    CHECK_STR(text_at("d", 4), "");
    reports("", "", "a b c d e[1]");
}

static void converts_plain_structs(void) {
    change("struct P { x: int8; y: int8 }", "struct Q { y: int16; z: int8 }");
    SET(int8_t, "y", -3);
    converts(false);
    CHECK_INT(get_int16_t("y"), -3);
    reports("y", "z", "x");
}

/* Each struct has the one before it twice: the plan looks only at parts that differ. */
static void is_quick_however_often_a_struct_is_used(void) {
    char text[2][4096];
    for (int which = 0; which < 2; which++) {
        char *end = text[which] + sprintf(text[which], IPM_BASE_SCHEMA "struct S0 { x: int8 }");
        for (int i = 1; i < 10; i++)
            end += sprintf(end, "struct S%d { a: S%d; b: S%d }", i, i - 1, i - 1);
        end += sprintf(end, "struct A : BaseMmapStructure { %s s: S9 }", which ? "n: int8" : "");
    }
    change(text[0], text[1]);
    SET(int8_t, "s.b.b.b.b.b.b.b.b.b.x", 5);
    converts(false);
    CHECK_INT(get_int8_t("s.b.b.b.b.b.b.b.b.b.x"), 5);
    reports("s", "n", "");
}

/* ---- Lists, optional values, limits, defaults -------------------------------------------- */

static void fails(bool lossy, int code, const char *text) {
    memset(&error, 0, sizeof error);
    CHECK_INT(convert(lossy), code);
    CHECK_STR(error.text, text);
    CHECK(report == NULL);
}

static void lengthens_lists(void) {
    change(BASE("a: int16[<=3]"), BASE("a: int32[<=5]"));
    SET(uint32_t, "a", 2);
    SET(int16_t, "a[1]", -1);
    SET(int16_t, "a[2]", 7);
    SET(int16_t, "a[3]", 9); /* not in use */
    converts(false);
    CHECK_INT(get_uint32_t("a"), 2);
    CHECK_INT(get_int32_t("a[1]"), -1);
    CHECK_INT(get_int32_t("a[2]"), 7);
    CHECK_INT(get_int32_t("a[3]"), 0);
    reports("a", "", "");
}

static void shortens_lists_only_when_lossy(void) {
    change("struct P { x: int8 }" BASE("a: P[<=3]"), "struct P { x: int8 }" BASE("a: P[<=2]"));
    CHECK_INT(convert(false), IPM_ELAYOUT);
    SET(uint32_t, "a", 2);
    SET(int8_t, "a[2].x", 5);
    converts(true);
    reports("a", "", "");
    CHECK_INT(get_uint32_t("a"), 2);
    CHECK_INT(get_int8_t("a[2].x"), 5);
    SET(uint32_t, "a", 3);
    converts(true);
    reports("a", "", "a[3]");
    CHECK_INT(get_uint32_t("a"), 2);
}

static void gives_elements_in_use_the_defaults_of_new_fields(void) {
    change("struct P { x: int8 }" BASE("a: P[<=3]; o: P?; q: P?"),
           "struct P { x: int8; y: int16 (default 7) }" BASE("a: P[<=3]; o: P?; q: P?"));
    SET(uint32_t, "a", 2);
    SET(int8_t, "a[2].x", 5);
    *at(before, old.bytes, "o") = 1;
    SET(int8_t, "o.x", 6);
    converts(false);
    CHECK_INT(get_int8_t("a[2].x"), 5);
    CHECK_INT(get_int16_t("a[2].y"), 7);
    CHECK_INT(get_int16_t("a[3].y"), 0);
    CHECK_INT(get_uint8_t("o"), 1);
    CHECK_INT(get_int8_t("o.x"), 6);
    CHECK_INT(get_int16_t("o.y"), 7);
    CHECK_INT(get_uint8_t("q"), 0);
    CHECK_INT(get_int16_t("q.y"), 0);
    reports("a[1].x o.x q.x", "a[1].y o.y q.y", "");
}

static void makes_arrays_lists_and_back(void) {
    change(BASE("a: int16[3]; l: int16[<=3]"), BASE("a: int16[<=4]; l: int16[<=3]"));
    SET(int16_t, "a[3]", 9);
    converts(false);
    CHECK_INT(get_uint32_t("a"), 3);
    CHECK_INT(get_int16_t("a[3]"), 9);
    CHECK_INT(get_uint32_t("l"), 0);
    reports("a l", "", "");
    change(BASE("a: int16[3]"), BASE("a: int16[<=2]"));
    fails(false, IPM_ELAYOUT,
          "a: int16[3] to int16[<=2] could lose values, which only a lossy conversion may");
    SET(int16_t, "a[3]", 9);
    converts(true);
    CHECK_INT(get_uint32_t("a"), 2);
    reports("a", "", "a[3]");
    change(BASE("a: int16[<=3]"), BASE("a: int16[3] (default 4)"));
    fails(false, IPM_ELAYOUT,
          "a: int16[<=3] to int16[3] could lose values, which only a lossy conversion may");
    SET(uint32_t, "a", 1);
    SET(int16_t, "a[1]", 9);
    converts(true);
    CHECK_INT(get_int16_t("a[1]"), 9);
    CHECK_INT(get_int16_t("a[2]"), 4);
    reports("a", "", "");
}

static void makes_values_optional_and_back(void) {
    change(BASE("a: int16; b: int16[2]; c: int16?; d: int16?"),
           BASE("a: int32?; b: int16[2]?; c: int32?; d: int32?"));
    SET(int16_t, "a", -3);
    SET(int16_t, "b[2]", 4);
    *at(before, old.bytes, "c") = 1;
    *(int16_t *)(void *)(at(before, old.bytes, "c") + 2) = 8;
    converts(false);
    CHECK_INT(get_uint8_t("a"), 1);
    CHECK_INT(*(int32_t *)(void *)(at(after, new.bytes, "a") + 4), -3);
    CHECK_INT(get_uint8_t("b"), 1);
    CHECK_INT(get_int16_t("b[2]"), 4);
    CHECK_INT(get_uint8_t("c"), 1);
    CHECK_INT(*(int32_t *)(void *)(at(after, new.bytes, "c") + 4), 8);
    CHECK_INT(get_uint8_t("d"), 0);
    reports("a b c d", "", "");
    change(BASE("a: int16?; b: int16?"), BASE("a: int16 (default 5); b: int16"));
    fails(false, IPM_ELAYOUT,
          "a: int16? to int16 could lose values, which only a lossy conversion may");
    *at(before, old.bytes, "b") = 1;
    *(int16_t *)(void *)(at(before, old.bytes, "b") + 2) = 8;
    converts(true);
    CHECK_INT(get_int16_t("a"), 5);
    CHECK_INT(get_int16_t("b"), 8);
}

static void refuses_values_outside_the_new_limits(void) {
    change(BASE("v: float; n: int8[3]; o: int8?"),
           BASE("v: float (default 0.5, max 1); n: int8[3] (max 5); o: int8? (max 5)"));
    SET(float, "v", 1);
    SET(int8_t, "n[3]", 5);
    converts(false);
    reports("v n o", "", "");
    CHECK(get_float("v") == 1);
    SET(float, "v", 1.5F);
    fails(false, IPM_ELAYOUT,
          "v: 1.5 is above the limit of 1, and only a lossy conversion may lose the value");
    SET(float, "v", NAN);
    SET(int8_t, "n[2]", 6);
    *at(before, old.bytes, "o") = 1;
    at(before, old.bytes, "o")[1] = 6;
    converts(true);
    reports("", "", "v n o");
    CHECK(get_float("v") == 0.5F);
    CHECK_INT(get_int8_t("n[2]"), 0);
    CHECK_INT(get_int8_t("n[3]"), 5);
    CHECK_INT(get_uint8_t("o"), 0);
}

static void gives_added_fields_their_defaults(void) {
    change(BASE("a: int8; t: char[4]; n: int8[2]"),
           BASE("a: int8 (default 3); b: int8 (default 4); t: char[12] (default \"hello\");"
                "n: int8[4] (default 9)"));
    set_text("t", "abc");
    SET(int8_t, "n[1]", 1);
    converts(false);
    CHECK_INT(get_int8_t("a"), 0);
    CHECK_INT(get_int8_t("b"), 4);
    CHECK_STR(text_at("t", 12), "abc");
    CHECK_INT(at(after, new.bytes, "t")[4], 0);
    CHECK_INT(get_int8_t("n[1]"), 1);
    CHECK_INT(get_int8_t("n[2]"), 0);
    CHECK_INT(get_int8_t("n[3]"), 9);
    reports("a t n", "b", "");
}

static void takes_enumerations_for_integers(void) {
    change("enum M : uint8 { a = 1 }" BASE("m: M; l: M[<=2]"), BASE("m: uint16; l: uint16[<=2]"));
    SET(uint8_t, "m", 1);
    converts(false);
    CHECK_INT(get_uint16_t("m"), 1);
}

static void cuts_wide_texts_after_a_whole_character(void) {
    static const uint16_t pair[] = {'a', 0xd83d, 0xde00, 'b'};
    change(BASE("t: char16[4]; u: char32[4]; v: char16[2]"),
           BASE("t: char16[2]; u: char32[2]; v: char16[8] (default \"hello\")"));
    fails(false, IPM_ELAYOUT,
          "t: char16[4] to char16[2] could lose values, which only a lossy conversion may");
    memcpy(at(before, old.bytes, "t"), pair, sizeof pair);
    SET(uint32_t, "u", 0x1f600);
    SET(uint16_t, "v", 'x');
    converts(true);
    CHECK_INT(get_uint16_t("t"), 'a');
    CHECK_INT(*(uint16_t *)(void *)(at(after, new.bytes, "t") + 2), 0);
    CHECK_INT(get_uint32_t("u"), 0x1f600);
    CHECK_INT(get_uint16_t("v"), 'x');
    CHECK_INT(*(uint16_t *)(void *)(at(after, new.bytes, "v") + 2), 0);
    reports("u v", "", "t");
}

static void packs_and_unpacks(void) {
    static const char packed[] =
        "struct P (pack 1) { a: int8; x: double; n: int32[2] }" BASE("c: int8; p: P; l: P[<=2]");
    static const char natural[] =
        "struct P { a: int8; x: double; n: int32[2] }" BASE("c: int8; p: P; l: P[<=2]");
    for (int i = 0; i < 2; i++) {
        change(i == 0 ? packed : natural, i == 0 ? natural : packed);
        SET(double, "p.x", 2.5);
        SET(uint32_t, "l", 2);
        SET(double, "l[2].x", 3.5);
        SET(int32_t, "l[2].n[2]", -1);
        converts(false);
        CHECK(get_double("p.x") == 2.5);
        CHECK(get_double("l[2].x") == 3.5);
        CHECK_INT(get_int32_t("l[2].n[2]"), -1);
    }
}

static void refuses_lists_that_are_longer_than_they_can_be(void) {
    change("struct P { l: int8[<=3] }" BASE("a: int8; ps: P[2]"),
           "struct P { l: int8[<=3] }" BASE("ps: P[2]; a: int8"));
    SET(uint32_t, "ps[2].l", 4);
    fails(false, IPM_ECORRUPT, "ps[1].l: 4 elements are more than its 3");
    SET(uint32_t, "ps[2].l", UINT32_MAX);
    fails(true, IPM_ECORRUPT, "ps[1].l: 4294967295 elements are more than its 3");
}

int main(void) {
    set_up();
    run("copies the fields that both layouts have", copies_what_both_have);
    run("widens numbers of one kind", widens_numbers_of_one_kind);
    run("lengthens texts and arrays", lengthens_texts_and_arrays);
    run("goes into structs and arrays of structs by path", goes_into_structs_by_path);
    run("refuses what could lose a value", refuses_what_could_lose_a_value);
    run("keeps numbers that fit when it may lose some", keeps_numbers_that_fit_when_lossy);
    run("drops numbers that do not fit", drops_numbers_that_do_not_fit);
    run("cuts texts after a whole character", cuts_texts_after_a_whole_character);
    run("shortens arrays, and tells what had values", shortens_arrays);
    run("drops what becomes another kind", drops_what_becomes_another_kind);
    run("converts plain structs", converts_plain_structs);
    run("lengthens lists", lengthens_lists);
    run("shortens lists only if it may lose values", shortens_lists_only_when_lossy);
    run("gives the elements in use the defaults of new fields",
        gives_elements_in_use_the_defaults_of_new_fields);
    run("makes arrays lists, and lists arrays", makes_arrays_lists_and_back);
    run("makes values optional, and back", makes_values_optional_and_back);
    run("refuses values outside the new limits", refuses_values_outside_the_new_limits);
    run("gives added fields their defaults", gives_added_fields_their_defaults);
    run("takes enumerations for integers", takes_enumerations_for_integers);
    run("cuts UTF-16 texts after a whole character", cuts_wide_texts_after_a_whole_character);
    run("packs and unpacks structs", packs_and_unpacks);
    run("refuses lists that are longer than they can be",
        refuses_lists_that_are_longer_than_they_can_be);
    run("is quick however often a struct is used", is_quick_however_often_a_struct_is_used);
    ipm_migration_free(report);
    ipm_layout_free(before);
    ipm_layout_free(after);
    return tear_down();
}
