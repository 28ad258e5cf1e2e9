/* The layouts of lists, optional types, packed structs, and UTF-16 and UTF-32 text, as C has them.
 */
#include "schema_text.h"

#include <stddef.h>

typedef struct point {
    double x;
    int8_t y;
} point;

#pragma pack(push, 1)
typedef struct tight {
    int8_t a;
    double b;
    int16_t c[3];
    point p;
    bool d;
} tight;
#pragma pack(pop)
#pragma pack(push, 2)
typedef struct pairs {
    int8_t a;
    double b;
    int8_t c;
    int16_t d;
    tight t;
    int32_t e;
    int8_t f;
} pairs;
#pragma pack(pop)
#pragma pack(push, 4)
typedef struct quads {
    point p;
    int8_t a;
    double b;
    char c;
} quads;
#pragma pack(pop)
#pragma pack(push, 8)
typedef struct eights {
    int8_t a;
    double b;
    int8_t c;
} eights;
#pragma pack(pop)
#pragma pack(push, 2)
typedef struct child {
    point parent;
    int8_t a;
    int32_t b;
} child;
#pragma pack(pop)
typedef struct grandchild {
    child parent;
    double a;
} grandchild;

#define POINT "struct Point {\n  x: double\n  y: int8\n}\n"
#define TIGHT                                                                                      \
    "struct Tight (pack 1) {\n  a: int8\n  b: double\n  c: int16[3]\n  p: Point\n  d: bool\n}\n"
#define PAIRS                                                                                      \
    "struct Pairs (pack 2) {\n  a: int8\n  b: double\n  c: int8\n  d: int16\n  t: Tight\n"         \
    "  e: int32\n  f: int8\n}\n"

/* The offset of the struct's field number `i` in the schema is as in C. */
static void has_offsets(const ipm_type *type, size_t size, size_t align, const size_t *offsets) {
    CHECK_INT(type->size, size);
    CHECK_INT(type->align, align);
    for (uint64_t i = 0; i < type->count; i++)
        if (!CHECK_INT(type->fields[i].offset, offsets[i]))
            printf("# %s.%s\n", type->name, type->fields[i].name);
}

#define AT(type, member) offsetof(type, member)
#define OFFSETS(...) ((const size_t[]){__VA_ARGS__})

static void packs_as_c_does(void) {
    ipm_layout *layout = parse(POINT TIGHT PAIRS);
    if (layout == NULL)
        return;
    const ipm_type *type = ipm_layout_type(layout);
    has_offsets(type, sizeof(pairs), _Alignof(pairs),
                OFFSETS(AT(pairs, a), AT(pairs, b), AT(pairs, c), AT(pairs, d), AT(pairs, t),
                        AT(pairs, e), AT(pairs, f)));
    CHECK_INT(type->pack, 2);
    has_offsets(type->fields[4].type, sizeof(tight), _Alignof(tight),
                OFFSETS(AT(tight, a), AT(tight, b), AT(tight, c), AT(tight, p), AT(tight, d)));
    ipm_layout_free(layout);

    layout = parse(POINT "struct Quads (pack 4) { p: Point; a: int8; b: double; c: char }");
    has_offsets(ipm_layout_type(layout), sizeof(quads), _Alignof(quads),
                OFFSETS(AT(quads, p), AT(quads, a), AT(quads, b), AT(quads, c)));
    ipm_layout_free(layout);

    layout = parse("struct Eights (pack 8) { a: int8; b: double; c: int8 }");
    has_offsets(ipm_layout_type(layout), sizeof(eights), _Alignof(eights),
                OFFSETS(AT(eights, a), AT(eights, b), AT(eights, c)));
    ipm_layout_free(layout);
}

static void packs_children(void) {
    ipm_layout *layout = parse(POINT "struct Child : Point (pack 2) { a: int8; b: int32 }"
                                     "struct Grandchild : Child { c: double }");
    if (layout == NULL)
        return;
    const ipm_type *type = ipm_layout_type(layout);
    has_offsets(type->parent, sizeof(child), _Alignof(child),
                OFFSETS(AT(child, parent.x), AT(child, parent.y), AT(child, a), AT(child, b)));
    has_offsets(type, sizeof(grandchild), _Alignof(grandchild),
                OFFSETS(AT(child, parent.x), AT(child, parent.y), AT(child, a), AT(child, b),
                        AT(grandchild, a)));
    ipm_layout_free(layout);
}

