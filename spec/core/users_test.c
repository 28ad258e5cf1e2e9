/* The list of the processes that hold a segment's lock or wait for it, by ipm_segment_users. */
#include "../../src/core/segment.h"
#include "fixture.h"
#include "peer.h"

#include <pthread.h>
#include <time.h>

static ipm_segment *manager;
static ipm_user users[IPM_MAX_USERS + 1];
static size_t count;
static int64_t began; /* Unix seconds */

static void list(void) {
    count = SIZE_MAX;
    CHECK_INT(ipm_segment_users(manager, users, IPM_MAX_USERS, &count, &error), IPM_OK);
}

/* The entry of a peer, which must have exactly one. Otherwise the test fails, and the result is
 * empty. */
static ipm_user entry_of(const peer *p) {
    ipm_user found = {0};
    unsigned entries = 0;
    for (size_t i = 0; i < count; i++)
        if (users[i].pid == p->pid) {
            found = users[i];
            entries++;
        }
    CHECK_INT(entries, 1);
    return found;
}

static void is_listed(const peer *p, bool writes, bool waits) {
    ipm_user user = entry_of(p);
    CHECK_INT(user.writes, writes);
    CHECK_INT(user.waits, waits);
    CHECK(user.alive);
    CHECK(user.since >= began && user.since <= time(NULL));
}

/* Takes the lock, reports that, and keeps the lock until the test tells it to unlock. */
static void locks(peer *test, ipm_role role) {
    ipm_segment *own = opened(role, "");
    if (ipm_segment_lock(own, IPM_FOREVER, NULL) != IPM_OK)
        _exit(1);
    tell(test, 'l');
    hear(test);
    ipm_segment_unlock(own, NULL);
    tell(test, 'u');
    hear(test);
}

static void writes(peer *test) {
    locks(test, IPM_EDITOR);
}

static void reads(peer *test) {
    locks(test, IPM_READER);
}

static peer holding(void (*body)(peer *)) {
    peer p = start(body);
    CHECK_INT(hear(&p), 'l');
    return p;
}

static peer waiting(void (*body)(peer *)) {
    peer p = start(body);
    await_futex(&p);
    return p;
}

static void lets_go(peer *p) {
    tell(p, 'g');
    CHECK_INT(hear(p), 'u');
}

static void begin(void) {
    began = time(NULL);
    manager = opened(IPM_MANAGER, "");
    list();
    CHECK_INT(count, 0);
}

/* A thread of this process that waits for the lock beside another one that holds it. */
static void *waits_in_a_thread(void *own) {
    ipm_segment_lock(own, IPM_FOREVER, NULL);
    ipm_segment_unlock(own, NULL);
    return NULL;
}

static void end(void) {
    list();
    CHECK_INT(count, 0);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
}

static void lists_a_writer_and_those_who_wait_for_it(void) {
    begin();
    peer writer = holding(writes), reader = waiting(reads), second = waiting(writes);
    list();
    CHECK_INT(count, 3);
    is_listed(&writer, true, false);
    is_listed(&reader, false, true);
    is_listed(&second, true, true);
    lets_go(&writer);
    CHECK_INT(hear(&reader), 'l');
    list();
    is_listed(&reader, false, false);
    lets_go(&reader);
    CHECK_INT(hear(&second), 'l');
    list();
    CHECK_INT(count, 1);
    is_listed(&second, true, false);
    lets_go(&second);
    end();
    finish(&writer);
    finish(&reader);
    finish(&second);
}

/* The writer holds the gate and waits for readers, but is listed only once. */
static void lists_a_writer_that_waits_for_readers(void) {
    begin();
    peer first = holding(reads), second = holding(reads), writer = waiting(writes);
    list();
    CHECK_INT(count, 3);
    is_listed(&first, false, false);
    is_listed(&second, false, false);
    is_listed(&writer, true, true);
    CHECK(entry_of(&writer).next);
    CHECK_INT(entry_of(&writer).tid, writer.pid);
    CHECK_INT(entry_of(&first).tid, first.pid);
    lets_go(&first);
    lets_go(&second);
    CHECK_INT(hear(&writer), 'l');
    list();
    CHECK_INT(count, 1);
    is_listed(&writer, true, false);
    lets_go(&writer);
    end();
    finish(&first);
    finish(&second);
    finish(&writer);
}

/* Both have the same pid, so only the thread's id tells them apart. */
static void tells_threads_of_one_process_apart(void) {
    pthread_t thread;
    begin();
    ipm_segment *own = opened(IPM_EDITOR, "");
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_OK);
    CHECK_INT(pthread_create(&thread, NULL, waits_in_a_thread, own), 0);
    do
        list();
    while (count < 2);
    CHECK(users[0].writes && !users[0].waits && !users[0].next);
    CHECK_INT(users[0].tid, syscall(SYS_gettid));
    CHECK(users[1].writes && users[1].waits && !users[1].next);
    CHECK(users[1].tid != users[0].tid && users[1].pid == users[0].pid);
    CHECK_INT(ipm_segment_unlock(manager, &error), IPM_OK);
    CHECK_INT(pthread_join(thread, NULL), 0);
    ipm_segment_close(own, NULL);
    end();
}

