/* The child of a fork, where inherited handles fail because they belong to the parent. */
#include "fixture.h"
#include "peer.h"

static ipm_segment *manager, *editor, *reader;

static void expect(bool as_expected, int status) {
    if (!as_expected)
        _exit(status);
}

static void is_forked(ipm_segment *segment, int status) {
    unsigned char copy[DEMO_SIZE];
    uint64_t number = 0;
    ipm_info info = {0};
    expect(ipm_segment_lock(segment, 0, &error) == IPM_EFORKED, status);
    expect(strstr(error.text, "opened before a fork, by the parent") != NULL, status);
    expect(ipm_segment_unlock(segment, NULL) == IPM_EFORKED, status + 1);
    expect(ipm_segment_rollback(segment, NULL) == IPM_EFORKED, status + 2);
    expect(ipm_segment_read(segment, 0, 8, copy, NULL) == IPM_EFORKED, status + 3);
    expect(ipm_segment_snapshot(segment, copy, NULL, NULL) == IPM_EFORKED, status + 4);
    expect(ipm_segment_version(segment, &number, NULL) == IPM_EFORKED, status + 5);
    expect(ipm_segment_wait(segment, 0, 0, &number, NULL) == IPM_EFORKED, status + 6);
    expect(ipm_segment_info(segment, &info, NULL) == IPM_EFORKED, status + 7);
    expect(ipm_segment_data(segment) == NULL, status + 8);
    expect(ipm_segment_change(segment, A_OFFSET, 8) == NULL, status + 9);
    expect(!ipm_segment_is_locked(segment), status + 10);
}

static void says_so_of_every_handle(peer *test) {
    (void)test;
    is_forked(editor, 10);
    is_forked(reader, 30);
    is_forked(manager, 50);
    expect(ipm_segment_touch(editor, NULL) == IPM_EFORKED, 70);
    expect(ipm_segment_clear(editor, NULL) == IPM_EFORKED, 71);
    expect(ipm_segment_flush(editor, NULL) == IPM_EFORKED, 72);
    expect(ipm_segment_destroy(manager, NULL) == IPM_EFORKED, 73);
}

static void closes_them_and_opens_its_own(peer *test) {
    (void)test;
    expect(ipm_segment_close(editor, &error) == IPM_OK, 1);
    expect(ipm_segment_close(reader, &error) == IPM_OK, 2);
    expect(ipm_segment_close(manager, &error) == IPM_OK, 3);
    ipm_segment *own;
    expect(open_as(IPM_EDITOR, "", &own) == IPM_OK, 4);
    expect(ipm_segment_lock(own, 0, NULL) == IPM_ETIMEOUT, 5); /* the parent still holds the lock */
    expect(read_a(own) == 0, 6);
    expect(ipm_segment_close(own, NULL) == IPM_OK, 7);
}

static void exits(peer *test) {
    (void)test;
    exit(0); /* a normal exit, which runs the handlers of atexit */
}

static void child_says_forked(void) {
    CHECK_INT(run_peer(says_so_of_every_handle), 0);
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    CHECK_INT(run_peer(says_so_of_every_handle), 0);
    CHECK_INT(ipm_segment_rollback(editor, &error), IPM_OK);
    CHECK_INT(ipm_segment_lock(reader, 0, &error), IPM_OK);
    CHECK_INT(run_peer(says_so_of_every_handle), 0);
    CHECK_INT(ipm_segment_unlock(reader, &error), IPM_OK);
}

static void keeps_its_lock_whatever_the_child_does(void) {
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    set_both(editor, 5);
    CHECK_INT(run_peer(closes_them_and_opens_its_own), 0);
    CHECK_INT(run_peer(exits), 0);
    CHECK(ipm_segment_is_locked(editor));
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    CHECK_INT(read_a(reader), 5);
    CHECK_INT(version_of(reader), 1);
}

static void makes_a_child_and_dies(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    CHECK_INT(ipm_segment_lock(own, 10 * SECOND, &error), IPM_OK);
    set_both(own, 6);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, 0);
        hear(test); /* outlives its parent */
        _exit(0);
    }
    tell(test, 'f');
    kill(getpid(), SIGKILL);
}

/* The child of a killed writer keeps neither a lock nor the lock file in use. */
static void recovers_while_the_writers_child_lives(void) {
    peer p = start(makes_a_child_and_dies);
    CHECK_INT(hear(&p), 'f');
    CHECK_INT(ipm_segment_lock(editor, 10 * SECOND, &error), IPM_OK);
    CHECK_INT(read_a(editor), 5);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    CHECK_INT(info_of(editor).recoveries, 1);
    CHECK_INT(finish(&p), 128 + SIGKILL);
}

static void is_not_mapped_in_the_child(void) {
    char line[512];
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        FILE *maps = fopen("/proc/self/maps", "r");
        while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
            if (strstr(line, "Demo_.") != NULL)
                _exit(1);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    CHECK_INT(ipm_segment_rollback(editor, &error), IPM_OK);
}

static void grandchild_too(peer *test) {
    (void)test;
    expect(run_peer(says_so_of_every_handle) == 0, 1);
    ipm_segment *own;
    expect(open_as(IPM_EDITOR, "", &own) == IPM_OK, 2);
    editor = own;
    pid_t child = fork();
    if (child == 0)
        _exit(ipm_segment_lock(own, 0, NULL) == IPM_EFORKED ? 0 : 1);
    int status;
    waitpid(child, &status, 0);
    expect(status == 0, 3);
    expect(commit(own, 8) == IPM_OK, 4);
}

static void counts_forks_of_forks(void) {
    CHECK_INT(run_peer(grandchild_too), 0);
    CHECK_INT(read_a(reader), 8);
}

static uintptr_t forks_before;

static void has_one_fork_more(peer *test) {
    (void)test;
    expect(*ipm_forks() == forks_before + 1, 1);
    pid_t child = fork();
    if (child == 0)
        _exit(*ipm_forks() == forks_before + 2 ? 0 : 1);
    int status;
    waitpid(child, &status, 0);
    expect(status == 0, 2);
    expect(*ipm_forks() == forks_before + 1, 3);
}

static void tells_the_number_of_forks(void) {
    const uintptr_t *forks = ipm_forks();
    if (!CHECK(forks != NULL))
        return;
    forks_before = *forks;
    CHECK_INT(run_peer(has_one_fork_more), 0);
    CHECK_INT(*forks, forks_before);
    CHECK(ipm_forks() == forks);
}

int main(void) {
    set_up();
    manager = opened(IPM_MANAGER, "");
    editor = opened(IPM_EDITOR, "");
    reader = opened(IPM_READER, "");
    run("fails with forked in every call in a child", child_says_forked);
    run("keeps the parent's lock, whatever a child does", keeps_its_lock_whatever_the_child_does);
    run("recovers from a killed writer although its child lives",
        recovers_while_the_writers_child_lives);
    run("does not map the segment in a child", is_not_mapped_in_the_child);
    run("counts the forks of forks", counts_forks_of_forks);
    run("tells how many forks led to a process, at one address", tells_the_number_of_forks);
    ipm_segment_close(editor, NULL);
    ipm_segment_close(reader, NULL);
    ipm_segment_destroy(manager, NULL);
    ipm_segment_close(manager, NULL);
    return tear_down();
}
