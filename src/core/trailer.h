/*
 * The format of the data file: the struct from byte 0 on, then from the next page on the trailer.
 *
 *      struct | head | tags | shadow | ring | schema text | footer
 *
 * Head, tags, shadow, ring and schema each start on a page; the footer is the file's last 64 bytes.
 * The offset of each part follows from the sizes of the struct, the ring and the schema text alone.
 * The file's own statements must agree with that, and none of them is used before it is checked.
 */
#ifndef IPM_CORE_TRAILER_H
#define IPM_CORE_TRAILER_H

#include "ring.h"
#include "transaction.h"

#include "../ipmmap.h"

#define IPM_FORMAT 3 /* format 1 had no levels of tags, format 2 had no ring */
#define IPM_BYTE_ORDER_MARK 0x01020304

/* The offsets of the parts in the file. */
typedef struct ipm_geometry {
    uint64_t struct_size;
    uint64_t schema_size;
    uint64_t head;
    uint64_t tags; /* of all levels: see transaction.h */
    uint64_t shadow;
    uint64_t schema;
    uint64_t footer;
    uint64_t file_size;
    uint64_t ring;      /* see ring.h; where the schema is, if there is none */
    uint64_t ring_size; /* 0: there is none */
} ipm_geometry;

typedef struct ipm_trailer_head {
    char magic[8];
    uint32_t format;
    uint32_t byte_order;
    uint32_t block_size;
    uint32_t max_readers;
    ipm_geometry geometry;
    unsigned char reserved[24];
    ipm_state state; /* on cache lines of its own */
} ipm_trailer_head;

typedef struct ipm_footer {
    char magic[8];
    uint32_t format;
    uint32_t byte_order;
    uint64_t head; /* where the trailer starts */
    unsigned char reserved[40];
} ipm_footer;

_Static_assert(offsetof(ipm_trailer_head, block_size) == 16, "file format");
_Static_assert(offsetof(ipm_trailer_head, geometry) == 24, "file format");
_Static_assert(offsetof(ipm_trailer_head, state) == 128, "file format");
_Static_assert(sizeof(ipm_trailer_head) == 256, "file format");
_Static_assert(offsetof(ipm_footer, head) == 16, "file format");
_Static_assert(sizeof(ipm_footer) == 64, "file format");

/* The largest ring: one that holds a change of the largest struct, and as much again. */
#define IPM_MAX_RING (IPM_MAX_SIZE << 2)

/* The size of a ring for so many bytes. returns  0 for 0; also if they are too few or too many */
uint64_t ipm_trailer_ring(uint64_t struct_size, uint64_t bytes);

/*
 * The geometry of a struct of at most IPM_MAX_SIZE and a text of at most IPM_MAX_TEXT bytes.
 * ring_size  by ipm_trailer_ring
 */
ipm_geometry ipm_trailer_geometry(uint64_t struct_size, uint64_t schema_size, uint64_t ring_size);

/* Fill in the members that never change. */
void ipm_trailer_describe(ipm_trailer_head *head, ipm_footer *footer, const ipm_geometry *geometry,
                          uint32_t max_readers);

/* The format of a file with that footer; 0: the file is not a segment, or is damaged. */
uint32_t ipm_trailer_format(const ipm_footer *footer);

/* The offset of the head, by the footer of a file of that size; 0: the footer is wrong. */
uint64_t ipm_trailer_locate(const ipm_footer *footer, uint64_t file_size);

/* Whether the bytes read from that offset begin as a head there does, of any format, even if the
 * rest is damaged. `retired` has the same place in every format. */
bool ipm_trailer_begins(const ipm_trailer_head *head, uint64_t at);

/* Whether a head is correct for its offset and for a file of that size. */
bool ipm_trailer_is_valid(const ipm_trailer_head *head, uint64_t at, uint64_t file_size);

/* The addresses of the parts in a mapping of the file; *ring is filled in if there is one. */
ipm_memory ipm_trailer_memory(unsigned char *map, const ipm_geometry *geometry, ipm_ring *ring);

#endif
