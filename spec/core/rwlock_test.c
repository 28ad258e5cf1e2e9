/* The reader-writer lock in shared memory, with processes that hold it and die. */
#include "../../src/core/mutex.h"
#include "lock_fixture.h"

static void lets_readers_in_together(void) {
    fresh();
    peer p = holder(reads), q = holder(reads);
    CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_OK);
    CHECK_INT(ipm_rwlock_readers(&lock), 3);
    CHECK_INT(ipm_rwlock_writer(&lock), 0);
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
    let_go(&p);
    let_go(&q);
    CHECK_INT(ipm_rwlock_readers(&lock), 0);
}

static void keeps_all_out_while_written(void) {
    fresh();
    peer p = holder(writes);
    CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_ETIMEOUT);
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_ETIMEOUT);
    CHECK_INT(ipm_rwlock_read(&lock, 5 * MS), IPM_ETIMEOUT);
    CHECK_INT(ipm_rwlock_write(&lock, 5 * MS), IPM_ETIMEOUT);
    CHECK_INT(ipm_rwlock_writer(&lock), p.pid);
    let_go(&p);
    CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_OK);
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
}

static void keeps_writers_out_while_read(void) {
    fresh();
    peer p = holder(reads);
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_ETIMEOUT);
    CHECK_INT(ipm_rwlock_write(&lock, 5 * MS), IPM_ETIMEOUT);
    let_go(&p);
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
}

static void holds_the_gate(peer *test) {
    tell(test, ipm_mutex_try(&lock.shared->gate.mutex) == 0 ? 'h' : 'x');
    hear(test);
}

/* A reader that finds the flag set waits for the gate. Here a reader gets the lock while a peer
 * holds the gate, so the writer that gave up has cleared its flag. */
static void gives_up_without_a_trace(void) {
    static const int64_t timeouts[] = {0, 5 * MS};
    for (int i = 0; i < 2; i++) {
        fresh();
        peer p = holder(reads);
        CHECK_INT(ipm_rwlock_write(&lock, timeouts[i]), IPM_ETIMEOUT);
        peer q = holder(holds_the_gate);
        CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_OK);
        CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
        kill_peer(&q);
        let_go(&p);
    }
}

static void waits_until_the_deadline(void) {
    fresh();
    peer p = holder(writes);
    int64_t before = ipm_clock_now();
    CHECK_INT(ipm_rwlock_read(&lock, 150 * MS), IPM_ETIMEOUT); /* longer than a slice */
    int64_t waited = ipm_clock_now() - before;
    CHECK(waited >= 150 * MS);
    before = ipm_clock_now();
    CHECK_INT(ipm_rwlock_write(&lock, 150 * MS), IPM_ETIMEOUT);
    waited = ipm_clock_now() - before;
    CHECK(waited >= 150 * MS);
    let_go(&p);
}

static void gets_in_as_soon_as_it_is_free(void) {
    fresh();
    peer p = holder(writes);
    peer q = start(writes), r = start(reads);
    tell(&p, 'u');
    CHECK_INT(hear(&p), 'u');
    finish(&p);
    tell(&q, 'u'); /* each of them takes and releases the lock */
    tell(&r, 'u');
    CHECK_INT(hear(&q), 'h');
    CHECK_INT(hear(&r), 'h');
    CHECK_INT(hear(&q), 'u');
    CHECK_INT(hear(&r), 'u');
    finish(&q);
    finish(&r);
}

static void passes_on_from_dead_holders(void) {
    void (*const bodies[])(peer *) = {reads, writes};
    for (size_t i = 0; i < 2; i++) {
        fresh();
        peer p = holder(bodies[i]);
        kill_peer(&p);
        CHECK_INT(ipm_rwlock_readers(&lock), 0);
        CHECK_INT(ipm_rwlock_writer(&lock), 0);
        CHECK_INT(ipm_rwlock_read(&lock, 20 * SECOND), IPM_OK);
        CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
        CHECK_INT(ipm_rwlock_write(&lock, 20 * SECOND), IPM_OK);
        ipm_rwlock_repaired(&lock);
        CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
        CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_OK);
        CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
    }
}

