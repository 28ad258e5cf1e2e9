/*
 * The data file's format: the struct from byte 0, then from the next page on the trailer.
 *
 *      struct | head | tags | shadow | schema text | footer
 *
 * Head, tags, shadow and schema each start on a page; the footer is the file's last 64 bytes.
 * Where each part lies follows from the sizes of the struct and of the schema text alone; what the
 * file says of it must agree, and nothing that the file says is used before it was checked.
 */
#ifndef IPM_CORE_TRAILER_H
#define IPM_CORE_TRAILER_H

#include "transaction.h"

#include "../ipmmap.h"

#define IPM_FORMAT 2 /* 1 had tags of blocks alone */
#define IPM_BYTE_ORDER_MARK 0x01020304

/* Where the parts lie, from the start of the file. */
typedef struct ipm_geometry {
    uint64_t struct_size;
    uint64_t schema_size;
    uint64_t head;
    uint64_t tags; /* of all levels: see transaction.h */
    uint64_t shadow;
    uint64_t schema;
    uint64_t footer;
    uint64_t file_size;
} ipm_geometry;

typedef struct ipm_trailer_head {
    char magic[8];
    uint32_t format;
    uint32_t byte_order;
    uint32_t block_size;
    uint32_t max_readers;
    ipm_geometry geometry;
    unsigned char reserved[40];
    ipm_state state; /* on a cache line of its own */
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
_Static_assert(sizeof(ipm_trailer_head) == 192, "file format");
_Static_assert(offsetof(ipm_footer, head) == 16, "file format");
_Static_assert(sizeof(ipm_footer) == 64, "file format");

/* The geometry of a struct of at most IPM_MAX_SIZE and a text of at most IPM_MAX_TEXT bytes. */
ipm_geometry ipm_trailer_geometry(uint64_t struct_size, uint64_t schema_size);

/* Fill in the parts that never change. */
void ipm_trailer_describe(ipm_trailer_head *head, ipm_footer *footer, const ipm_geometry *geometry,
                          uint32_t max_readers);

/* The format of a file with that footer; 0: it is none of this library's, or is damaged. */
uint32_t ipm_trailer_format(const ipm_footer *footer);

/*
 * Whether a footer belongs to a file of that size: where its head must be, if so, else 0.
 */
uint64_t ipm_trailer_locate(const ipm_footer *footer, uint64_t file_size);

/* Whether what was read at that place begins as a head there does, of whichever format, however
 * damaged it is. `retired` has the same place in each. */
bool ipm_trailer_begins(const ipm_trailer_head *head, uint64_t at);

/* Whether a head says what a head at that place, in a file of that size, must say. */
bool ipm_trailer_is_valid(const ipm_trailer_head *head, uint64_t at, uint64_t file_size);

/* Where the parts lie in a mapping of the file. */
ipm_memory ipm_trailer_memory(unsigned char *map, const ipm_geometry *geometry);

#endif
