/* A layout from the C structs of a host. Compiled as C11 and as C++17. */
#include "../../src/ipmmap.h"
#include "tap.h"

#include <unistd.h>

#define POINTS 24

typedef struct Point2D {
    double x, y;
} Point2D;
#define POINT2D(FIELD) FIELD(x, double) FIELD(y, double)
IPM_STRUCT(Point2D, POINT2D)

typedef struct MultiPointsData {
    int32_t multi_data_int;
    Point2D multi_points[POINTS];
} MultiPointsData;
#define MULTI_POINTS_DATA(FIELD)                                                                   \
    FIELD(multi_data_int, int32)                                                                   \
    FIELD(multi_points, Point2D[POINTS])
IPM_STRUCT(MultiPointsData, MULTI_POINTS_DATA)

typedef struct DemoMmapStructure {
    ipm_header header;
    int32_t data_int;
    char data_string[256];
    Point2D data_xy;
    MultiPointsData multi_pts;
} DemoMmapStructure;
#define DEMO(FIELD)                                                                                \
    FIELD(data_int, int32)                                                                         \
    FIELD(data_string, char[256])                                                                  \
    FIELD(data_xy, Point2D)                                                                        \
    FIELD(multi_pts, MultiPointsData)
IPM_SHARED(DemoMmapStructure, DEMO,
           IPM_TEXT(Point2D, POINT2D) IPM_TEXT(MultiPointsData, MULTI_POINTS_DATA))

typedef struct Scalars {
    ipm_header header;
    bool b[3];
    int8_t i8;
    uint8_t u8;
    int16_t i16;
    uint16_t u16;
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    float f[4][3];
    double d;
    char c;
    char names[4][16];
} Scalars;
#define SCALARS(FIELD)                                                                             \
    FIELD(b, bool[3])                                                                              \
    FIELD(i8, int8)                                                                                \
    FIELD(u8, uint8)                                                                               \
    FIELD(i16, int16)                                                                              \
    FIELD(u16, uint16)                                                                             \
    FIELD(i32, int32)                                                                              \
    FIELD(u32, uint32)                                                                             \
    FIELD(i64, int64)                                                                              \
    FIELD(u64, uint64)                                                                             \
    FIELD(f, float[4][3])                                                                          \
    FIELD(d, double)                                                                               \
    FIELD(c, char)                                                                                 \
    FIELD(names, char[4][16])
IPM_SHARED(Scalars, SCALARS, "")

static ipm_layout *parse(const char *text) {
    ipm_layout *layout = NULL;
    ipm_error error;
    if (!CHECK_INT(ipm_layout_parse(text, strlen(text), &layout, &error), IPM_OK)) {
        printf("# %s\n", error.text);
        exit(EXIT_FAILURE);
    }
    return layout;
}

static void gives_the_layout_of_the_same_schema_text(void) {
    ipm_layout *described = parse(DemoMmapStructure_schema);
    ipm_layout *written =
        parse(IPM_BASE_SCHEMA
              "struct Point2D { x: double; y: double }\n"
              "struct MultiPointsData { multi_data_int: int32; multi_points: Point2D[24] }\n"
              "struct DemoMmapStructure : BaseMmapStructure { data_int: int32\n"
              "  data_string: char[256]; data_xy: Point2D; multi_pts: MultiPointsData }\n");
    CHECK_STR(ipm_layout_text(described, NULL), ipm_layout_text(written, NULL));
    CHECK_INT(ipm_layout_type(described)->size, sizeof(DemoMmapStructure));
    ipm_layout_free(described);
    ipm_layout_free(written);
}

/* So a program can check schema text that it has written by hand, with the attributes. */
static void equals_schema_text_with_attributes(void) {
    ipm_layout *described = parse(DemoMmapStructure_schema);
    ipm_layout *written =
        parse(IPM_BASE_SCHEMA
              "struct Point2D { x: double (default 0.5, min 0); y: double (unit \"m\") }\n"
              "struct MultiPointsData { multi_data_int: int32; multi_points: Point2D[24] }\n"
              "struct DemoMmapStructure : BaseMmapStructure { data_int: int32 (min 1, max 9)\n"
              "  data_string: char[256] (default \"a\", doc \"text\"); data_xy: Point2D\n"
              "  multi_pts: MultiPointsData }\n");
    CHECK(ipm_type_equal(ipm_layout_type(described), ipm_layout_type(written)));
    ipm_layout_free(described);
    ipm_layout_free(written);
}

static void knows_every_scalar(void) {
    ipm_layout *layout = parse(Scalars_schema);
    const ipm_type *type = ipm_layout_type(layout);
    CHECK_INT(type->size, sizeof(Scalars));
    CHECK_STR(type->fields[1].type->name, "bool[3]");
    CHECK_STR(type->fields[10].type->name, "float[4][3]");
    CHECK_STR(type->fields[13].type->name, "char[4][16]");
    CHECK_INT(type->fields[13].offset, offsetof(Scalars, names));
    ipm_layout_free(layout);
}

static void shares_the_struct_member_by_member(void) {
    char dir[] = "/tmp/ipmmap-fields-XXXXXX";
    ipm_layout *layout = parse(DemoMmapStructure_schema);
    ipm_options options;
    ipm_segment *segment = NULL;
    ipm_error error;
    DemoMmapStructure copy;
    double x = 0;
    if (!CHECK(mkdtemp(dir) != NULL))
        return;
    memset(&options, 0, sizeof options); /* C++ has no designated initialisers of old */
    options.own_size = sizeof options;
    options.mmap_dir = dir;
    options.create = true;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, layout, &options, &segment, &error), IPM_OK);
    CHECK_INT(ipm_segment_lock(segment, 0, &error), IPM_OK);
    void *at =
        ipm_segment_change(segment, IPM_AT(DemoMmapStructure, multi_pts.multi_points[POINTS - 1]));
    Point2D *last = (Point2D *)at;
    last->x = 0.5;
    CHECK_INT(ipm_segment_unlock(segment, &error), IPM_OK);
    CHECK_INT(ipm_segment_read(segment,
                               IPM_AT(DemoMmapStructure, multi_pts.multi_points[POINTS - 1].x), &x,
                               &error),
              IPM_OK);
    CHECK(x == 0.5);
    CHECK_INT(ipm_segment_snapshot(segment, &copy, NULL, &error), IPM_OK);
    CHECK_INT(copy.header.header_code, IPM_HEADER_CODE);
    CHECK(copy.multi_pts.multi_points[POINTS - 1].x == 0.5);
    CHECK_INT(ipm_segment_destroy(segment, &error), IPM_OK);
    CHECK_INT(ipm_segment_close(segment, &error), IPM_OK);
    ipm_layout_free(layout);
    CHECK_INT(rmdir(dir), 0);
}

int main(void) {
    run("a table of fields gives the layout of the same schema text",
        gives_the_layout_of_the_same_schema_text);
    run("a table of fields is equal to schema text with attributes",
        equals_schema_text_with_attributes);
    run("a table of fields can have every scalar type", knows_every_scalar);
    run("a host can use the members of its own C struct", shares_the_struct_member_by_member);
    return done();
}