/* A dead holder is listed until another process takes its lock. A dead waiter is not listed. */
static void lists_dead_holders_as_dead(void) {
    begin();
    peer writer = holding(writes), waiter = waiting(writes);
    kill_peer(&waiter);
    kill_peer(&writer);
    list();
    CHECK_INT(count, 1);
    ipm_user user = entry_of(&writer);
    CHECK(!user.alive && user.writes && !user.waits);
    CHECK_INT(user.tid, 0);
    CHECK_INT(commit(manager, 5), IPM_OK);
    end();
}

static void stores_no_more_than_there_is_room_for(void) {
    begin();
    peer first = holding(reads), second = holding(reads);
    for (size_t room = 0; room <= 3; room++) {
        memset(users, 0x55, sizeof users);
        CHECK_INT(ipm_segment_users(manager, users, room, &count, &error), IPM_OK);
        CHECK_INT(count, room < 2 ? room : 2);
        CHECK_INT(users[count].pid, 0x55555555);
    }
    lets_go(&first);
    lets_go(&second);
    end();
    finish(&first);
    finish(&second);
}

/* Whether what follows the table in the lock file, an entry of another table, is as it was. */
static bool is_kept_after(const ipm_waiters *waiters, const ipm_attachment *before) {
    return memcmp(waiters + 1, before, sizeof *before) == 0;
}

/* More processes can wait than are listed. The entry of a dead waiter is used again. */
static void lists_as_many_waiters_as_it_has_room_for(void) {
    begin();
    ipm_waiters *waiters = &manager->lockfile.head->waiters;
    ipm_attachment before;
    memcpy(&before, waiters + 1, sizeof before);
    peer writer = holding(writes), dead = waiting(writes);
    for (int i = 0; i < IPM_MAX_WAITERS; i++)
        if (waiters->waiter[i].pid == 0)
            waiters->waiter[i].pid = waiters->waiter[i].tid = getpid();
    peer unlisted = waiting(reads);
    list();
    CHECK_INT(count, 1 + IPM_MAX_WAITERS);
    for (size_t i = 0; i < count; i++)
        CHECK(users[i].pid != unlisted.pid);
    CHECK(is_kept_after(waiters, &before));
    kill_peer(&dead);
    peer reader = waiting(reads);
    list();
    CHECK_INT(count, 1 + IPM_MAX_WAITERS);
    is_listed(&reader, false, true);
    lets_go(&writer);
    CHECK_INT(hear(&unlisted), 'l');
    CHECK_INT(hear(&reader), 'l');
    for (int i = 0; i < IPM_MAX_WAITERS; i++)
        if (waiters->waiter[i].pid == getpid())
            waiters->waiter[i].pid = waiters->waiter[i].tid = 0;
    lets_go(&unlisted);
    lets_go(&reader);
    end();
    finish(&writer);
    finish(&unlisted);
    finish(&reader);
}

static void asks_in_a_fork(peer *test) {
    (void)test;
    size_t none = 7;
    bool refused =
        ipm_segment_users(manager, users, IPM_MAX_USERS, &none, &error) == IPM_EFORKED && none == 7;
    _exit(refused ? 0 : 1);
}

static void lists_nothing_in_a_fork(void) {
    begin();
    CHECK_INT(run_peer(asks_in_a_fork), 0);
    end();
}

/* kill(2) fails with EPERM for a process of another user. */
static void another_user_lists(peer *test) {
    ipm_segment *own;
    ipm_info info = {0};
    if (setgid(12003) != 0 || setuid(12003) != 0 || open_as(IPM_EDITOR, "", &own) != IPM_OK)
        _exit(1);
    if (ipm_segment_users(own, users, IPM_MAX_USERS, &count, NULL) != IPM_OK || count != 1)
        _exit(2);
    if (users[0].pid != test->pid || !users[0].alive || !users[0].writes)
        _exit(3);
    if (ipm_segment_info(own, &info, NULL) != IPM_OK || info.writer_pid != test->pid)
        _exit(4);
    _exit(0);
}

static void lists_other_users_processes(void) {
    if (geteuid() != 0)
        SKIP("needs root, to become another user");
    ipm_options options = {.mmap_dir = dir, .create = true, .mode = 0666};
    CHECK_INT(chmod(dir, 0755), 0);
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &manager, &error), IPM_OK);
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_OK);
    CHECK_INT(run_peer(another_user_lists), 0);
    CHECK_INT(ipm_segment_unlock(manager, &error), IPM_OK);
    end();
}

int main(void) {
    set_up();
    run("lists a writer, and a reader and a writer that wait for it",
        lists_a_writer_and_those_who_wait_for_it);
    run("lists a writer that waits for readers once", lists_a_writer_that_waits_for_readers);
    run("tells threads of one process apart", tells_threads_of_one_process_apart);
    run("lists dead holders as dead, and does not list dead waiters", lists_dead_holders_as_dead);
    run("stores no more entries than there is room for", stores_no_more_than_there_is_room_for);
    run("lists as many waiters as the lock file has room for",
        lists_as_many_waiters_as_it_has_room_for);
    run("lists nothing in a fork's child", lists_nothing_in_a_fork);
    run("lists other users' processes as alive", lists_other_users_processes);
    return tear_down();
}
