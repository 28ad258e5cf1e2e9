#include "attached.h"

#include <stddef.h>
#include <time.h>

#define ROLE_BITS 2
#define ROLE_MASK ((UINT64_C(1) << ROLE_BITS) - 1)

static uint64_t key_of(uint64_t start, ipm_role role) {
    return start << ROLE_BITS | ((uint64_t)role + 1);
}

static bool exchange_key(ipm_attachment *attachment, uint64_t seen, uint64_t key) {
    return atomic_compare_exchange_strong_explicit(&attachment->key, &seen, key,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* Whether the process of an entry is dead. This process is not, so it need not be looked up. */
static bool is_left(const ipm_attachment *attachment, uint64_t key, const ipm_identity *self) {
    int32_t pid = (int32_t)atomic_load_explicit(&attachment->who, memory_order_relaxed);
    uint64_t start = key >> ROLE_BITS;
    return !(pid == self->pid && start == self->start) && !ipm_process_lives(pid, start);
}

static ipm_attachment *take_entry(ipm_attachments *attachments, uint64_t key,
                                  const ipm_identity *self, bool from_dead) {
    for (int i = 0; i < IPM_MAX_ATTACHED; i++) {
        ipm_attachment *attachment = &attachments->attachment[i];
        uint64_t seen = atomic_load_explicit(&attachment->key, memory_order_relaxed);
        if ((seen == 0 || (from_dead && is_left(attachment, seen, self))) &&
            exchange_key(attachment, seen, key))
            return attachment;
    }
    return NULL;
}

ipm_entry ipm_attached_enter(ipm_attachments *attachments, ipm_role role) {
    const ipm_identity self = ipm_process_self();
    uint64_t key = key_of(self.start, role);
    ipm_attachment *attachment = take_entry(attachments, key, &self, false);
    if (attachment == NULL)
        attachment = take_entry(attachments, key, &self, true);
    if (attachment != NULL) {
        uint64_t who = (uint64_t)time(NULL) << 32 | (uint32_t)self.pid;
        atomic_store_explicit(&attachment->who, who, memory_order_relaxed);
    }
    return (ipm_entry){attachment, key};
}

void ipm_attached_leave(ipm_entry *entry) {
    if (entry->attachment != NULL)
        exchange_key(entry->attachment, entry->key, 0);
    *entry = (ipm_entry){0};
}

bool ipm_attached_look(const ipm_attachment *attachment, ipm_attached *found) {
    uint64_t key = atomic_load_explicit(&attachment->key, memory_order_relaxed);
    uint64_t who = atomic_load_explicit(&attachment->who, memory_order_relaxed);
    if ((key & ROLE_MASK) == 0)
        return false;
    *found = (ipm_attached){
        .pid = (int32_t)who,
        .role = (ipm_role)((key & ROLE_MASK) - 1),
        .since = (int64_t)(who >> 32),
        .start = key >> ROLE_BITS,
    };
    return ipm_process_lives(found->pid, found->start);
}
