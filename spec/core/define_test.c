/* Definitions from lists of fields and known structs: their layouts, and their errors. */
#include "../../src/core/schema.h"
#include "tap.h"

static ipm_error error;

/* The layouts in which find_type searches. It returns the last struct of a layout. */
static ipm_layout *registered[16];
static size_t registered_count;

static const ipm_type *find_type(void *context, const char *name) {
    (void)context;
    for (size_t i = 0; i < registered_count; i++)
        if (strcmp(ipm_layout_type(registered[i])->name, name) == 0)
            return ipm_layout_type(registered[i]);
    return NULL;
}

static void know(const char *text) {
    ipm_layout *layout;
    if (!CHECK_INT(ipm_layout_parse(text, strlen(text), &layout, &error), IPM_OK)) {
        printf("# %s\n", error.text);
        exit(EXIT_FAILURE);
    }
    registered[registered_count++] = layout;
}

static void forget_all(void) {
    while (registered_count > 0)
        ipm_layout_free(registered[--registered_count]);
}

#define POINT "struct Point { x: double; y: double }"
#define LINE POINT "struct Line { ends: Point[2]; label: char[8]; keys: char[3][1]; width: float }"
#define ARROW LINE "struct Arrow : Line { head: Point }"

static void know_shapes(void) {
    know(POINT);
    know(LINE);
    know(ARROW);
}

typedef struct pair {
    const char *name, *type;
} pair;

static ipm_declaration declarations[64];
static ipm_definition definition;

static int define(const char *name, const char *parent, const pair *pairs, ipm_layout **layout) {
    definition = (ipm_definition){
        .name = name, .parent = parent, .declarations = declarations, .known = {find_type, NULL}};
    for (; pairs[definition.count].name != NULL; definition.count++)
        declarations[definition.count] =
            (ipm_declaration){.name = pairs[definition.count].name,
                              .type = pairs[definition.count].type,
                              .length = strlen(pairs[definition.count].type)};
    memset(&error, 0, sizeof error);
    return ipm_layout_define(&definition, layout, &error);
}

/* The same by ipm_layout_compose, for a parent that is known. */
static int compose(size_t *untyped, ipm_layout **layout) {
    const ipm_type *parts[16];
    const ipm_type *parent = NULL;
    ipm_member members[64];
    for (size_t i = 0; i < registered_count; i++)
        parts[i] = ipm_layout_type(registered[i]);
    if (definition.parent != NULL)
        parent = find_type(NULL, definition.parent);
    for (size_t i = 0; i < definition.count; i++)
        members[i] =
            (ipm_member){declarations[i].name, declarations[i].type, declarations[i].length};
    memset(&error, 0, sizeof error);
    return ipm_layout_compose(definition.name, parent, members, definition.count, parts,
                              registered_count, untyped, layout, &error);
}

static bool has_known_parent(void) {
    return definition.parent == NULL || find_type(NULL, definition.parent) != NULL;
}

#define FIELDS(...) ((const pair[]){__VA_ARGS__{NULL, NULL}})

static void accepts(const char *name, const char *parent, const pair *pairs, const char *text) {
    ipm_layout *made = NULL, *composed = NULL, *parsed = NULL;
    size_t untyped = 0;
    if (!CHECK_INT(define(name, parent, pairs, &made), IPM_OK))
        printf("# %s\n", error.text);
    if (!CHECK_INT(compose(&untyped, &composed), IPM_OK))
        printf("# %s\n", error.text);
    CHECK_INT(untyped, definition.count);
    forget_all(); /* the layouts do not need the arguments any more */
    CHECK_INT(ipm_layout_parse(text, strlen(text), &parsed, &error), IPM_OK);
    if (CHECK(made != NULL && composed != NULL && parsed != NULL)) {
        CHECK_STR(ipm_layout_text(made, NULL), ipm_layout_text(parsed, NULL));
        CHECK_STR(ipm_layout_text(composed, NULL), ipm_layout_text(parsed, NULL));
        CHECK(ipm_type_equal(ipm_layout_type(made), ipm_layout_type(parsed)));
        CHECK_INT(ipm_layout_type(made)->size, ipm_layout_type(parsed)->size);
        CHECK_INT(ipm_layout_type(made)->align, ipm_layout_type(parsed)->align);
    }
    ipm_layout_free(made);
    ipm_layout_free(composed);
    ipm_layout_free(parsed);
}