static void wakes_waiters_when_the_holder_dies(void) {
    void (*const bodies[])(peer *) = {reads, writes};
    for (size_t i = 0; i < 2; i++) {
        fresh();
        peer p = holder(writes);
        peer q = start(bodies[i]);
        kill_peer(&p);
        tell(&q, 'u');
        CHECK_INT(hear(&q), 'h');
        CHECK_INT(hear(&q), 'u');
        CHECK_INT(finish(&q), 0);
    }
}

/* A reader, or a writer that waits for readers, may be the next to lock a dead reader's slot. */
static void reuses_the_slots_of_the_dead(void) {
    fresh_with(1);
    for (int i = 0; i < 3; i++) {
        peer p = holder(reads);
        CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_ETIMEOUT);
        kill_peer(&p);
        CHECK_INT(ipm_rwlock_read(&lock, 20 * SECOND), IPM_OK);
        CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
    }
}

static void dies_in_repair(peer *test) {
    (void)test;
    if (ipm_rwlock_write(&lock, 20 * SECOND) != IPM_OK || !lock.gate_died)
        _exit(1);
}

/* Only ipm_rwlock_repaired consumes the message of a death. */
static void tells_of_a_death_until_it_is_repaired(void) {
    fresh();
    peer p = holder(writes);
    kill_peer(&p);
    CHECK_INT(run_peer(dies_in_repair), 0);
    CHECK_INT(run_peer(dies_in_repair), 0);
    CHECK_INT(ipm_rwlock_write(&lock, 20 * SECOND), IPM_OK);
    CHECK(lock.gate_died);
    ipm_rwlock_repaired(&lock);
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
    CHECK_INT(ipm_rwlock_write(&lock, 20 * SECOND), IPM_OK);
    CHECK(!lock.gate_died);
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
}

static void holds_a_slot_for_each_reader(void) {
    static peer readers[IPM_MAX_READERS];
    fresh_with(IPM_MAX_READERS);
    for (int i = 0; i < IPM_MAX_READERS; i++)
        readers[i] = holder(reads);
    CHECK_INT(ipm_rwlock_readers(&lock), IPM_MAX_READERS);
    CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_ETIMEOUT); /* the 129th */
    CHECK_INT(ipm_rwlock_read(&lock, 20 * MS), IPM_ETIMEOUT);
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_ETIMEOUT);
    peer waiter = start(reads);
    await_futex(&waiter); /* it waits for one slot, but another slot becomes free first */
    let_go(&readers[77]);
    CHECK_INT(hear(&waiter), 'h');
    readers[77] = waiter;
    for (int i = 0; i < IPM_MAX_READERS; i++)
        kill_peer(&readers[i]);
    CHECK_INT(ipm_rwlock_write(&lock, 20 * SECOND), IPM_OK);
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
}

static void refuses_a_second_lock_in_one_thread(void) {
    ipm_rwlock other;
    fresh();
    other = side(SLOTS);
    other.slot = 1; /* another slot: a mutex would notice a second lock by the same thread */
    CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_OK);
    CHECK_INT(ipm_rwlock_read(&other, 0), IPM_EDEADLOCK);
    CHECK_INT(ipm_rwlock_write(&other, IPM_FOREVER), IPM_EDEADLOCK);
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
    CHECK_INT(ipm_rwlock_write(&other, 0), IPM_OK);
    CHECK_INT(ipm_rwlock_read(&lock, IPM_FOREVER), IPM_EDEADLOCK);
    CHECK_INT(ipm_rwlock_write(&lock, IPM_FOREVER), IPM_EDEADLOCK);
    CHECK_INT(ipm_rwlock_unlock(&other), IPM_OK);
    CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_OK);
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
}

