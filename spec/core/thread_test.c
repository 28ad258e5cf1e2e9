/* Threads of one process, on the same memory or with a handle each. TSan finds no race here. */
#include "../../src/core/abandon.h"
#include "../../src/core/clock.h"
#include "../../src/core/rwlock.h"
#include "../../src/core/transaction.h"
#include "../../src/core/notify.h"
#include "../../src/core/word.h"
#include "fixture.h"

#include <sys/wait.h>

#ifdef __SANITIZE_THREAD__
/* gcc's TSan does not know this call, and would assume that the mutex is unlocked. Use another call
 * instead. */
int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until) {
    struct timespec now, real;
    clock_gettime(clock, &now);
    clock_gettime(CLOCK_REALTIME, &real);
    int64_t ns = (until->tv_sec - now.tv_sec) * SECOND + until->tv_nsec - now.tv_nsec +
                 real.tv_nsec + real.tv_sec * SECOND;
    return pthread_mutex_timedlock(
        mutex, &(struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND});
}
#endif

#define WRITERS 3
#define READERS 3
#define COPIERS 2
#define ROUNDS 300
#define WORDS 200 /* 1600 bytes: seven blocks */
#define SIZE (WORDS * sizeof(uint64_t))

/* ---- One memory, as one mapping ---------------------------------------------------------- */

static ipm_state state;
static _Atomic uint64_t tags[7];
static _Alignas(8) unsigned char data[SIZE], shadow[SIZE];
static ipm_memory memory;
static _Alignas(64) unsigned char lock_memory[sizeof(ipm_rwlock_shared) + 8 * 64];
static _Atomic uint32_t retired, news, torn, failed;

static ipm_rwlock side(void) {
    return (ipm_rwlock){.shared = (ipm_rwlock_shared *)lock_memory,
                        .retired = &retired,
                        .slots = 8,
                        .pid = getpid(),
                        .inode = 1};
}

/* All words contain the number of commits. */
static bool is_whole(const uint64_t *words) {
    for (size_t i = 1; i < WORDS; i++)
        if (words[i] != words[0])
            return false;
    return true;
}

static void *writes(void *p) {
    ipm_rwlock lock = side();
    ipm_transaction t;
    (void)p;
    for (int i = 0; i < ROUNDS; i++) {
        if (ipm_rwlock_write(&lock, IPM_FOREVER) != IPM_OK) {
            failed++;
            break;
        }
        ipm_transaction_recover(&memory);
        ipm_rwlock_repaired(&lock);
        ipm_transaction_open(&t, &memory);
        uint64_t value = ipm_load_u64(data) + 1;
        for (size_t w = 0; w < WORDS; w++) {
            ipm_transaction_change(&t, w * 8, 8);
            ipm_store_u64(data + w * 8, value);
        }
        bool commits = i % 5 != 0;
        if (commits)
            ipm_transaction_commit(&t);
        else
            ipm_transaction_rollback(&t);
        ipm_rwlock_unlock(&lock);
        if (commits)
            ipm_notify_all(&news);
    }
    return NULL;
}

static void *reads(void *p) {
    uint64_t words[WORDS];
    ipm_rwlock lock = side();
    (void)p;
    for (int i = 0; i < ROUNDS; i++) {
        if (ipm_rwlock_read(&lock, IPM_FOREVER) != IPM_OK) {
            failed++;
            break;
        }
        ipm_copy_from_shared(words, data, SIZE);
        torn += !is_whole(words);
        ipm_rwlock_unlock(&lock);
    }
    return NULL;
}

static void *copies(void *p) {
    uint64_t words[WORDS], last = 0, version = 0;
    (void)p;
    while (version < (uint64_t)WRITERS * ROUNDS * 4 / 5) {
        uint32_t seen = ipm_notify_announce(&news);
        if (ipm_snapshot_version(&memory) == version)
            ipm_notify_wait(&news, seen, ipm_clock_now() + 100 * MS);
        version = ipm_snapshot_take(&memory, 0, SIZE, words);
        torn += !is_whole(words) || words[0] != version || version < last;
        last = version;
    }
    return NULL;
}

static void start_all(pthread_t *threads, size_t count, void *(*const bodies[])(void *)) {
    for (size_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, bodies[i], NULL) != 0)
            failed++;
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void share_one_memory(void) {
    void *(*const bodies[])(void *) = {writes, writes, writes, reads, reads, reads, copies, copies};
    pthread_t threads[8];
    torn = failed = 0;
    memory = ipm_memory_at(&state, tags, data, shadow, SIZE);
    CHECK_INT(ipm_rwlock_init((ipm_rwlock_shared *)lock_memory, 8), 0);
    start_all(threads, 8, bodies);
    CHECK_INT(torn, 0);
    CHECK_INT(failed, 0);
    CHECK_INT(ipm_snapshot_version(&memory), WRITERS * ROUNDS * 4 / 5);
}

