/* Layouts: their types, sizes, offsets and functions. */
#include "../../src/ipmmap.h"
#include "tap.h"

static ipm_layout *parse(const char *text) {
    ipm_layout *layout = NULL;
    ipm_error error;
    if (!CHECK_INT(ipm_layout_parse(text, strlen(text), &layout, &error), IPM_OK)) {
        printf("# %s\n", error.text);
        exit(EXIT_FAILURE);
    }
    return layout;
}

static const ipm_field *field(const ipm_layout *layout, const char *name) {
    const ipm_field *found = ipm_type_field(ipm_layout_type(layout), name, strlen(name));
    if (found == NULL) {
        printf("Bail out! no field %s\n", name);
        exit(EXIT_FAILURE);
    }
    return found;
}

#define DEMO                                                                                       \
    IPM_BASE_SCHEMA                                                                                \
    "struct Point2D { x: double; y: double }\n"                                                    \
    "struct MultiPointsData { multi_data_int: int32; multi_points: Point2D[24] }\n"                \
    "struct DemoMmapStructure : BaseMmapStructure {\n"                                             \
    "  data_int: int32; data_string: char[256]; data_xy: Point2D; multi_pts: MultiPointsData\n"    \
    "}\n"

static void lays_out_the_demo(void) {
    ipm_layout *layout = parse(DEMO);
    const ipm_type *type = ipm_layout_type(layout);
    CHECK_STR(type->name, "DemoMmapStructure");
    CHECK_INT(type->kind, IPM_STRUCT);
    CHECK_INT(type->size, 688);
    CHECK_INT(type->align, 8);
    CHECK_INT(type->count, 5);
    CHECK_STR(type->fields[0].name, "header");
    CHECK_STR(type->parent->name, "BaseMmapStructure");
    CHECK_INT(type->parent->size, IPM_HEADER_SIZE);
    CHECK_INT(field(layout, "data_int")->offset, 16);
    CHECK_INT(field(layout, "data_string")->offset, 20);
    CHECK_INT(field(layout, "data_xy")->offset, 280);
    CHECK_INT(field(layout, "multi_pts")->offset, 296);
    ipm_layout_free(layout);
}

static void describes_every_scalar(void) {
    static const struct {
        const char *name;
        ipm_kind kind;
        uint64_t size;
    } scalars[] = {
        {"bool", IPM_BOOL, 1},     {"int8", IPM_INT8, 1},     {"uint8", IPM_UINT8, 1},
        {"int16", IPM_INT16, 2},   {"uint16", IPM_UINT16, 2}, {"int32", IPM_INT32, 4},
        {"uint32", IPM_UINT32, 4}, {"int64", IPM_INT64, 8},   {"uint64", IPM_UINT64, 8},
        {"float", IPM_FLOAT, 4},   {"double", IPM_DOUBLE, 8}, {"char", IPM_CHAR, 1},
    };
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        char text[64];
        snprintf(text, sizeof text, "struct A { pad: int8; it: %s }", scalars[i].name);
        ipm_layout *layout = parse(text);
        const ipm_field *it = field(layout, "it");
        CHECK_STR(it->type->name, scalars[i].name);
        CHECK_INT(it->type->kind, scalars[i].kind);
        CHECK_INT(it->type->size, scalars[i].size);
        CHECK_INT(it->type->align, scalars[i].size);
        CHECK_INT(it->offset, scalars[i].size);
        CHECK_INT(ipm_layout_type(layout)->size, 2 * scalars[i].size);
        ipm_layout_free(layout);
    }
}

static void describes_arrays(void) {
    ipm_layout *layout = parse("struct P { x: int16; y: int8 }"
                               "struct A { p: P[4][3]; t: char[4][16]; c: char; one: char[1] }");
    const ipm_type *p = field(layout, "p")->type, *t = field(layout, "t")->type;
    CHECK_STR(p->name, "P[4][3]");
    CHECK_INT(p->kind, IPM_ARRAY);
    CHECK_INT(p->count, 4);
    CHECK_INT(p->size, 48);
    CHECK_INT(p->align, 2);
    CHECK_STR(p->element->name, "P[3]");
    CHECK_INT(p->element->count, 3);
    CHECK_STR(p->element->element->name, "P");
    CHECK_STR(t->name, "char[4][16]");
    CHECK_INT(t->kind, IPM_ARRAY);
    CHECK_INT(t->count, 4);
    CHECK_STR(t->element->name, "char[16]");
    CHECK_INT(t->element->kind, IPM_CHAR);
    CHECK_INT(t->element->size, 16);
    CHECK_INT(field(layout, "c")->type->kind, IPM_CHAR);
    CHECK_INT(field(layout, "one")->type->kind, IPM_CHAR);
    CHECK_INT(field(layout, "one")->type->size, 1);
    ipm_layout_free(layout);
}

