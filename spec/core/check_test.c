/* First values of structs, and the check of values: limits, counts, bools. */
#include "fixture.h"

#include <math.h>

#define BASE(fields) IPM_BASE_SCHEMA "struct A : BaseMmapStructure { " fields " }"

static ipm_layout *layout;
static const ipm_type *type;
static unsigned char *bytes;

/* Parse the layout, and initialize a struct of it. */
static void use(const char *text) {
    ipm_layout_free(layout);
    free(bytes);
    layout = layout_of(text);
    type = ipm_layout_type(layout);
    bytes = malloc(type->size);
    memset(bytes, 0xff, type->size);
    ipm_type_initialize(type, bytes);
}

static unsigned char *at(const char *path) {
    const ipm_type *found;
    uint64_t offset = 0;
    if (!CHECK_INT(ipm_type_find(type, path, strlen(path), &found, &offset, &error), IPM_OK))
        printf("# %s\n", error.text);
    return bytes + offset;
}

#define SET(c_type, path, value)                                                                   \
    do {                                                                                           \
        c_type value_ = (value);                                                                   \
        memcpy(at(path), &value_, sizeof value_);                                                  \
    } while (0)

#define IS(c_type, path, value)                                                                    \
    do {                                                                                           \
        c_type value_ = (value);                                                                   \
        CHECK(memcmp(at(path), &value_, sizeof value_) == 0);                                      \
    } while (0)

static void allows(void) {
    if (!CHECK_INT(ipm_type_check(type, bytes, &error), IPM_OK))
        printf("# %s\n", error.text);
}

static void refuses(const char *text) {
    memset(&error, 0, sizeof error);
    CHECK_INT(ipm_type_check(type, bytes, &error), IPM_EINVALID);
    CHECK_STR(error.text, text);
    CHECK_INT(ipm_type_check(type, bytes, NULL), IPM_EINVALID);
}

/* ---- First values ------------------------------------------------------------------------ */

static void stores_defaults(void) {
    use("enum Mode : uint8 { idle = 0 walk = 4 }"
        "struct P { x: float (default 2.5); y: float }" BASE(
            "n: int16 (default -3); z: int64; on: bool (default true); mode: Mode (default walk);"
            "s: char[8] (default \"abc\"); p: P; ps: P[2][3]; all: float[5] (default 1);"
            "some: int32[4] (default [7, 8])"));
    IS(int16_t, "n", -3);
    IS(int64_t, "z", 0);
    IS(uint8_t, "on", 1);
    IS(uint8_t, "mode", 4);
    CHECK(memcmp(at("s"), "abc\0\0\0\0\0", 8) == 0);
    IS(float, "p.x", 2.5F);
    IS(float, "p.y", 0);
    IS(float, "ps[1][1].x", 2.5F);
    IS(float, "ps[2][3].x", 2.5F);
    IS(float, "ps[2][3].y", 0);
    IS(float, "all[1]", 1);
    IS(float, "all[5]", 1);
    IS(int32_t, "some[1]", 7);
    IS(int32_t, "some[2]", 8);
    IS(int32_t, "some[3]", 0);
    IS(uint64_t, "header.time_stamp", 0);
}

static void leaves_lists_empty_and_optional_values_absent(void) {
    use("struct P { x: float (default 2.5) }" BASE("n: int8; items: P[<=3]; left: P?"));
    for (uint64_t i = 0; i < type->size; i++)
        CHECK_INT(bytes[i], 0);
}

static void stores_defaults_in_packed_structs(void) {
    use("struct P (pack 1) { a: int8; x: double (default 1.5) }" BASE("n: int8; ps: P[3]"));
    CHECK_INT(type->size, 48);
    IS(double, "ps[1].x", 1.5);
    IS(double, "ps[3].x", 1.5);
    IS(int8_t, "ps[3].a", 0);
}

static void fills_arrays_of_every_length(void) {
    for (int count = 1; count < 70; count++) {
        char text[512];
        snprintf(text, sizeof text,
                 "struct P { a: int8; x: int16 (default 258); b: int8 }" BASE("ps: P[%d]; end: "
                                                                              "int64"),
                 count);
        use(text);
        for (int i = 0; i < count; i++) {
            uint16_t x;
            memcpy(&x, bytes + 16 + i * 6 + 2, sizeof x);
            CHECK_INT(x, 258);
            CHECK_INT(bytes[16 + i * 6] + bytes[16 + i * 6 + 4] + bytes[16 + i * 6 + 5], 0);
        }
        IS(int64_t, "end", 0);
    }
}

/* ---- The check --------------------------------------------------------------------------- */

static void allows_the_limits_themselves(void) {
    use(BASE("a: int8 (min -3, max 5); b: uint64 (min 1, max 18446744073709551615);"
             "c: float (min 0.1, max 0.3); d: double (min 0.1, max 0.3); e: int64 (max 7)"));
    SET(int8_t, "a", -3);
    SET(uint64_t, "b", UINT64_MAX);
    SET(float, "c", 0.3F);
    SET(double, "d", 0.1);
    SET(int64_t, "e", INT64_MIN);
    allows();
    SET(int8_t, "a", 5);
    SET(uint64_t, "b", 1);
    SET(float, "c", 0.1F);
    SET(double, "d", 0.3);
    SET(int64_t, "e", 7);
    allows();
    SET(int8_t, "a", -4);
    refuses("A.a: -4 is below the limit of -3");
    SET(int8_t, "a", 6);
    refuses("A.a: 6 is above the limit of 5");
    SET(int8_t, "a", 0);
    SET(uint64_t, "b", 0);
    refuses("A.b: 0 is below the limit of 1");
    SET(uint64_t, "b", 9);
    SET(float, "c", nextafterf(0.3F, 1));
    CHECK_INT(ipm_type_check(type, bytes, NULL), IPM_EINVALID);
    SET(float, "c", 0.2F);
    SET(double, "d", 1.5);
    refuses("A.d: 1.5 is above the limit of 0.3");
    SET(double, "d", -INFINITY);
    refuses("A.d: -inf is below the limit of 0.1");
    SET(double, "d", 0.2);
    SET(int64_t, "e", 8);
    refuses("A.e: 8 is above the limit of 7");
}