static void keeps_canonical_text(void) {
    accepts(POINT TIGHT PAIRS, POINT TIGHT PAIRS);
    accepts("struct A (pack 8) {\n  x: int8\n}\n", "struct A (pack 8) {\n  x: int8\n}\n");
    accepts("struct A{x:int8[ <= 4 ];y:int8 ?;z:char[4][<=2];t:char[1]?;u:char[4][1][<=2];"
            "v:char16[4][1]}",
            "struct A {\n  x: int8[<=4]\n  y: int8?\n  z: char[4][<=2]\n  t: char?\n"
            "  u: char[4][1][<=2]\n  v: char16[4][1]\n}\n");
}

static void refuses_bad_packs(void) {
    refuses("struct A (pack 3) { x: int8 }", "A: line 1: pack is 1, 2, 4 or 8, not 3");
    refuses("struct A (pack 0) { x: int8 }", "A: line 1: pack is 1, 2, 4 or 8, not 0");
    refuses("struct A (pack 16) { x: int8 }", "A: line 1: pack is 1, 2, 4 or 8, not 16");
    refuses("struct A (pack 18446744073709551617) { x: int8 }",
            "A: line 1: pack is 1, 2, 4 or 8, not 18446744073709551615");
    refuses("struct A (pack) { x: int8 }", "A: line 1: expected a count, but there is ')'");
    refuses("struct A (align 1) { x: int8 }", "A: line 1: expected 'pack', but there is 'align'");
    refuses("struct A () { x: int8 }", "A: line 1: expected 'pack', but there is ')'");
    refuses("struct A (pack 1) (pack 1) { x: int8 }", "A: line 1: expected '{', but there is '('");
}

static void refuses_packed_shared_structs(void) {
    static const char why[] = "a shared struct cannot be packed: put the fields into a packed "
                              "struct, and that into this one";
    char expected[256];
    snprintf(expected, sizeof expected, "A: line 8: %s", why);
    refuses(IPM_BASE_SCHEMA "struct A : BaseMmapStructure (pack 1) { x: int8 }", expected);
    refuses(IPM_BASE_SCHEMA "struct B : BaseMmapStructure { y: int8 } struct A : B (pack 8) { }",
            expected);
    ipm_layout *base = parse(IPM_BASE_SCHEMA), *made;
    const ipm_type *parent = ipm_layout_type(base);
    const ipm_member member = {"x", "int8", 4};
    CHECK_INT(ipm_layout_compose("A (pack 1)", parent, &member, 1, &parent, 1, NULL, &made, &error),
              IPM_EINVALID);
    snprintf(expected, sizeof expected, "A: %s", why);
    CHECK_STR(error.text, expected);
    ipm_layout_free(base);
}

/* A base that is laid out in another way, or has attributes, makes no shared struct. */
static void knows_the_base_exactly(void) {
    static const char *const bases[] = {
        "struct MmapStructureHeader (pack 1) { header_code: int16 time_stamp: double }"
        "struct BaseMmapStructure { header: MmapStructureHeader }",
        "struct MmapStructureHeader { header_code: int16 time_stamp: double }"
        "struct BaseMmapStructure (pack 8) { header: MmapStructureHeader }",
        "struct MmapStructureHeader { header_code: int16 time_stamp: double (default 1) }"
        "struct BaseMmapStructure { header: MmapStructureHeader }",
        "struct MmapStructureHeader { header_code: int16 (min 5) time_stamp: double }"
        "struct BaseMmapStructure { header: MmapStructureHeader }",
        "enum Code : int16 { a = 1 }"
        "struct MmapStructureHeader { header_code: Code time_stamp: double }"
        "struct BaseMmapStructure { header: MmapStructureHeader }",
        "struct MmapStructureHeader { header_code: int16 time_stamp: double }"
        "struct BaseMmapStructure { header: MmapStructureHeader? }",
        "struct MmapStructureHeader { header_code: int16 time_stamp: double }"
        "struct BaseMmapStructure { header: MmapStructureHeader[<=1] }",
    };
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        char text[512];
        snprintf(text, sizeof text, "%s struct S : BaseMmapStructure { x: int8 }", bases[i]);
        ipm_layout *layout = parse(text);
        if (layout != NULL && !CHECK(!ipm_type_is_shared(ipm_layout_type(layout))))
            printf("# %s\n", text);
        ipm_layout_free(layout);
    }
}

/* ---- Lists and optional types ------------------------------------------------------------- */

#define LIST(type, n)                                                                              \
    struct {                                                                                       \
        uint32_t count;                                                                            \
        type items[n];                                                                             \
    }
#define OPTIONAL(type)                                                                             \
    struct {                                                                                       \
        bool present;                                                                              \
        type value;                                                                                \
    }

