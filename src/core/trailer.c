#include "trailer.h"

#include "page.h"

#include <string.h>

static const char trailer_magic[8] = "IPMMAP\r\n";

ipm_geometry ipm_trailer_geometry(uint64_t struct_size, uint64_t schema_size) {
    ipm_geometry g = {.struct_size = struct_size, .schema_size = schema_size};
    g.head = ipm_page_up(struct_size);
    g.tags = g.head + IPM_PAGE;
    g.shadow = g.tags + ipm_page_up(ipm_tag_count(struct_size) * sizeof(uint64_t));
    g.schema = g.shadow + ipm_page_up(struct_size);
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

bool ipm_trailer_is_valid(const ipm_trailer_head *head, uint64_t at, uint64_t file_size) {
    static const unsigned char zeros[sizeof head->reserved];
    const ipm_geometry *said = &head->geometry;
    if (!ipm_trailer_begins(head, at) || head->format != IPM_FORMAT ||
        head->block_size != IPM_BLOCK_SIZE || head->max_readers < 1 ||
        head->max_readers > IPM_MAX_READERS || memcmp(head->reserved, zeros, sizeof zeros) != 0)
        return false;
    /* A genuine sequence never gets that far; a forged one could overflow within a transaction. */
    if (atomic_load_explicit(&head->state.sequence, memory_order_relaxed) >> 63 != 0)
        return false;
    if (said->struct_size < IPM_HEADER_SIZE || said->struct_size > IPM_MAX_SIZE ||
        said->schema_size < 1 || said->schema_size > IPM_MAX_TEXT)
        return false;
    ipm_geometry real = ipm_trailer_geometry(said->struct_size, said->schema_size);
    return memcmp(said, &real, sizeof real) == 0 && real.file_size == file_size;
}

ipm_memory ipm_trailer_memory(unsigned char *map, const ipm_geometry *geometry) {
    return ipm_memory_at(&((ipm_trailer_head *)(map + geometry->head))->state,
                         (_Atomic uint64_t *)(map + geometry->tags), map, map + geometry->shadow,
                         geometry->struct_size);
}