static void refuses(const char *name, const char *parent, const pair *pairs, const char *why) {
    ipm_layout *const untouched = (ipm_layout *)&error;
    ipm_layout *layout = untouched;
    CHECK_INT(define(name, parent, pairs, &layout), IPM_EINVALID);
    CHECK_STR(error.text, why);
    CHECK(layout == untouched);
    CHECK_INT(ipm_layout_define(&definition, &layout, NULL), IPM_EINVALID);
    if (has_known_parent()) {
        const ipm_declaration *declared = definition.untyped;
        size_t untyped = SIZE_MAX;
        CHECK_INT(compose(&untyped, &layout), IPM_EINVALID);
        CHECK_STR(error.text, why);
        CHECK(layout == untouched);
        CHECK_INT(untyped, declared == NULL ? definition.count : (size_t)(declared - declarations));
    }
}

static void makes_what_text_makes(void) {
    know_shapes();
    accepts("Drawing", NULL,
            FIELDS({"count", "int32"}, {"points", " Point [ 4 ][24] "}, {"arrow", "Arrow"},
                   {"title", "char[64]"}, {"line", "Line"}, {"flags", "bool[2]"}, ),
            ARROW "struct Drawing { count: int32; points: Point[4][24]; arrow: Arrow;"
                  "title: char[64]; line: Line; flags: bool[2] }");
}

static void extends_known_structs(void) {
    know_shapes();
    accepts("Curve", "Arrow", FIELDS({"bend", "Point"}, {"more", "Line[2]"}, ),
            ARROW "struct Curve : Arrow { bend: Point; more: Line[2] }");
    know_shapes();
    accepts("Same", "Point", FIELDS(), POINT "struct Same : Point { }");
}

static void allows_equal_names_apart(void) {
    know_shapes();
    accepts("S", NULL, FIELDS({"x", "Point"}, {"y", "Line"}, {"ends", "int8"}, {"S", "int8"}, ),
            LINE "struct S { x: Point; y: Line; ends: int8; S: int8 }");
}

/* If two known structs have the same name, the first one is used, with its offsets. */
static void lays_known_structs_out_anew(void) {
    know("struct Point { x: int8[100] }");
    know(LINE);
    accepts("S", NULL, FIELDS({"point", "Point"}, {"line", "Line"}, ),
            "struct Point { x: int8[100] }"
            "struct Line { ends: Point[2]; label: char[8]; keys: char[3][1]; width: float }"
            "struct S { point: Point; line: Line }");
    know("struct Point { width: int8 }");
    know("struct Line { width: float }");
    know("struct Point { x: int8 } struct Arrow : Point { width: int8 }");
    refuses("S", NULL, FIELDS({"p", "Point"}, {"a", "Arrow"}, ),
            "S.a: there are two fields of that name");
    forget_all();
}

static void names_what_is_no_type(void) {
    know_shapes();
    static const char *const broken[] = {"",
                                         " ",
                                         "int32[",
                                         "int32[]",
                                         "int32[-1]",
                                         "2D",
                                         "int32[2]x",
                                         "int32]",
                                         "int32 y: int32",
                                         "int32;",
                                         "P\xc3\xb6int",
                                         "int32*",
                                         "int32}",
                                         "unsigned long"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char why[100], shown[20];
        snprintf(shown, sizeof shown, "%s",
                 strcmp(broken[i], "P\xc3\xb6int") == 0 ? "P??int" : broken[i]);
        snprintf(why, sizeof why, "S.x: '%s' is not a type", shown);
        refuses("S", NULL, FIELDS({"a", "Point"}, {"x", broken[i]}, ), why);
        CHECK(definition.untyped == &declarations[1]);
    }
    static const char *const unknown[] = {"int33", "Circle", "_Bool", "S"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        char why[200];
        snprintf(why, sizeof why,
                 "S.x: '%s' is neither a type (bool, char, char16, char32, int8 to uint64, float, "
                 "double) nor a registered struct or enumeration",
                 unknown[i]);
        refuses("S", NULL, FIELDS({"x", unknown[i]}, ), why);
        CHECK(definition.untyped == &declarations[0]);
    }
    declarations[0] = (ipm_declaration){.name = "x", .type = "int32\0;", .length = 7};
    CHECK_INT(ipm_layout_define(&definition, &registered[registered_count], &error), IPM_EINVALID);
    CHECK_STR(error.text, "S.x: 'int32?;' is not a type");
    forget_all();
}