typedef char text16[16];

typedef struct dynamic {
    LIST(int8_t, 5) a;
    LIST(double, 3) b;
    LIST(point, 7) c;
    LIST(tight, 2) d;
    LIST(text16, 2) e;
    OPTIONAL(int8_t) f;
    OPTIONAL(double) g;
    OPTIONAL(point) h;
    OPTIONAL(tight) i;
    struct {
        bool present;
        int16_t value[3];
    } j;
    LIST(bool, 4294967) k;
} dynamic;

static void lays_lists_out_as_c(void) {
    ipm_layout *layout =
        parse(POINT TIGHT "struct D { a: int8[<=5]; b: double[<=3]; c: Point[<=7]; d: Tight[<=2]; "
                          "e: char[16][<=2]; f: int8?; g: double?; h: Point?; i: Tight?; "
                          "j: int16[3]?; k: bool[<=4294967] }");
    if (layout == NULL)
        return;
    const ipm_type *type = ipm_layout_type(layout);
    has_offsets(type, sizeof(dynamic), _Alignof(dynamic),
                OFFSETS(AT(dynamic, a), AT(dynamic, b), AT(dynamic, c), AT(dynamic, d),
                        AT(dynamic, e), AT(dynamic, f), AT(dynamic, g), AT(dynamic, h),
                        AT(dynamic, i), AT(dynamic, j), AT(dynamic, k)));
    const size_t inner[] = {
        AT(dynamic, a.items) - AT(dynamic, a), AT(dynamic, b.items) - AT(dynamic, b),
        AT(dynamic, c.items) - AT(dynamic, c), AT(dynamic, d.items) - AT(dynamic, d),
        AT(dynamic, e.items) - AT(dynamic, e), AT(dynamic, f.value) - AT(dynamic, f),
        AT(dynamic, g.value) - AT(dynamic, g), AT(dynamic, h.value) - AT(dynamic, h),
        AT(dynamic, i.value) - AT(dynamic, i), AT(dynamic, j.value) - AT(dynamic, j),
        AT(dynamic, k.items) - AT(dynamic, k)};
    for (uint64_t i = 0; i < type->count; i++)
        CHECK_INT(type->fields[i].type->inner, inner[i]);
    const ipm_type *b = type->fields[1].type, *j = type->fields[9].type;
    CHECK_INT(b->kind, IPM_LIST);
    CHECK_INT(b->count, 3);
    CHECK_STR(b->name, "double[<=3]");
    CHECK_STR(b->element->name, "double");
    CHECK_INT(j->kind, IPM_OPTIONAL);
    CHECK_INT(j->count, 1);
    CHECK_STR(j->name, "int16[3]?");
    CHECK_INT(ipm_node_of(j)->depth, 2);
    CHECK(ipm_node_of(type)->is_dynamic && ipm_node_of(type)->has_bool);
    CHECK(!ipm_node_of(b)->has_bool && ipm_node_of(j)->has_bool);
    CHECK(!ipm_node_of(type)->is_limited && !ipm_node_of(type)->has_initial);
    ipm_layout_free(layout);
}

static void keeps_kinds_apart(void) {
    ipm_layout *layout = parse("struct S { a: int8[4]; b: int8[<=4]; c: int8?; d: int8[1]; "
                               "e: int8[<=1]; f: int8[4]; g: int8[<=4]; h: int8? }");
    if (layout == NULL)
        return;
    const ipm_field *fields = ipm_layout_type(layout)->fields;
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            CHECK(fields[i].type != fields[j].type);
    for (int i = 0; i < 3; i++)
        CHECK(fields[i].type == fields[i + 5].type);
    ipm_layout_free(layout);
}

