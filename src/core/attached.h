/*
 * The handles that are open on a segment: a table in the lock file's first page, for diagnosis
 * alone. Nothing depends on it. An entry of a dead process does no harm, and is used again.
 */
#ifndef IPM_CORE_ATTACHED_H
#define IPM_CORE_ATTACHED_H

#include "process.h"

#include "../ipmmap.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ipm_attachment {
    /* The process's start and, in the lowest two bits, the role + 1; 0: free. An entry is taken and
     * given back by one exchange of this word, so a process never frees another one's entry. */
    _Atomic uint64_t key;
    _Atomic uint64_t who; /* the pid; in the upper half since when, in Unix seconds modulo 2^32 */
} ipm_attachment;

/* When it is full, further handles are not listed. */
typedef struct ipm_attachments {
    ipm_attachment attachment[IPM_MAX_ATTACHED];
} ipm_attachments;

/* A handle's entry. Private. All zeros: it has none. */
typedef struct ipm_entry {
    ipm_attachment *attachment;
    uint64_t key;
} ipm_entry;

/*
 * List a handle of this process. returns  an empty entry if the table is full
 * cost  nothing, until the table is full: then four system calls for each entry of another process,
 *       until one of a dead process is found
 */
ipm_entry ipm_attached_enter(ipm_attachments *attachments, ipm_role role);

/* Give the entry back, before the table is unmapped. An empty entry is allowed. */
void ipm_attached_leave(ipm_entry *entry);

/* What an entry says. returns  false: it is free, or its process is dead */
bool ipm_attached_look(const ipm_attachment *attachment, ipm_attached *found);

#endif
