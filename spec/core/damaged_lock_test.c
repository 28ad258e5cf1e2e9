/* The reader-writer lock in shared memory that another process has damaged. */
#include "../../src/core/mutex.h"
#include "lock_fixture.h"

/* glibc aborts on some mutexes that are not mutexes. */
static void notices_what_is_not_a_lock(void) {
    unsigned seed = 7;
    int lockable = 0;
    for (int i = 0; i < 3000; i++) {
        fresh();
        unsigned char *bytes = (unsigned char *)&lock.shared->gate.mutex;
        for (size_t b = 0; b < sizeof(pthread_mutex_t); b++) {
            seed = seed * 1103515245 + 12345;
            bytes[b] = (unsigned char)(seed >> 16);
        }
        memcpy(&lock.shared->slots[0], &lock.shared->gate, sizeof lock.shared->gate);
        CHECK(!ipm_rwlock_is_sound(lock.shared, SLOTS));
        lockable += ipm_rwlock_read(&lock, 0) != IPM_EINCOMPATIBLE;
        lockable += ipm_rwlock_write(&lock, 0) != IPM_EINCOMPATIBLE;
    }
    CHECK_INT(lockable, 0);
}

static void spoil(pthread_mutex_t *mutex) {
    memset((char *)mutex + IPM_MUTEX_KIND_OFFSET, 0xEE, 1);
}

/* The gate is locked, or the urgent word is set, so a place is the first mutex that is tried. */
static void notices_a_damaged_queue(void) {
    for (int i = 0; i < 2; i++) {
        fresh();
        peer p = holder(writes);
        lock.shared->queue.urgent = 1;
        spoil(i == 0 ? &lock.shared->places[0].place.mutex : &lock.shared->gate.mutex);
        CHECK_INT(ipm_rwlock_write(&lock, 20 * SECOND), IPM_EINCOMPATIBLE);
        kill_peer(&p);
    }
}

/* Called before each slice of a wait. */
static int spoil_what_is_waited_for(ipm_rwlock *own, bool has_waited) {
    if (has_waited) {
        spoil(&own->shared->gate.mutex);
        spoil(&own->shared->slots[0].slot.mutex);
    }
    return 0;
}

static void notices_damage_during_a_wait(void) {
    void (*const bodies[])(peer *) = {writes, reads}; /* to wait for the gate, and for a slot */
    for (int i = 0; i < 2; i++) {
        fresh();
        peer p = holder(bodies[i]);
        lock.go_on = spoil_what_is_waited_for;
        CHECK_INT(ipm_rwlock_write(&lock, 20 * SECOND), IPM_EINCOMPATIBLE);
        kill_peer(&p);
    }
}

/* All bytes of the mutexes are random, except their type. The lock may be refused or never be free,
 * but the process must not abort. */
static void survives_random_mutexes(peer *test) {
    unsigned seed = 11;
    pthread_mutex_t sound;
    (void)test;
    ipm_mutex_template(&sound);
    for (int i = 0; i < 3000; i++) {
        fresh();
        for (int s = -1; s < SLOTS; s++) {
            ipm_slot *slot = s < 0 ? &lock.shared->gate : &lock.shared->slots[s].slot;
            unsigned char *bytes = (unsigned char *)&slot->mutex;
            for (size_t b = 0; b < sizeof(pthread_mutex_t); b++) {
                seed = seed * 1103515245 + 12345;
                if (((unsigned char *)&sound)[b] == 0 && (seed >> 24) % 2 == 0)
                    bytes[b] = (unsigned char)(seed >> 16);
            }
        }
        if (ipm_rwlock_read(&lock, 0) == IPM_OK)
            ipm_rwlock_unlock(&lock);
        if (ipm_rwlock_write(&lock, 0) == IPM_OK)
            ipm_rwlock_unlock(&lock);
        if (ipm_rwlock_write(&lock, 1000) == IPM_OK)
            ipm_rwlock_unlock(&lock);
    }
}

static void does_not_abort_on_random_mutexes(void) {
    CHECK_INT(run_peer(survives_random_mutexes), 0);
}

static void refuses_a_mark_beyond_its_slots(void) {
    fresh();
    lock.shared->high_water = SLOTS + 1;
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_EINCOMPATIBLE);
    CHECK_INT(ipm_rwlock_readers(&lock), 0);
}

int main(void) {
    set_up_lock();
    run("notices that memory does not contain a lock", notices_what_is_not_a_lock);
    run("notices damage in the queue", notices_a_damaged_queue);
    run("notices damage that happens while it waits", notices_damage_during_a_wait);
    run("does not abort on random mutexes", does_not_abort_on_random_mutexes);
    run("refuses a high-water mark beyond the number of slots", refuses_a_mark_beyond_its_slots);
    return tear_down();
}
