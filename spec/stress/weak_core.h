/*
 * The core's transactions, rings, feeds, notifications and lock, compiled for the machine of
 * weak.h: all functions of transaction.h, ring.h, notify.h, listeners.h and rwlock.h, and
 * ipm_feed_*. weak_change is needed because the function is inline there.
 */
#ifndef WEAK_CORE_H
#define WEAK_CORE_H

#include "../../src/core/segment.h"

/* What feeds use of a segment: its memory, and no lock. A wait does not sleep. */
void weak_segment(ipm_segment *segment, const ipm_memory *memory);

void weak_change(ipm_transaction *transaction, uint64_t offset, uint64_t size);

#endif
