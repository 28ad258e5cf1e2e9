/* Paths: the parts that they lead to, and the errors about wrong paths. */
#include "../../src/ipmmap.h"
#include "tap.h"

static const char text[] =
    IPM_BASE_SCHEMA "struct Point2D { x: double; y: double }\n"
                    "struct MultiPointsData { multi_data_int: int32; multi_points: Point2D[24] }\n"
                    "struct DemoMmapStructure : BaseMmapStructure {\n"
                    "  data_int: int32; data_string: char[256]; data_xy: Point2D;\n"
                    "  multi_pts: MultiPointsData; names: char[4][16]; grid: float[4][3];\n"
                    "  end: Point2D\n"
                    "}\n";

static ipm_layout *layout;

static void leads(const char *path, const char *type, uint64_t offset) {
    ipm_error error;
    const ipm_type *found;
    uint64_t at;
    int code = ipm_type_find(ipm_layout_type(layout), path, strlen(path), &found, &at, &error);
    if (!CHECK_INT(code, IPM_OK)) {
        printf("# %s\n", error.text);
        return;
    }
    CHECK_STR(found->name, type);
    CHECK_INT(at, offset);
}

static void refuses_from(const ipm_type *type, const char *path, size_t length, const char *why) {
    ipm_error error = {0};
    const ipm_type *found = NULL;
    uint64_t at = 77;
    CHECK_INT(ipm_type_find(type, path, length, &found, &at, &error), IPM_EINVALID);
    CHECK_STR(error.text, why);
    CHECK_INT(error.code, IPM_EINVALID);
    CHECK(found == NULL && at == 77);
    CHECK_INT(ipm_type_find(type, path, length, &found, &at, NULL), IPM_EINVALID);
}

static void refuses(const char *path, const char *why) {
    refuses_from(ipm_layout_type(layout), path, strlen(path), why);
}

static void leads_to_parts(void) {
    leads("data_int", "int32", 16);
    leads("header.time_stamp", "double", 8);
    leads("data_xy", "Point2D", 280);
    leads("data_xy.y", "double", 288);
    leads("multi_pts.multi_points", "Point2D[24]", 304);
    leads("multi_pts.multi_points[1].x", "double", 304);
    leads("multi_pts.multi_points[24].y", "double", 304 + 23 * 16 + 8);
    leads("names[4]", "char[16]", 688 + 48);
    leads("grid[2]", "float[3]", 752 + 12);
    leads("grid[4][3]", "float", 752 + 44);
    leads("grid[04][3]", "float", 752 + 44);
    leads("end.x", "double", 800);
}

static void leads_through_lists_and_optional_values(void) {
    static const char lists[] = "struct P (pack 1) { b: int8; x: double }"
                                "struct L { n: int8; items: P[<=4]; left: int32?; at: P?;"
                                "  rows: float[3][<=2]; pair: double[2]? }";
    ipm_layout *whole = layout;
    ipm_error error;
    if (!CHECK_INT(ipm_layout_parse(lists, strlen(lists), &layout, &error), IPM_OK)) {
        printf("# %s\n", error.text);
        layout = whole;
        return;
    }
    leads("items", "P[<=4]", 4);
    leads("items[1]", "P", 8);
    leads("items[4].x", "double", 8 + 27 + 1);
    leads("left", "int32?", 44);
    leads("at", "P?", 52);
    leads("at.x", "double", 54);
    refuses("items[5]", "L: index 5 is outside 1..4 in 'items[5]'");
    refuses("items[0]", "L: index 0 is outside 1..4 in 'items[0]'");
    refuses("items.x", "L: 'items' is P[<=4] and has no fields, in 'items.x'");
    refuses("left.x", "L: 'left' is int32? and has no fields, in 'left.x'");
    refuses("left[1]", "L: 'left' is int32? and has no elements, in 'left[1]'");
    refuses("at[1]", "L: 'at' is P? and has no elements, in 'at[1]'");
    leads("pair[2]", "double", 96 + 8 + 8);
    ipm_layout_free(layout);
    layout = whole;
}

static void starts_at_arrays_too(void) {
    const ipm_type *points, *found;
    uint64_t at;
    CHECK_INT(
        ipm_type_find(ipm_layout_type(layout), "multi_pts.multi_points", 22, &points, &at, NULL),
        IPM_OK);
    CHECK_INT(ipm_type_find(points, "[3].y", 5, &found, &at, NULL), IPM_OK);
    CHECK_INT(at, 40);
    refuses_from(points, "[25]", 4, "Point2D[24]: index 25 is outside 1..24 in '[25]'");
    refuses_from(points, "x", 1, "Point2D[24]: it has no fields, in 'x'");
}

