#include "trailer.h"

#include "page.h"

#include <string.h>

static const char trailer_magic[8] = "IPMMAP\r\n";

uint64_t ipm_trailer_ring(uint64_t struct_size, uint64_t bytes) {
    uint64_t size = bytes <= IPM_MAX_RING ? ipm_page_up(bytes) : 0;
    return size >= ipm_record_most(struct_size) ? size : 0;
}

ipm_geometry ipm_trailer_geometry(uint64_t struct_size, uint64_t schema_size, uint64_t ring_size) {
    ipm_geometry g = {
        .struct_size = struct_size, .schema_size = schema_size, .ring_size = ring_size};
    g.head = ipm_page_up(struct_size);
    g.tags = g.head + IPM_PAGE;
    g.shadow = g.tags + ipm_page_up(ipm_tag_count(struct_size) * sizeof(uint64_t));
    g.ring = g.shadow + ipm_page_up(struct_size);
    g.schema = g.ring + ring_size;
    g.file_size = ipm_page_up(g.schema + schema_size + sizeof(ipm_footer));
    g.footer = g.file_size - sizeof(ipm_footer);
    return g;
}

void ipm_trailer_describe(ipm_trailer_head *head, ipm_footer *footer, const ipm_geometry *geometry,
                          uint32_t max_readers) {
    memset(head, 0, sizeof *head);
    memcpy(head->magic, trailer_magic, sizeof trailer_magic);
    head->format = IPM_FORMAT;
    head->byte_order = IPM_BYTE_ORDER_MARK;
    head->block_size = IPM_BLOCK_SIZE;
    head->max_readers = max_readers;
    head->geometry = *geometry;
    memset(footer, 0, sizeof *footer);
    memcpy(footer->magic, trailer_magic, sizeof trailer_magic);
    footer->format = IPM_FORMAT;
    footer->byte_order = IPM_BYTE_ORDER_MARK;
    footer->head = geometry->head;
}

uint32_t ipm_trailer_format(const ipm_footer *footer) {
    bool is_ours = memcmp(footer->magic, trailer_magic, sizeof trailer_magic) == 0 &&
                   footer->byte_order == IPM_BYTE_ORDER_MARK;
    return is_ours ? footer->format : 0;
}

uint64_t ipm_trailer_locate(const ipm_footer *footer, uint64_t file_size) {
    static const unsigned char zeros[sizeof footer->reserved];
    if (ipm_trailer_format(footer) != IPM_FORMAT || footer->head == 0 ||
        footer->head % IPM_PAGE != 0 || footer->head > file_size - IPM_PAGE ||
        memcmp(footer->reserved, zeros, sizeof zeros) != 0)
        return 0;
    return footer->head;
}

bool ipm_trailer_begins(const ipm_trailer_head *head, uint64_t at) {
    return memcmp(head->magic, trailer_magic, sizeof trailer_magic) == 0 &&
           head->byte_order == IPM_BYTE_ORDER_MARK && head->geometry.head == at;
}

static bool is_position(const _Atomic uint64_t *word) {
    uint64_t position = atomic_load_explicit(word, memory_order_relaxed);
    return position % 8 == 0 && position >> 63 == 0;
}

/* Whether the words of the state can be genuine. A genuine sequence or position never comes near
 * its end; a forged one could overflow within a transaction. */
static bool is_state(const ipm_state *state) {
    return atomic_load_explicit(&state->sequence, memory_order_relaxed) >> 63 == 0 &&
           is_position(&state->feed_head) && is_position(&state->feed_head_before) &&
           is_position(&state->feed_tail);
}

bool ipm_trailer_is_valid(const ipm_trailer_head *head, uint64_t at, uint64_t file_size) {
    static const unsigned char zeros[sizeof head->reserved];
    const ipm_geometry *said = &head->geometry;
    if (!ipm_trailer_begins(head, at) || head->format != IPM_FORMAT ||
        head->block_size != IPM_BLOCK_SIZE || head->max_readers < 1 ||
        head->max_readers > IPM_MAX_READERS || memcmp(head->reserved, zeros, sizeof zeros) != 0)
        return false;
    if (!is_state(&head->state))
        return false;
    if (said->struct_size < IPM_HEADER_SIZE || said->struct_size > IPM_MAX_SIZE ||
        said->schema_size < 1 || said->schema_size > IPM_MAX_TEXT ||
        said->ring_size != ipm_trailer_ring(said->struct_size, said->ring_size))
        return false;
    ipm_geometry real = ipm_trailer_geometry(said->struct_size, said->schema_size, said->ring_size);
    return memcmp(said, &real, sizeof real) == 0 && real.file_size == file_size;
}

ipm_memory ipm_trailer_memory(unsigned char *map, const ipm_geometry *geometry, ipm_ring *ring) {
    ipm_memory memory = ipm_memory_at(&((ipm_trailer_head *)(map + geometry->head))->state,
                                      (_Atomic uint64_t *)(map + geometry->tags), map,
                                      map + geometry->shadow, geometry->struct_size);
    if (geometry->ring_size != 0) {
        ring->words = (_Atomic uint64_t *)(map + geometry->ring);
        ring->size = geometry->ring_size;
        memory.ring = ring;
    }
    return memory;
}
