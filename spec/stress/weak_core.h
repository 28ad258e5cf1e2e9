/*
 * The core's transactions, rings, feeds, notifications and lock, compiled for the machine of
 * weak.h: all functions of transaction.h, ring.h, notify.h, listeners.h and rwlock.h, and
 * ipm_feed_*. weak_change is needed because the function is inline there, and those of shares
 * because they are static.
 */
#ifndef WEAK_CORE_H
#define WEAK_CORE_H

#include "../../src/core/segment.h"

/* What feeds use of a segment: its memory, and no lock. A wait does not sleep. */
void weak_segment(ipm_segment *segment, const ipm_memory *memory);

/* Begin a transaction whose commit makes that version. */
void weak_begin(ipm_transaction *transaction, uint64_t version);

/* What a block says; and make it say that. A writer holds a lock. */
ipm_share weak_share(const ipm_share_block *block);
void weak_set_share(ipm_share_block *block, const ipm_share *share);

void weak_change(ipm_transaction *transaction, uint64_t offset, uint64_t size);

#endif
