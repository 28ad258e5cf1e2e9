/* Read 4 bytes: under the read lock, one process alone and two at once; and without the lock. */
#include "../../src/core/word.h"
#include "../measure.h"
#include "open.h"

static void look(void *with, uint64_t count) {
    ipm_segment *segment = with;
    for (uint64_t i = 0; i < count; i++) {
        ipm_segment_lock(segment, IPM_FOREVER, NULL);
        ipm_load_u32((const char *)ipm_segment_data(segment) + IPM_HEADER_SIZE);
        ipm_segment_unlock(segment, NULL);
    }
}

static void look_freely(void *with, uint64_t count) {
    uint32_t seen;
    for (uint64_t i = 0; i < count; i++)
        ipm_segment_read(with, IPM_HEADER_SIZE, sizeof seen, &seen, NULL);
}

static void *reader(void *with, int number) {
    (void)number;
    return open_demo(IPM_READER, with);
}

int main(void) {
    char tag[] = "read";
    ipm_segment *manager = open_demo(IPM_MANAGER, tag);
    print("c.read", measure_together(1, reader, look, tag));
    print("c.read_2", measure_together(2, reader, look, tag));
    print("c.read_free", measure(look_freely, manager));
    ipm_segment_destroy(manager, NULL);
}
