/*
 * Schema text that is accepted, with its canonical form, and text that is refused.
 */
#ifndef SPEC_SCHEMA_TEXT_H
#define SPEC_SCHEMA_TEXT_H

#include "../../src/core/layout.h"
#include "tap.h"

static ipm_error error;

static inline ipm_layout *parse(const char *text) {
    ipm_layout *layout = NULL;
    if (!CHECK_INT(ipm_layout_parse(text, strlen(text), &layout, &error), IPM_OK))
        printf("# %s\n# %s\n", error.text, text);
    return layout;
}

static inline void accepts(const char *text, const char *canonical) {
    ipm_layout *layout = parse(text), *again = NULL;
    if (layout == NULL)
        return;
    size_t length;
    CHECK_STR(ipm_layout_text(layout, &length), canonical);
    CHECK_INT(length, strlen(canonical));
    if (CHECK_INT(ipm_layout_parse(canonical, strlen(canonical), &again, &error), IPM_OK)) {
        CHECK_STR(ipm_layout_text(again, NULL), canonical);
        CHECK(ipm_type_equal(ipm_layout_type(layout), ipm_layout_type(again)));
    }
    ipm_layout_free(again);
    ipm_layout_free(layout);
}

static inline void refuses_bytes(const char *text, size_t length, const char *why) {
    ipm_layout *const untouched = (ipm_layout *)&error;
    ipm_layout *layout = untouched;
    memset(&error, 0, sizeof error);
    CHECK_INT(ipm_layout_parse(text, length, &layout, &error), IPM_EINVALID);
    CHECK_STR(error.text, why);
    CHECK_INT(error.code, IPM_EINVALID);
    CHECK(layout == untouched);
    CHECK_INT(ipm_layout_parse(text, length, &layout, NULL), IPM_EINVALID);
}

static inline void refuses(const char *text, const char *why) {
    refuses_bytes(text, strlen(text), why);
}

/* A text that differs from a correct one in one byte is refused, or its canonical text is parsed to
 * the same text. */
static inline void survives_changed_bytes(const char *correct) {
    char text[1024];
    size_t length = strlen(correct), parsed = 0;
    for (size_t i = 0; i < length; i++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(text, correct, length);
            text[i] = (char)byte;
            ipm_layout *layout, *again;
            if (ipm_layout_parse(text, length, &layout, &error) != IPM_OK) {
                if (error.code != IPM_EINVALID)
                    CHECK_INT(error.code, IPM_EINVALID);
                continue;
            }
            parsed++;
            size_t size;
            const char *canonical = ipm_layout_text(layout, &size);
            if (CHECK_INT(ipm_layout_parse(canonical, size, &again, NULL), IPM_OK)) {
                CHECK_STR(ipm_layout_text(again, NULL), canonical);
                CHECK(ipm_type_equal(ipm_layout_type(layout), ipm_layout_type(again)));
                ipm_layout_free(again);
            }
            ipm_layout_free(layout);
        }
    CHECK(parsed > length);
}

#endif