/* ---- A handle each ----------------------------------------------------------------------- */

static void *edits(void *p) {
    ipm_segment *own;
    (void)p;
    if (ipm_segment_open(IPM_EDITOR, demo, &(ipm_options){.mmap_dir = dir}, &own, NULL) != IPM_OK) {
        failed++;
        return NULL;
    }
    for (int i = 0; i < ROUNDS; i++) {
        if (ipm_segment_lock(own, IPM_FOREVER, NULL) != IPM_OK) {
            failed++;
            break;
        }
        int64_t a;
        ipm_segment_read(own, A_OFFSET, sizeof a, &a, NULL);
        ipm_store_u64(ipm_segment_change(own, A_OFFSET, 8), (uint64_t)a + 1);
        ipm_store_u64(ipm_segment_change(own, B_OFFSET, 8), (uint64_t)a + 1);
        if (ipm_segment_unlock(own, NULL) != IPM_OK)
            failed++;
    }
    ipm_segment_close(own, NULL);
    return NULL;
}

static void *views(void *p) {
    unsigned char copy[DEMO_SIZE];
    int64_t a, b;
    ipm_segment *own;
    (void)p;
    if (ipm_segment_open(IPM_READER, demo, &(ipm_options){.mmap_dir = dir}, &own, NULL) != IPM_OK) {
        failed++;
        return NULL;
    }
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 2 != 0) {
            failed += ipm_segment_snapshot(own, copy, NULL, NULL) != IPM_OK;
        } else {
            failed += ipm_segment_lock(own, IPM_FOREVER, NULL) != IPM_OK;
            failed += ipm_segment_read(own, 0, DEMO_SIZE, copy, NULL) != IPM_OK;
            failed += ipm_segment_unlock(own, NULL) != IPM_OK;
        }
        memcpy(&a, copy + A_OFFSET, sizeof a);
        memcpy(&b, copy + B_OFFSET, sizeof b);
        torn += a != b;
    }
    ipm_segment_close(own, NULL);
    return NULL;
}

static void have_a_handle_each(void) {
    void *(*const bodies[])(void *) = {edits, edits, edits, edits, views, views, views, views};
    pthread_t threads[8];
    ipm_segment *manager = opened(IPM_MANAGER, "");
    torn = failed = 0;
    start_all(threads, 8, bodies);
    CHECK_INT(torn, 0);
    CHECK_INT(failed, 0);
    CHECK_INT(read_a(manager), 4 * ROUNDS);
    CHECK_INT(version_of(manager), 4 * ROUNDS);
    CHECK_INT(info_of(manager).recoveries, 0);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
}

/* ---- The owner of a lock ----------------------------------------------------------------- */

static ipm_segment *shared_handle;

static void *meddles(void *p) {
    (void)p;
    int64_t a;
    failed += ipm_segment_unlock(shared_handle, NULL) != IPM_EINVALID;
    failed += ipm_segment_rollback(shared_handle, NULL) != IPM_EINVALID;
    failed += ipm_segment_close(shared_handle, NULL) != IPM_EINVALID;
    failed += ipm_segment_touch(shared_handle, NULL) != IPM_EINVALID;
    failed += ipm_segment_read(shared_handle, A_OFFSET, sizeof a, &a, NULL) != IPM_EINVALID;
    return NULL;
}

static void leave_each_others_locks_alone(void) {
    pthread_t thread;
    failed = 0;
    shared_handle = opened(IPM_MANAGER, "");
    CHECK_INT(ipm_segment_lock(shared_handle, 0, &error), IPM_OK);
    set_both(shared_handle, 5);
    pthread_create(&thread, NULL, meddles, NULL);
    pthread_join(thread, NULL);
    CHECK_INT(failed, 0);
    CHECK_INT(ipm_segment_unlock(shared_handle, &error), IPM_OK);
    CHECK_INT(read_a(shared_handle), 5);
    CHECK_INT(ipm_segment_destroy(shared_handle, &error), IPM_OK);
    ipm_segment_close(shared_handle, NULL);
}

static void *ends_with_its_lock(void *p) {
    ipm_segment *segment = p;
    failed += ipm_segment_lock(segment, 0, NULL) != IPM_OK;
    int64_t *a = ipm_segment_change(segment, A_OFFSET, 8);
    if (a != NULL) /* not a reader */
        *a = 6;
    return NULL;
}

static void run_thread(void *(*body)(void *), void *with) {
    pthread_t thread;
    failed += pthread_create(&thread, NULL, body, with) != 0;
    pthread_join(thread, NULL);
}

static void says_that_a_thread_ended(ipm_segment *lost) {
    CHECK(!ipm_segment_is_locked(lost));
    CHECK(ipm_segment_data(lost) == NULL);
    CHECK(ipm_segment_change(lost, A_OFFSET, 8) == NULL);
    CHECK_INT(ipm_segment_unlock(lost, &error), IPM_EINVALID);
    CHECK(strstr(error.text, "the thread that held it has ended") != NULL);
    CHECK_INT(ipm_segment_rollback(lost, &error), IPM_EINVALID);
}