static void names_the_field(void) {
    know_shapes();
    refuses("S", NULL, FIELDS({"a", "int8"}, {"b", "int8[0]"}, ),
            "S.b: 'int8[0]': an array has at least one element");
    CHECK(definition.untyped == NULL);
    refuses("S", NULL, FIELDS({"a", "int8[010]"}, ),
            "S.a: expected a decimal count, but there is '010'");
    refuses(
        "S", NULL, FIELDS({"a", "int8[1099511627777]"}, ),
        "S.a: an array of 1099511627777 elements of 1 bytes is larger than 1099511627776 bytes");
    refuses("S", NULL, FIELDS({"a", "int8[1099511627776]"}, {"b", "int8"}, ),
            "S.b: with 'b' the struct is larger than 1099511627776 bytes");
    refuses("S", NULL, FIELDS({"a", "int8"}, {"b", "Point"}, {"a", "int16"}, ),
            "S.a: there are two fields of that name");
    refuses("S", "Arrow", FIELDS({"new", "int8"}, {"label", "int8"}, ),
            "S.label: there are two fields of that name");
    refuses("Point", NULL, FIELDS({"a", "int8"}, {"b", "Point"}, ),
            "Point.b: a struct cannot be part of itself");
    refuses("Point", NULL, FIELDS({"a", "int8"}, {"b", "Arrow[2]"}, ),
            "Point.b: a struct cannot be part of itself");
    CHECK(definition.untyped == NULL);
    forget_all();
}

static void names_the_struct(void) {
    know_shapes();
    refuses("S", NULL, FIELDS(), "S: a struct needs a field or a parent");
    refuses("S", "Circle", FIELDS(), "S: unknown type 'Circle'");
    refuses("S", "int8", FIELDS(), "S: its parent 'int8' is not a struct");
    refuses("Line", "Arrow", FIELDS(), "Line: a struct cannot be part of itself");
    refuses("int8", NULL, FIELDS({"x", "int8"}, ),
            "int8: a struct cannot have the name of a scalar type");
    refuses("a b", NULL, FIELDS({"x", "int8"}, ), "a b: 'a b' is not a name");
    refuses("S", NULL, FIELDS({"x", "int8"}, {"1x", "int8"}, ), "S: '1x' is not a name");
    refuses("S", NULL, FIELDS({"", "int8"}, ), "S: '' is not a name");
    char name[IPM_MAX_NAME + 2] = {0}, why[200];
    memset(name, 'n', IPM_MAX_NAME + 1);
    snprintf(why, sizeof why, "S: '%s' is not a name", name);
    refuses("S", NULL, FIELDS({name, "int8"}, ), why);
    snprintf(why, sizeof why, "S.x: the name '%s' is longer than 63 characters", name);
    refuses("S", NULL, FIELDS({"x", name}, ), why);
    forget_all();
}

static void bounds_depth(void) {
    char deep[64 * 32], *end = deep;
    end += sprintf(end, "struct S1 { x: int8 }");
    for (int i = 2; i <= IPM_MAX_DEPTH - 1; i++)
        end += sprintf(end, "struct S%d { s: S%d }", i, i - 1);
    know(deep);
    ipm_layout *layout = NULL;
    CHECK_INT(define("S", NULL, FIELDS({"s", "S63"}, ), &layout), IPM_OK);
    ipm_layout_free(layout);
    refuses("S", NULL, FIELDS({"s", "S63[1]"}, ), "S.s: nested deeper than 64");
    char type[8 + 3 * 1000] = "char", *dimension = type + 4;
    for (int i = 0; i < 1000; i++)
        dimension += sprintf(dimension, "[1]");
    refuses("S", NULL, FIELDS({"s", type}, ), "S.s: nested deeper than 64");
    forget_all();
}

int main(void) {
    run("makes the same layout from known structs as from schema text", makes_what_text_makes);
    run("extends a known struct", extends_known_structs);
    run("allows fields of the same name in different structs", allows_equal_names_apart);
    run("copies the known structs into the new layout", lays_known_structs_out_anew);
    run("returns the text that is not a type", names_what_is_no_type);
    run("names the field in its errors", names_the_field);
    run("names the struct if the error is in no field", names_the_struct);
    run("refuses nesting beyond the limit, which includes the known structs", bounds_depth);
    return done();
}
