/* Readers that queue for the lock: that writers let them go first, and forget those that died. */
#include "lock_fixture.h"

static ipm_slow_word slow_word(void) {
    return (ipm_slow_word){lock.shared->slow_readers};
}

static unsigned slow_readers(void) {
    return slow_word().count[0] + slow_word().count[1];
}

/* A reader that queues for the lock, which somebody holds for writing. */
static peer queued_reader(void) {
    unsigned before = slow_readers();
    peer p = start(reads);
    for (int i = 0; i < 20000 && slow_readers() == before; i++)
        ipm_clock_nap(MS);
    CHECK_INT(slow_readers(), before + 1);
    return p;
}

static void locks_once(peer *test) {
    ipm_rwlock own = side(SLOTS);
    (void)test;
    if (ipm_rwlock_write(&own, 20 * SECOND) != IPM_OK || ipm_rwlock_unlock(&own) != IPM_OK)
        _exit(1);
}

/* returns  how many processes had to lock, one lock each, until no slow reader was counted */
static int locks_until_none_is_counted(void) {
    int locks = 0;
    while (slow_readers() != 0 && locks < 50) {
        CHECK_INT(run_peer(locks_once), 0);
        locks++;
    }
    return locks;
}

#define LOCKS_TO_FORGET 9 /* one to end the turn in which they came, eight to wait in vain */

static void counts_slow_readers_out_again(void) {
    fresh();
    peer p = holder(writes);
    CHECK_INT(ipm_rwlock_read(&lock, 5 * MS), IPM_ETIMEOUT);
    CHECK_INT(slow_readers(), 0);
    CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_ETIMEOUT);
    CHECK_INT(slow_readers(), 0);
    peer q = queued_reader();
    let_go(&p);
    CHECK_INT(hear(&q), 'h');
    CHECK_INT(slow_readers(), 0);
    let_go(&q);
}

static void forgets_killed_slow_readers(void) {
    fresh();
    peer p = holder(writes);
    peer q = queued_reader(), r = queued_reader();
    kill_peer(&q);
    kill_peer(&r);
    let_go(&p);
    CHECK_INT(slow_readers(), 2);
    CHECK_INT(locks_until_none_is_counted(), LOCKS_TO_FORGET);
}

static void forgets_them_while_others_come_and_go(void) {
    int locks = 0;
    fresh();
    peer p = holder(writes);
    peer dead = queued_reader();
    kill_peer(&dead);
    let_go(&p);
    for (; slow_readers() != 0 && locks < 50; locks++) {
        CHECK_INT(ipm_rwlock_write(&lock, 20 * SECOND), IPM_OK);
        peer q = queued_reader();
        CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
        CHECK_INT(hear(&q), 'h');
        let_go(&q);
    }
    CHECK_INT(locks, LOCKS_TO_FORGET);
}

/* As when the system does not let it run: here the gate is held for so long. */
static void lets_living_slow_readers_in_that_it_took_for_dead(void) {
    fresh();
    peer p = holder(writes);
    peer q = queued_reader();
    for (int i = 0; i < 50 && slow_readers() != 0; i++)
        CHECK_INT(ipm_rwlock_write(&lock, 20 * MS), IPM_ETIMEOUT);
    CHECK_INT(slow_readers(), 0);
    peer r = queued_reader();
    let_go(&p);
    CHECK_INT(hear(&q), 'h');
    CHECK_INT(hear(&r), 'h');
    CHECK_INT(slow_readers(), 0);
    let_go(&q);
    let_go(&r);
}

static void adds_short_waits_as_what_they_are(void) {
    fresh();
    lock.shared->slow_readers = (ipm_slow_word){.count = {0, 1}}.all;
    for (int i = 0; i < 20; i++) {
        CHECK_INT(ipm_rwlock_write(&lock, MS), IPM_OK);
        CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
    }
    CHECK_INT(slow_readers(), 1);
    CHECK(slow_word().waited > 0 && slow_word().waited <= 20 * MS / 50000);
}

static void *waits_for_slow_readers(void *unused) {
    (void)unused;
    ipm_slow_readers_go_first(&lock.shared->slow_readers, IPM_FOREVER, &shared->retired);
    return NULL;
}

/* So the sum is never more than the time that went by. */
static void adds_waits_that_overlap_once(void) {
    pthread_t threads[6];
    fresh();
    lock.shared->slow_readers = (ipm_slow_word){.count = {0, 1}}.all;
    int64_t before = ipm_clock_now();
    for (int i = 0; i < 6; i++)
        pthread_create(&threads[i], NULL, waits_for_slow_readers, NULL);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    int64_t naps = (ipm_clock_now() - before) / 50000;
    CHECK(slow_word().waited >= 10 * MS / 50000);
    CHECK(slow_word().waited <= naps);
}

static void gets_over_any_word(void) {
    static const uint64_t words[] = {
        UINT64_MAX,         0xFFFF,          0xFFFF0000,        0xFFFFFFFF, 0xFFFF00000001,
        0xFFFFFFFF00010001, 0x1000100010000, 0x8000800080008000};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        fresh();
        peer p = holder(writes);
        lock.shared->slow_readers = words[i];
        CHECK_INT(ipm_rwlock_read(&lock, MS), IPM_ETIMEOUT);
        let_go(&p);
        CHECK(locks_until_none_is_counted() <= 2 * LOCKS_TO_FORGET);
        CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_OK);
        CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
    }
}

static void does_not_wait_for_slow_readers_beyond_its_deadline(void) {
    fresh();
    lock.shared->slow_readers = 1;
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
    CHECK(lock.shared->slow_readers == 1); /* no wait was added */
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
}

int main(void) {
    set_up_lock();
    run("counts slow readers in and out", counts_slow_readers_out_again);
    run("forgets slow readers that were killed", forgets_killed_slow_readers);
    run("forgets them while others come and go", forgets_them_while_others_come_and_go);
    run("lets slow readers in that it took for dead",
        lets_living_slow_readers_in_that_it_took_for_dead);
    run("adds short waits as what they are", adds_short_waits_as_what_they_are);
    run("adds waits that overlap once", adds_waits_that_overlap_once);
    run("gets over any word in place of the count", gets_over_any_word);
    run("waits for slow readers no longer than it was told to",
        does_not_wait_for_slow_readers_beyond_its_deadline);
    return tear_down();
}