/* The thread's list of locks must find the right entry, whatever the order of release. */
static void holds_several_locks_in_one_thread(void) {
    static _Alignas(64) unsigned char more[3][sizeof(ipm_rwlock_shared) + 64];
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}};
    ipm_rwlock others[3];
    fresh();
    for (unsigned i = 0; i < 3; i++) {
        others[i] = side(1);
        others[i].shared = (ipm_rwlock_shared *)more[i];
        others[i].inode = 10 + i;
        CHECK_INT(ipm_rwlock_init(others[i].shared, 1), 0);
    }
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        for (int i = 0; i < 3; i++)
            CHECK_INT(ipm_rwlock_write(&others[i], 0), IPM_OK);
        for (int i = 0; i < 3; i++) {
            ipm_rwlock *one = &others[orders[o][i]];
            ipm_rwlock again = *one;
            CHECK_INT(ipm_rwlock_read(&again, 0), IPM_EDEADLOCK);
            CHECK_INT(ipm_rwlock_unlock(one), IPM_OK);
            CHECK_INT(ipm_rwlock_unlock(one), IPM_EINVALID);
        }
    }
}

#define LOCK_SIZE (sizeof(ipm_rwlock_shared) + 64)

static unsigned char *many; /* IPM_MAX_LOCKS and one more */

static ipm_rwlock one_of_many(uint32_t i) {
    ipm_rwlock one = side(1);
    one.shared = (ipm_rwlock_shared *)(many + i * LOCK_SIZE);
    one.inode = 10 + i;
    return one;
}

static void holds_as_many_as_it_may(peer *test) {
    static ipm_rwlock own[IPM_MAX_LOCKS + 1];
    for (uint32_t i = 0; i < IPM_MAX_LOCKS; i++) {
        own[i] = one_of_many(i);
        if ((i % 2 ? ipm_rwlock_read : ipm_rwlock_write)(&own[i], 0) != IPM_OK)
            _exit(1);
    }
    ipm_rwlock *last = &own[IPM_MAX_LOCKS];
    *last = one_of_many(IPM_MAX_LOCKS);
    bool refused = ipm_rwlock_write(last, 0) == IPM_ESYSTEM && last->system == ENOLCK &&
                   ipm_rwlock_read(last, 0) == IPM_ESYSTEM && last->system == ENOLCK;
    ipm_segment *segment = opened(IPM_MANAGER, "");
    refused = refused && ipm_segment_lock(segment, 0, &error) == IPM_ESYSTEM &&
              strstr(error.text, "Demo: this thread holds 2000 locks already") != NULL;
    ipm_segment_destroy(segment, NULL);
    ipm_rwlock_unlock(&own[7]);
    refused = refused && ipm_rwlock_write(last, 0) == IPM_OK;
    tell(test, refused ? 'h' : 'x');
    hear(test);
}

/* The kernel stops after 2,048 mutexes, and leaves the rest locked for ever. */
static void holds_no_more_than_a_death_would_release(void) {
    many = mmap(NULL, (IPM_MAX_LOCKS + 1) * LOCK_SIZE, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!CHECK(many != MAP_FAILED))
        return;
    for (uint32_t i = 0; i <= IPM_MAX_LOCKS; i++)
        if (!CHECK_INT(ipm_rwlock_init(one_of_many(i).shared, 1), 0))
            return;
    peer p = holder(holds_as_many_as_it_may);
    kill_peer(&p);
    uint32_t stuck = 0;
    for (uint32_t i = 0; i <= IPM_MAX_LOCKS; i++) {
        ipm_rwlock own = one_of_many(i);
        if (ipm_rwlock_write(&own, 0) != IPM_OK || ipm_rwlock_unlock(&own) != IPM_OK)
            stuck++;
    }
    CHECK_INT(stuck, 0);
    munmap(many, (IPM_MAX_LOCKS + 1) * LOCK_SIZE);
}

static void *unlocks(void *code) {
    *(int *)code = ipm_rwlock_unlock(&lock);
    return NULL;
}

static void is_released_by_its_thread_alone(void) {
    pthread_t thread;
    int code = 0;
    fresh();
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
    CHECK(ipm_rwlock_is_mine(&lock));
    pthread_create(&thread, NULL, unlocks, &code);
    pthread_join(thread, NULL);
    CHECK_INT(code, IPM_EINVALID);
    CHECK(ipm_rwlock_is_mine(&lock));
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
}

static void *retires(void *p) {
    (void)p;
    shared->retired = 1;
    return NULL;
}