static void lose_no_lock_with_a_thread(void) {
    const ipm_role roles[] = {IPM_EDITOR, IPM_READER, IPM_MANAGER};
    failed = 0;
    ipm_segment *manager = opened(IPM_MANAGER, "");
    CHECK_INT(commit(manager, 5), IPM_OK);
    for (int i = 0; i < 3; i++) {
        ipm_segment *lost = opened(roles[i], "");
        run_thread(ends_with_its_lock, lost);
        says_that_a_thread_ended(lost);
        CHECK_INT(commit(manager, 7 + i), IPM_OK);
        CHECK_INT(info_of(manager).recoveries, 0); /* the thread itself has rolled it back */
        CHECK_INT(ipm_segment_lock(lost, 0, &error), IPM_OK);
        CHECK_INT(read_a(lost), 7 + i);
        CHECK_INT(ipm_segment_unlock(lost, &error), IPM_OK);
        CHECK_INT(ipm_segment_unlock(lost, &error), IPM_EINVALID);
        CHECK(strstr(error.text, "is not held") != NULL);
        run_thread(ends_with_its_lock, lost);
        CHECK_INT(ipm_segment_close(lost, &error), IPM_OK);
    }
    CHECK_INT(version_of(manager), 4);
    CHECK_INT(failed, 0);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
}

static void *shows_what_it_locked(void *p) {
    unsigned char **shown = p;
    failed += ipm_segment_lock(shared_handle, 0, NULL) != IPM_OK;
    *shown = (unsigned char *)ipm_segment_data(shared_handle);
    failed += *shown == NULL;
    return NULL;
}

static void lose_the_address_of_the_struct_with_the_lock(void) {
    unsigned char *shown = NULL;
    failed = 0;
    shared_handle = opened(IPM_MANAGER, "");
    ipm_segment_show(shared_handle, &shown);
    run_thread(shows_what_it_locked, &shown);
    CHECK(shown == NULL);
    CHECK_INT(failed, 0);
    CHECK_INT(ipm_segment_destroy(shared_handle, &error), IPM_OK);
    ipm_segment_close(shared_handle, NULL);
}

static pthread_key_t late;

static void locks_at_the_end(void *p) {
    ends_with_its_lock(p);
}

static void *ends_with_two(void *p) {
    ipm_segment **both = p;
    pthread_setspecific(late, both[1]);
    return ends_with_its_lock(both[0]);
}

/* A destructor of another library, which runs after the one that releases the locks. */
static void lose_no_lock_that_is_taken_while_a_thread_ends(void) {
    failed = 0;
    ipm_segment *manager = opened(IPM_MANAGER, ""), *other = opened(IPM_MANAGER, "other");
    CHECK_INT(pthread_key_create(&late, locks_at_the_end), 0);
    run_thread(ends_with_two, (ipm_segment *[]){manager, other});
    CHECK_INT(failed, 0);
    says_that_a_thread_ended(manager);
    says_that_a_thread_ended(other);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    CHECK_INT(ipm_segment_destroy(other, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
    ipm_segment_close(other, NULL);
    pthread_key_delete(late);
}

static void *forks_with_its_lock(void *p) {
    failed += ipm_segment_lock(p, 0, NULL) != IPM_OK;
    pid_t child = fork();
    if (child == 0)
        pthread_exit(NULL); /* the last thread of the child: its locks belong to the parent */
    int status = -1;
    waitpid(child, &status, 0);
    failed += status != 0;
    failed += !ipm_segment_is_locked(p);
    failed += ipm_segment_unlock(p, NULL) != IPM_OK;
    return NULL;
}

static void keep_their_locks_when_a_childs_thread_ends(void) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    SKIP("sanitizers do not follow a fork's child to the end of its last thread");
#endif
    failed = 0;
    ipm_segment *manager = opened(IPM_MANAGER, "");
    run_thread(forks_with_its_lock, manager);
    CHECK_INT(failed, 0);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
}

int main(void) {
    set_up();
    run("share one memory, and read whole commits and lose no addition", share_one_memory);
    run("have a handle each, and read whole commits and lose no addition", have_a_handle_each);
    run("cannot release each other's locks", leave_each_others_locks_alone);
    run("release their locks when they end", lose_no_lock_with_a_thread);
    run("get no address of the struct after they have ended with the lock",
        lose_the_address_of_the_struct_with_the_lock);
    run("release a lock that a destructor takes while they end",
        lose_no_lock_that_is_taken_while_a_thread_ends);
    run("keep their locks when a thread of a fork's child ends",
        keep_their_locks_when_a_childs_thread_ends);
    return tear_down();
}
