/* Reads of 8 bytes per second by 1 to 8 processes together: under the lock, and without it. */
#include "../../src/core/word.h"
#include "../measure.h"
#include "open.h"

#include <stdio.h>

static void locked(void *with, uint64_t count) {
    ipm_segment *segment = with;
    for (uint64_t i = 0; i < count; i++) {
        ipm_segment_lock(segment, IPM_FOREVER, NULL);
        ipm_load_u64((const char *)ipm_segment_data(segment) + IPM_HEADER_SIZE);
        ipm_segment_unlock(segment, NULL);
    }
}

static void lock_free(void *with, uint64_t count) {
    ipm_segment *segment = with;
    uint64_t value;
    for (uint64_t i = 0; i < count; i++)
        ipm_segment_read(segment, IPM_HEADER_SIZE, sizeof value, &value, NULL);
}

static void *reader(void *with, int number) {
    (void)number;
    return open_demo(IPM_READER, with);
}

int main(void) {
    char tag[] = "readers";
    ipm_segment *manager = open_demo(IPM_MANAGER, tag);
    for (int count = 1; count <= 8; count *= 2) {
        char metric[32];
        snprintf(metric, sizeof metric, "readers.locked/%d", count);
        print(metric, rate_together(count, reader, locked, tag));
        snprintf(metric, sizeof metric, "readers.lock_free/%d", count);
        print(metric, rate_together(count, reader, lock_free, tag));
    }
    ipm_segment_destroy(manager, NULL);
}
