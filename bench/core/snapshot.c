/*
 * Snapshots compared with a memcpy of the same size. Snapshots of 688 bytes are measured at rest,
 * and while a writer is stopped in a transaction that changed all bytes; snapshots of 64 MiB at
 * rest. Snapshot and memcpy are measured in turns, because the speed of memory varies.
 */
#include "../measure.h"
#include "open.h"

#include <stdlib.h>
#include <string.h>

typedef struct copying {
    ipm_segment *segment;
    const void *from;
    void *into;
    size_t size;
} copying;

static void snapshot(void *with, uint64_t count) {
    const copying *c = with;
    for (uint64_t i = 0; i < count; i++)
        ipm_segment_snapshot(c->segment, c->into, NULL, NULL);
}

/* A volatile pointer, so that the compiler neither drops a copy nor specialises it for its size. */
static void *(*volatile copy)(void *restrict, const void *restrict, size_t) = memcpy;

static void plain(void *with, uint64_t count) {
    const copying *c = with;
    for (uint64_t i = 0; i < count; i++)
        copy(c->into, c->from, c->size);
}

static void compare(const char *taken, const char *copied, const char *schema) {
    copying c = {.segment = open_segment(IPM_MANAGER, schema, "snapshot")};
    ipm_info info = {0};
    ipm_segment_info(c.segment, &info, NULL);
    ipm_segment_lock(c.segment, IPM_FOREVER, NULL);
    c.from = ipm_segment_data(c.segment);
    ipm_segment_unlock(c.segment, NULL);
    c.size = info.size;
    c.into = aligned_alloc(64, (c.size + 63) / 64 * 64);
    memset(c.into, 1, c.size);
    print(taken, measure(snapshot, &c));
    print(copied, measure(plain, &c));
    if (info.size == DEMO_SIZE) {
        ipm_segment_lock(c.segment, IPM_FOREVER, NULL);
        memset(ipm_segment_change(c.segment, IPM_HEADER_SIZE, c.size - IPM_HEADER_SIZE), 1,
               c.size - IPM_HEADER_SIZE);
        print("c.snapshot_stopped", measure(snapshot, &c));
        ipm_segment_rollback(c.segment, NULL);
    }
    ipm_segment_destroy(c.segment, NULL);
    free(c.into);
}

int main(void) {
    compare("c.snapshot", "floor.memcpy", DEMO_SCHEMA);
    compare("c.snapshot_64m", "floor.memcpy_64m", sized_schema(64 << 20));
}
