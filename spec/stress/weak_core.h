/*
 * The core's transactions, notifications and lock, compiled for the machine of weak.h: all functions
 * of transaction.h, notify.h, listeners.h and rwlock.h. weak_change is needed because the function is inline
 * there.
 */
#ifndef WEAK_CORE_H
#define WEAK_CORE_H

#include "../../src/core/transaction.h"

void weak_change(ipm_transaction *transaction, uint64_t offset, uint64_t size);

#endif