static void reads_only_the_given_length(void) {
    const ipm_type *found;
    uint64_t at;
    CHECK_INT(ipm_type_find(ipm_layout_type(layout), "data_xy.x", 7, &found, &at, NULL), IPM_OK);
    CHECK_STR(found->name, "Point2D");
    refuses_from(ipm_layout_type(layout), "data_xy\0x", 9,
                 "DemoMmapStructure: no field 'data_xy?x' in 'data_xy?x'");
}

static void names_the_missing_field(void) {
    refuses("foo", "DemoMmapStructure: no field 'foo' in 'foo'");
    refuses("data_xy.foo", "DemoMmapStructure: no field 'foo' in 'data_xy.foo'");
    refuses("data_xy.x.foo", "DemoMmapStructure: 'data_xy.x' is double and has no fields, in "
                             "'data_xy.x.foo'");
    refuses("multi_pts.multi_points.x",
            "DemoMmapStructure: 'multi_pts.multi_points' is Point2D[24] and has no fields, in "
            "'multi_pts.multi_points.x'");
}

static void names_the_index(void) {
    refuses("multi_pts.multi_points[25].x",
            "DemoMmapStructure: index 25 is outside 1..24 in 'multi_pts.multi_points[25].x'");
    refuses("grid[0]", "DemoMmapStructure: index 0 is outside 1..4 in 'grid[0]'");
    refuses("grid[-1]", "DemoMmapStructure: index -1 is outside 1..4 in 'grid[-1]'");
    refuses("grid[1][4]", "DemoMmapStructure: index 4 is outside 1..3 in 'grid[1][4]'");
    refuses("grid[18446744073709551617]",
            "DemoMmapStructure: index 18446744073709551617 is outside 1..4 in "
            "'grid[18446744073709551617]'");
    refuses("grid[x]", "DemoMmapStructure: index 'x' is not a whole number in 'grid[x]'");
    refuses("grid[]", "DemoMmapStructure: index '' is not a whole number in 'grid[]'");
    refuses("grid[-]", "DemoMmapStructure: index '-' is not a whole number in 'grid[-]'");
    refuses("grid[1.5]", "DemoMmapStructure: index '1.5' is not a whole number in 'grid[1.5]'");
    refuses("grid[ 1]", "DemoMmapStructure: index ' 1' is not a whole number in 'grid[ 1]'");
    refuses("data_int[1]",
            "DemoMmapStructure: 'data_int' is int32 and has no elements, in 'data_int[1]'");
    refuses("data_string[1]", "DemoMmapStructure: 'data_string' is char[256] and has no elements, "
                              "in 'data_string[1]'");
    refuses("[1]", "DemoMmapStructure: it has no elements, in '[1]'");
}

static void says_what_is_missing(void) {
    refuses("", "DemoMmapStructure: the path is empty");
    refuses(".", "DemoMmapStructure: a field name is missing at the start in '.'");
    refuses(".data_int", "DemoMmapStructure: a field name is missing at the start in '.data_int'");
    refuses("data_xy.", "DemoMmapStructure: a field name is missing after 'data_xy.' in "
                        "'data_xy.'");
    refuses("data_xy..x", "DemoMmapStructure: a field name is missing after 'data_xy.' in "
                          "'data_xy..x'");
    refuses("grid[1", "DemoMmapStructure: ']' is missing after 'grid[1' in 'grid[1'");
    refuses("grid[", "DemoMmapStructure: ']' is missing after 'grid[' in 'grid['");
    refuses("grid[1]x", "DemoMmapStructure: '.' or '[' is missing before 'x' in 'grid[1]x'");
    refuses("grid]", "DemoMmapStructure: no field 'grid]' in 'grid]'");
    refuses(" end", "DemoMmapStructure: no field ' end' in ' end'");
}

static void shortens_long_paths(void) {
    char path[100000];
    ipm_error error;
    const ipm_type *found;
    uint64_t at;
    memset(path, 'a', sizeof path);
    CHECK_INT(ipm_type_find(ipm_layout_type(layout), path, sizeof path, &found, &at, &error),
              IPM_EINVALID);
    CHECK(strlen(error.text) < 400);
    CHECK(strstr(error.text, "aaa...' in 'aaa") != NULL);
}

int main(void) {
    if (ipm_layout_parse(text, strlen(text), &layout, NULL) != IPM_OK)
        return EXIT_FAILURE;
    run("leads to fields, elements, structs and arrays", leads_to_parts);
    run("leads through lists and optional values", leads_through_lists_and_optional_values);
    run("can start at an array", starts_at_arrays_too);
    run("reads no more bytes than the given length", reads_only_the_given_length);
    run("names the field that does not exist", names_the_missing_field);
    run("names the index that is out of range", names_the_index);
    run("says what is missing at the end of a path", says_what_is_missing);
    run("shortens long paths in its messages", shortens_long_paths);
    ipm_layout_free(layout);
    return done();
}