static void never_allows_nan_within_limits(void) {
    use(BASE("a: float (max 1); b: double (min 0); c: double"));
    SET(double, "c", NAN);
    allows();
    SET(float, "a", NAN);
    refuses("A.a: nan is not within the limits");
    SET(float, "a", 0);
    SET(double, "b", -NAN);
    refuses("A.b: nan is not within the limits");
}

static void says_that_zero_is_outside_if_there_is_no_default(void) {
    use(BASE("a: int32 (min 1)"));
    refuses("A.a: 0 is below the limit of 1");
    use(BASE("a: int32 (default 1, min 1)"));
    allows();
}

static void names_the_path(void) {
    use("struct Item { volume: float (max 1) }" BASE(
        "items: Item[<=4]; grid: float[2][3] (max 1); one: Item?; m: Item[2][2]"));
    SET(uint32_t, "items", 3);
    SET(float, "items[3].volume", 1.5F);
    refuses("A.items[3].volume: 1.5 is above the limit of 1");
    SET(uint32_t, "items", 2);
    SET(float, "grid[2][1]", 1.5F);
    refuses("A.grid[2][1]: 1.5 is above the limit of 1");
    SET(float, "grid[2][1]", 0.5F);
    SET(float, "one.volume", 1.5F);
    allows();
    *at("one") = 1;
    refuses("A.one.volume: 1.5 is above the limit of 1");
    *at("one") = 0;
    SET(float, "m[2][1].volume", 2);
    refuses("A.m[2][1].volume: 2 is above the limit of 1");
}

static void checks_parts_alone(void) {
    const ipm_type *part;
    uint64_t offset;
    float values[2] = {0, 3};
    use(BASE("v: float[2] (max 1)"));
    CHECK_INT(ipm_type_find(type, "v", 1, &part, &offset, &error), IPM_OK);
    CHECK_ERROR(ipm_type_check(part, values, &error), IPM_EINVALID,
                "float[2][2]: 3 is above the limit of 1");
    CHECK_ERROR(ipm_type_check(part->element, &values[1], &error), IPM_EINVALID,
                "float: 3 is above the limit of 1");
    CHECK_INT(ipm_type_check(part->element, &values[0], &error), IPM_OK);
}

static void refuses_counts_above_the_capacity(void) {
    use(BASE("items: int64[<=4]; n: int8"));
    SET(uint32_t, "items", 4);
    allows();
    SET(uint32_t, "items", 5);
    refuses("A.items: 5 elements are more than its 4");
    SET(uint32_t, "items", UINT32_MAX);
    refuses("A.items: 4294967295 elements are more than its 4");
}

static void refuses_bools_that_are_none(void) {
    use(BASE("on: bool; many: bool[3]; left: int32?"));
    *at("on") = 1;
    *at("many[3]") = 1;
    *at("left") = 1;
    allows();
    *at("left") = 2;
    refuses("A.left: 2 is not a bool");
    *at("many[2]") = 255;
    refuses("A.many[2]: 255 is not a bool");
    *at("on") = 3;
    refuses("A.on: 3 is not a bool");
}

static void allows_numbers_without_a_name(void) {
    use("enum Mode : uint8 { idle = 0 }" BASE("mode: Mode"));
    *at("mode") = 99;
    allows();
}

static void checks_fields_at_any_address(void) {
    use("struct P (pack 1) { a: int8; x: double (max 1) }" BASE("n: int8; ps: P[3]"));
    SET(double, "ps[2].x", 2);
    refuses("A.ps[2].x: 2 is above the limit of 1");
}

int main(void) {
    set_up();
    run("stores the defaults of fields, and zero elsewhere", stores_defaults);
    run("leaves lists empty and optional values absent",
        leaves_lists_empty_and_optional_values_absent);
    run("stores defaults in packed structs", stores_defaults_in_packed_structs);
    run("fills arrays of structs of every length", fills_arrays_of_every_length);
    run("allows the limits themselves, and nothing beyond", allows_the_limits_themselves);
    run("never allows NaN within limits", never_allows_nan_within_limits);
    run("says that zero is outside the limits if there is no default",
        says_that_zero_is_outside_if_there_is_no_default);
    run("names the path from the struct's name", names_the_path);
    run("checks parts alone", checks_parts_alone);
    run("refuses counts above the capacity", refuses_counts_above_the_capacity);
    run("refuses bools that are none", refuses_bools_that_are_none);
    run("allows numbers without a name in an enumeration", allows_numbers_without_a_name);
    run("checks fields at any address", checks_fields_at_any_address);
    ipm_layout_free(layout);
    free(bytes);
    return tear_down();
}
