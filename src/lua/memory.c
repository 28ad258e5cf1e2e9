#include "memory.h"

/* A block of a transaction: making it ready costs the same as making one byte in it ready. */
#define BLOCK UINT64_C(256)

unsigned char *lipm_makeready(lipm_memory *memory, uint64_t offset, uint64_t size) {
    uint64_t first = offset & ~(BLOCK - 1);
    uint64_t last = (offset + size + BLOCK - 1) & ~(BLOCK - 1);
    uint64_t end = last < memory->type->size ? last : memory->type->size;
    unsigned char *ready = ipm_segment_change(memory->segment, first, end - first);
    if (ready == NULL)
        return NULL;
    memory->ready = ready;
    memory->ready_offset = first;
    memory->ready_size = end - first;
    return ready + (offset - first);
}