static void stops_waiting_when_retired(void) {
    pthread_t thread;
    fresh();
    peer p = holder(writes);
    pthread_create(&thread, NULL, retires, NULL);
    CHECK_INT(ipm_rwlock_read(&lock, IPM_FOREVER), IPM_EREPLACED);
    CHECK_INT(ipm_rwlock_write(&lock, IPM_FOREVER), IPM_EREPLACED);
    pthread_join(thread, NULL);
    kill_peer(&p);
}

/* If the flag is set while no thread holds the gate, a dead writer has left it. */
static void clears_the_flag_of_a_dead_writer(void) {
    fresh();
    lock.shared->writing = 1;
    CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_OK);
    CHECK_INT(lock.shared->writing, 0);
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
}

static uint32_t mark_after_a_write(void) {
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
    return ipm_high_water_mark(ipm_high_water_look(&lock.shared->high_water));
}

static void forgets_slots_that_nobody_uses(void) {
    fresh();
    peer p = holder(reads);
    peer q = holder(reads);
    let_go(&p);
    let_go(&q);
    CHECK_INT(mark_after_a_write(), 1);
    CHECK_INT(mark_after_a_write(), 0);
    CHECK_INT(mark_after_a_write(), 0);
    p = holder(reads);
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_ETIMEOUT);
    CHECK_INT(ipm_rwlock_readers(&lock), 1);
    let_go(&p);
    CHECK_INT(mark_after_a_write(), 0);
}

static void forgets_the_parents_locks_in_a_child(peer *test) {
    ipm_rwlock own = side(SLOTS);
    (void)test;
    if (ipm_rwlock_write(&own, 0) != IPM_ETIMEOUT) /* held by the parent: no deadlock */
        _exit(1);
    if (ipm_rwlock_is_mine(&own))
        _exit(2);
}

static void tells_a_childs_locks_from_the_parents(void) {
    fresh();
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
    CHECK_INT(run_peer(forgets_the_parents_locks_in_a_child), 0);
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
}

/* All slots are held, and the thread sleeps on the slot of the reader that dies. */
static void waits_for_a_slot_whose_reader_dies(void) {
    fresh_with(1);
    peer first = holder(reads), second = start(reads);
    await_futex(&second);
    kill_peer(&first);
    CHECK_INT(hear(&second), 'h');
    let_go(&second);
}

int main(void) {
    set_up_lock();
    run("lets several readers hold it together", lets_readers_in_together);
    run("keeps all others out while a writer holds it", keeps_all_out_while_written);
    run("keeps writers out while a reader holds it", keeps_writers_out_while_read);
    run("lets readers in after a writer gave up", gives_up_without_a_trace);
    run("waits until the deadline, and not less", waits_until_the_deadline);
    run("lets all waiting threads in, one after the other", gets_in_as_soon_as_it_is_free);
    run("can be taken after its holder was killed", passes_on_from_dead_holders);
    run("lets waiting threads go on when the holder is killed", wakes_waiters_when_the_holder_dies);
    run("uses the slots of killed readers again", reuses_the_slots_of_the_dead);
    run("reports a writer's death until the data is repaired",
        tells_of_a_death_until_it_is_repaired);
    run("lets 128 readers hold it, and the 129th waits", holds_a_slot_for_each_reader);
    run("refuses a second lock in one thread", refuses_a_second_lock_in_one_thread);
    run("lets a thread hold several locks, and release them in any order",
        holds_several_locks_in_one_thread);
    run("lets a thread hold only as many locks as its death would release",
        holds_no_more_than_a_death_would_release);
    run("can be released only by the thread that took it", is_released_by_its_thread_alone);
    run("ends a wait when the segment is retired", stops_waiting_when_retired);
    run("clears the flag that a dead writer left", clears_the_flag_of_a_dead_writer);
    run("lowers the high-water mark below slots that are not used", forgets_slots_that_nobody_uses);
    run("tells the locks of a child from those of its parent",
        tells_a_childs_locks_from_the_parents);
    run("gets the slot of a reader that dies during the wait for a slot",
        waits_for_a_slot_whose_reader_dies);
    return tear_down();
}