static void bounds_lists(void) {
    accepts("struct S { x: int8[<=4294967295] }", "struct S {\n  x: int8[<=4294967295]\n}\n");
    accepts("struct S { x: int8[<=1] }", "struct S {\n  x: int8[<=1]\n}\n");
    refuses("struct S { x: int8[<=4294967296] }",
            "S: line 1: a list holds 1 to 4294967295 elements, not 4294967296");
    refuses("struct S { x: int8[<=0] }", "S: line 1: a list holds 1 to 4294967295 elements, not 0");
    refuses("struct S { x: int8[1099511627776][<=1] }",
            "S: line 1: 1099511627780 bytes are more than 1099511627776");
    accepts("struct S { x: int8[1099511627772][<=1] }",
            "struct S {\n  x: int8[1099511627772][<=1]\n}\n");
    refuses("struct S { x: int8[1099511627776]? }",
            "S: line 1: 1099511627777 bytes are more than 1099511627776");
    refuses("struct S { x: int8[1099511627776][<=2] }",
            "S: line 1: an array of 2 elements of 1099511627776 bytes is larger than "
            "1099511627776 bytes");
    refuses("struct S { x: int8[<=4][2] }",
            "S: line 1: an array of lists: put the list into a struct");
    refuses("struct S { x: int8[<=4][<=2] }",
            "S: line 1: an array of lists: put the list into a struct");
    refuses("struct S { x: int8[<=4]? }",
            "S: line 1: an optional list: put the list into a struct");
    refuses("struct S { x: int8?[2] }",
            "S: line 1: an array of optional values: put the optional value into a struct");
    refuses("struct S { x: int8?? }", "S: line 1: expected a field name or '}', but there is '?'");
    refuses("struct S { x: int8[<4] }", "S: line 1: expected '=', but there is '4'");
    refuses("struct S { x: int8[<=] }", "S: line 1: expected a count, but there is ']'");
    refuses("struct S { x: int8[<= }", "S: line 1: expected a count, but there is '}'");
    accepts("struct L { l: int8[<=4] } struct S { x: L[<=2]; y: L?; z: L[3] }",
            "struct L {\n  l: int8[<=4]\n}\nstruct S {\n  x: L[<=2]\n  y: L?\n  z: L[3]\n}\n");
}

static void bounds_depth(void) {
    char text[8192], *end = text;
    end += sprintf(end, "struct S1 { x: int8 }");
    for (int i = 2; i <= IPM_MAX_DEPTH - 2; i++)
        end += sprintf(end, "struct S%d { x: S%d }", i, i - 1);
    static const char *const suffixes[] = {"?", "[<=2]"};
    for (int i = 0; i < 2; i++) {
        sprintf(end, "struct S { x: S62%s }", suffixes[i]);
        ipm_layout_free(parse(text));
        sprintf(end, "struct S { x: S62[2]%s }", suffixes[i]);
        refuses(text, "S: line 1: nested deeper than 64");
    }
}

/* ---- Text -------------------------------------------------------------------------------- */

static void describes_wide_text(void) {
    ipm_layout *layout = parse("struct S { a: int8; b: char16[3]; c: char32[5]; d: char16; "
                               "e: char32[4][2]; f: char16[2][1] }");
    if (layout == NULL)
        return;
    const ipm_field *fields = ipm_layout_type(layout)->fields;
    CHECK_INT(fields[1].offset, 2);
    CHECK_INT(fields[1].type->kind, IPM_CHAR16);
    CHECK_INT(fields[1].type->size, 6);
    CHECK_INT(fields[1].type->align, 2);
    CHECK_STR(fields[1].type->name, "char16[3]");
    CHECK_INT(fields[2].type->kind, IPM_CHAR32);
    CHECK_INT(fields[2].type->size, 20);
    CHECK_INT(fields[2].type->align, 4);
    CHECK_STR(fields[3].type->name, "char16");
    CHECK_INT(fields[4].type->kind, IPM_ARRAY);
    CHECK_INT(fields[4].type->count, 4);
    CHECK_INT(fields[4].type->element->size, 8);
    CHECK_STR(fields[5].type->name, "char16[2][1]");
    CHECK_INT(fields[5].type->element->kind, IPM_CHAR16);
    ipm_layout_free(layout);
    refuses("struct S { x: char16[549755813889] }",
            "S: line 1: an array of 549755813889 elements of 2 bytes is larger than 1099511627776 "
            "bytes");
    refuses("struct S { x: char32[0] }", "S: line 1: an array of 0 elements");
}

int main(void) {
    run("packs structs as C's #pragma pack does", packs_as_c_does);
    run("packs a child's own fields, and aligns what extends it", packs_children);
    run("returns canonical text unchanged", keeps_canonical_text);
    run("refuses a pack that is not 1, 2, 4 or 8", refuses_bad_packs);
    run("refuses to pack a shared struct", refuses_packed_shared_structs);
    run("takes no struct for shared whose base is not exactly the common one",
        knows_the_base_exactly);
    run("lays lists and optional types out as C does", lays_lists_out_as_c);
    run("keeps arrays, lists and optional types apart", keeps_kinds_apart);
    run("refuses lists beyond the limits, and lists of lists", bounds_lists);
    run("counts lists and optional types as levels", bounds_depth);
    run("describes UTF-16 and UTF-32 text", describes_wide_text);
    return done();
}
