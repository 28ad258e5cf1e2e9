/*
 * What was changed after a version, found by the tags of the blocks.
 *
 * Tags only grow. So a list that is made while other processes commit has every block that was
 * changed before it was begun, and perhaps some that were changed later.
 */
#include "segment.h"

#include "error.h"

int ipm_segment_changed(ipm_segment *segment, uint64_t version, ipm_range *range,
                        ipm_error *error) {
    const ipm_memory *memory = &segment->data.memory;
    int code = ipm_segment_check(segment, error);
    if (code != IPM_OK)
        return code;
    uint64_t since = ipm_sequence_after(memory, version);
    if (since == 0)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: there is no version %llu yet", segment->name,
                        (unsigned long long)version);
    uint64_t count = ipm_block_count(memory->size);
    uint64_t from = ipm_block_count(range->offset + range->size);
    uint64_t first = ipm_next_saved(memory, since, from, count), last = first;
    while (last < count && ipm_next_saved(memory, since, last, last + 1) == last)
        last++;
    uint64_t end = last << IPM_BLOCK_SHIFT;
    range->offset = first << IPM_BLOCK_SHIFT;
    range->size = (end < memory->size ? end : memory->size) - range->offset;
    if (first >= count)
        *range = (ipm_range){memory->size, 0};
    return IPM_OK;
}
