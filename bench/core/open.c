#include "open.h"

#include "../measure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check(int code, const ipm_error *error) {
    if (code == IPM_OK)
        return;
    fprintf(stderr, "%s\n", error->text);
    exit(1);
}

static ipm_segment *open_it(ipm_role role, const char *schema, const char *tag, uint64_t feed) {
    ipm_layout *layout;
    ipm_segment *segment;
    ipm_error error;
    bool makes = role == IPM_MANAGER;
    ipm_options options = {.own_size = sizeof options,
                           .tag = tag,
                           .mmap_dir = place("segments"),
                           .create = makes,
                           .force = makes,
                           .feed = feed};
    check(ipm_layout_parse(schema, strlen(schema), &layout, &error), &error);
    check(ipm_segment_open(role, layout, &options, &segment, &error), &error);
    return segment;
}

ipm_segment *open_segment(ipm_role role, const char *schema, const char *tag) {
    return open_it(role, schema, tag, 0);
}

ipm_segment *open_with_feed(const char *schema, const char *tag, uint64_t feed) {
    return open_it(IPM_MANAGER, schema, tag, feed);
}

ipm_segment *open_demo(ipm_role role, const char *tag) {
    return open_segment(role, DEMO_SCHEMA, tag);
}

const char *sized_schema(uint64_t size) {
    static char text[512];
    if (size > IPM_HEADER_SIZE)
        snprintf(text, sizeof text,
                 "%sstruct Sized%" PRIu64 " : BaseMmapStructure { words: double[%" PRIu64 "] }\n",
                 IPM_BASE_SCHEMA, size, (size - IPM_HEADER_SIZE) / 8);
    else
        snprintf(text, sizeof text, "%s", IPM_BASE_SCHEMA);
    return text;
}
