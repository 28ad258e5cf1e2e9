/*
 * Opening the segments that the core's benchmarks work on.
 */
#ifndef BENCH_OPEN_H
#define BENCH_OPEN_H

#include "../../src/ipmmap.h"

/* The struct that the documentation uses throughout: 688 bytes. */
#define DEMO_SCHEMA                                                                                \
    IPM_BASE_SCHEMA                                                                                \
    "struct Point2D { x: double y: double }\n"                                                     \
    "struct MultiPointsData { multi_data_int: int32 multi_points: Point2D[24] }\n"                 \
    "struct DemoMmapStructure : BaseMmapStructure {\n"                                             \
    "  data_int: int32 data_string: char[256] data_xy: Point2D multi_pts: MultiPointsData }\n"

/* Open the segment, or exit with the message. A manager replaces an existing segment. */
ipm_segment *open_segment(ipm_role role, const char *schema, const char *tag);

/* Make the segment anew, with a ring of `feed` bytes for feeds. */
ipm_segment *open_with_feed(const char *schema, const char *tag, uint64_t feed);

/* Open the segment of the demo struct with this tag. */
ipm_segment *open_demo(ipm_role role, const char *tag);

/* The schema of a struct of `size` bytes, a multiple of 8. It is valid until the next call. */
const char *sized_schema(uint64_t size);

/* Exit with the error's text if the code is an error. */
void check(int code, const ipm_error *error);

#endif