static void shares_types(void) {
    ipm_layout *layout = parse("struct P { x: int16 }"
                               "struct A { a: P[2]; b: P[2]; c: char[8]; d: char[8]; e: P[2][2] }");
    CHECK(field(layout, "a")->type == field(layout, "b")->type);
    CHECK(field(layout, "a")->type == field(layout, "e")->type->element);
    CHECK(field(layout, "c")->type == field(layout, "d")->type);
    ipm_layout_free(layout);
}

static void starts_own_fields_at_the_parents_size(void) {
    ipm_layout *layout = parse("struct P { x: double; y: int8 }"
                               "struct C : P { z: int8 }"
                               "struct D : C { }"
                               "struct E : D { w: int16 }");
    CHECK_INT(ipm_layout_type(layout)->count, 4);
    CHECK_INT(field(layout, "y")->offset, 8);
    CHECK_INT(field(layout, "z")->offset, 16);
    CHECK_INT(field(layout, "w")->offset, 24);
    CHECK_INT(ipm_layout_type(layout)->size, 32);
    ipm_layout_free(layout);
}

static bool is_shared(const char *text) {
    ipm_layout *layout = parse(text);
    bool shared = ipm_type_is_shared(ipm_layout_type(layout));
    ipm_layout_free(layout);
    return shared;
}

static void knows_what_can_be_shared(void) {
    CHECK(is_shared(DEMO));
    CHECK(is_shared(IPM_BASE_SCHEMA));
    CHECK(is_shared(IPM_BASE_SCHEMA "struct A : BaseMmapStructure { } struct B : A { x: int8 }"));
    CHECK(!is_shared(IPM_BASE_SCHEMA "struct A { x: int8 }"));
    CHECK(!is_shared(IPM_BASE_SCHEMA "struct A { base: BaseMmapStructure }"));
    CHECK(!is_shared(IPM_BASE_SCHEMA "struct A { header: MmapStructureHeader }"));
}

static void is_not_fooled_by_the_bases_name(void) {
    CHECK(!is_shared("struct BaseMmapStructure { x: int8 } struct A : BaseMmapStructure { }"));
    CHECK(!is_shared("struct MmapStructureHeader { header_code: int16; time_stamp: float }"
                     "struct BaseMmapStructure { header: MmapStructureHeader }"));
    CHECK(!is_shared("struct MmapStructureHeader { header_code: int16; time_stamp: double }"
                     "struct BaseMmapStructure { header: MmapStructureHeader[1] }"));
    CHECK(!is_shared("struct MmapStructureHeader { header_code: int16; time_stamp: double }"
                     "struct P { x: int8 }"
                     "struct BaseMmapStructure : P { header: MmapStructureHeader }"));
    ipm_layout *layout = parse(DEMO);
    CHECK(!ipm_type_is_shared(field(layout, "data_int")->type));
    CHECK(!ipm_type_is_shared(field(layout, "data_xy")->type));
    ipm_layout_free(layout);
}

static void finds_fields_by_their_whole_name(void) {
    ipm_layout *layout = parse("struct A { x: int8; xy: int8 }");
    const ipm_type *type = ipm_layout_type(layout);
    CHECK(ipm_type_field(type, "xyz", 2) == &type->fields[1]);
    CHECK(ipm_type_field(type, "xy", 1) == &type->fields[0]);
    CHECK(ipm_type_field(type, "x\0z", 3) == NULL);
    CHECK(ipm_type_field(type, "", 0) == NULL);
    CHECK(ipm_type_field(type, "xyz", 3) == NULL);
    CHECK(ipm_type_field(type->fields[0].type, "x", 1) == NULL);
    ipm_layout_free(layout);
}

static void frees_nothing(void) {
    ipm_layout_free(NULL);
}

int main(void) {
    run("lays out the demo struct in 688 bytes", lays_out_the_demo);
    run("has the size, alignment and name of every scalar", describes_every_scalar);
    run("has arrays of arrays, and a text for the innermost dimension of char", describes_arrays);
    run("makes each type once", shares_types);
    run("starts a child's own fields at its parent's size", starts_own_fields_at_the_parents_size);
    run("tells which structs extend the base", knows_what_can_be_shared);
    run("does not accept another struct that has the base's name", is_not_fooled_by_the_bases_name);
    run("finds a field by its whole name only", finds_fields_by_their_whole_name);
    run("frees NULL", frees_nothing);
    return done();
}
