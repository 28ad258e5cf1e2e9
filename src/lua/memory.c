#include "memory.h"

lipm_step lipm_descend(const ipm_type *type, uint64_t offset) {
    if (type->kind != IPM_STRUCT) {
        uint64_t size = type->element->size;
        uint64_t index = offset < type->inner ? 0 : (offset - type->inner) / size;
        return (lipm_step){
            .is_value = type->kind == IPM_OPTIONAL,
            .index = index,
            .type = type->element,
            .offset = type->inner + index * size,
        };
    }
    uint64_t first = 0, count = type->count;
    while (count > 1) {
        uint64_t half = count / 2;
        bool is_before = type->fields[first + half].offset <= offset;
        first = is_before ? first + half : first;
        count = is_before ? count - half : half;
    }
    const ipm_field *field = &type->fields[first];
    return (lipm_step){
        .field = field, .index = first, .type = field->type, .offset = field->offset};
}

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
