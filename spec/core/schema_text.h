/*
 * Schema text that is accepted, with its canonical form, and text that is refused.
 */
#ifndef SPEC_SCHEMA_TEXT_H
#define SPEC_SCHEMA_TEXT_H

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

static void refuses(const char *text, const char *why) {
    ipm_layout *const untouched = (ipm_layout *)&error;
    ipm_layout *layout = untouched;
    memset(&error, 0, sizeof error);
    CHECK_INT(ipm_layout_parse(text, strlen(text), &layout, &error), IPM_EINVALID);
    CHECK_STR(error.text, why);
    CHECK(layout == untouched);
}

#endif
