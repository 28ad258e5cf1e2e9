/*
 * Room on the disk: allocated before a mapping is used, since a store without room is a SIGBUS.
 */
#ifndef IPM_CORE_ROOM_H
#define IPM_CORE_ROOM_H

#include "file.h"

/*
 * Allocate the first `size` bytes of a file that no other process uses, and bring file->status up
 * to date. A file that is that long and has as many blocks is left to ipm_room_secure, which finds
 * its holes.
 * returns  IPM_ENOSPACE, also when the process may not make files that long (RLIMIT_FSIZE); ...
 */
int ipm_room_allocate(ipm_file *file, uint64_t size, const char *path, ipm_error *error);

/*
 * Ask btrfs to overwrite a new, empty file in place; by default it takes new blocks for each
 * overwrite. On other file systems this changes nothing.
 */
void ipm_room_overwrite_in_place(int fd);

/*
 * Make sure that no access to a mapping of the first `size` bytes lacks room, now or later. Holes
 * are allocated, and blocks that the file shares with a copy are replaced by blocks of its own. A
 * file system that takes new blocks for each overwrite allows no promise for later: there this call
 * fails if one overwrite of the whole file would lack room now.
 *
 * writable  whether the mapping is writable. Otherwise only those holes are allocated whose reading
 *           needs room (tmpfs)
 * returns   IPM_ENOSPACE, ...
 */
int ipm_room_secure(const ipm_file *file, void *map, uint64_t size, bool writable, const char *path,
                    ipm_error *error);

#endif
