/* Lock for writing, change 4 bytes, or four fields, commit: in 688 bytes, and in 64 MiB. */
#include "../../src/core/word.h"
#include "../measure.h"
#include "open.h"

static void update(void *with, uint64_t count) {
    ipm_segment *segment = with;
    for (uint64_t i = 0; i < count; i++) {
        ipm_segment_lock(segment, IPM_FOREVER, NULL);
        ipm_store_u32(ipm_segment_change(segment, IPM_HEADER_SIZE, 4), (uint32_t)i);
        ipm_segment_unlock(segment, NULL);
    }
}

/* The fields lie side by side, so only the first change saves their block. */
static void update_4(void *with, uint64_t count) {
    ipm_segment *segment = with;
    for (uint64_t i = 0; i < count; i++) {
        ipm_segment_lock(segment, IPM_FOREVER, NULL);
        ipm_store_u32(ipm_segment_change(segment, 16, 4), (uint32_t)i);
        ipm_store_u32(ipm_segment_change(segment, 20, 4), 1);
        ipm_store_u64(ipm_segment_change(segment, 24, 8), i);
        ipm_store_u64(ipm_segment_change(segment, 32, 8), i);
        ipm_segment_unlock(segment, NULL);
    }
}

static void lock_only(void *with, uint64_t count) {
    ipm_segment *segment = with;
    for (uint64_t i = 0; i < count; i++) {
        ipm_segment_lock(segment, IPM_FOREVER, NULL);
        ipm_segment_unlock(segment, NULL);
    }
}

int main(void) {
    ipm_segment *small = open_demo(IPM_MANAGER, "write");
    ipm_segment *big = open_segment(IPM_MANAGER, sized_schema(64 << 20), "write");
    print("c.write", measure(update, small));
    print("c.write_4", measure(update_4, small));
    print("c.write_64m", measure(update, big));
    print("c.write_nothing", measure(lock_only, small));
    ipm_segment_destroy(small, NULL);
    ipm_segment_destroy(big, NULL);
}
