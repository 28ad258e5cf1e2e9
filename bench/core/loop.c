/* A loop through 1,000 structs of 6 fields, each read and written, in a transaction. */
#include "../measure.h"
#include "open.h"

#define COUNT 1000
#define SCHEMA                                                                                     \
    IPM_BASE_SCHEMA                                                                                \
    "struct Entity { id: int32 health: int32 x: double y: double angle: double score: int64 }\n"   \
    "struct Entities : BaseMmapStructure { entities: Entity[1000] }\n"

typedef struct entity {
    int32_t id, health;
    double x, y, angle;
    int64_t score;
} entity;

static void move(entity *e) {
    e->id = (e->id + 1) & 0xffff;
    e->health = (e->health + 1) & 0xffff;
    e->x += 1;
    e->y += 1;
    e->angle += 1;
    e->score = (e->score + 1) & 0xffff;
}

static uint64_t offset_of(uint64_t i) {
    return IPM_HEADER_SIZE + i * sizeof(entity);
}

/* Prepares each block of 256 bytes once. */
static void once_a_block(void *with, uint64_t count) {
    ipm_segment *segment = with;
    for (uint64_t n = 0; n < count; n++) {
        ipm_segment_lock(segment, IPM_FOREVER, NULL);
        unsigned char *data = ipm_segment_change(segment, IPM_HEADER_SIZE, 1);
        data -= IPM_HEADER_SIZE;
        for (uint64_t i = 0, ready = IPM_BLOCK_SIZE; i < COUNT; i++) {
            for (; ready < offset_of(i + 1); ready += IPM_BLOCK_SIZE)
                ipm_segment_change(segment, ready, 1);
            move((entity *)(void *)(data + offset_of(i)));
        }
        ipm_segment_unlock(segment, NULL);
    }
}

static void once_a_struct(void *with, uint64_t count) {
    ipm_segment *segment = with;
    for (uint64_t n = 0; n < count; n++) {
        ipm_segment_lock(segment, IPM_FOREVER, NULL);
        for (uint64_t i = 0; i < COUNT; i++)
            move(ipm_segment_change(segment, offset_of(i), sizeof(entity)));
        ipm_segment_unlock(segment, NULL);
    }
}

int main(void) {
    ipm_segment *segment = open_segment(IPM_MANAGER, SCHEMA, "loop");
    print("c.loop", measure(once_a_block, segment));
    print("c.loop_calls", measure(once_a_struct, segment));
    ipm_segment_destroy(segment, NULL);
}
