#include "memory.h"

#include "../core/transaction.h"

/* Makes whole blocks ready for changes, which costs the same as one byte of each block. */
unsigned char *lipm_makeready(lipm_memory *memory, uint64_t offset, uint64_t size) {
    uint64_t first = offset & ~(IPM_BLOCK_SIZE - 1);
    uint64_t last = (offset + size + IPM_BLOCK_SIZE - 1) & ~(IPM_BLOCK_SIZE - 1);
    uint64_t end = last < memory->type->size ? last : memory->type->size;
    unsigned char *ready = ipm_segment_change(memory->segment, first, end - first);
    if (ready == NULL)
        return NULL;
    memory->ready = ready;
    memory->ready_offset = first;
    memory->ready_size = end - first;
    return ready + (offset - first);
}
