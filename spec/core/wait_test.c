/* Waits for a commit: events between their steps, and calls that wake them. */
#include "../../src/core/segment.h"
#include "fixture.h"
#include "peer.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

static ipm_segment *manager, *editor;

static void begin(void) {
    manager = opened(IPM_MANAGER, "");
    editor = opened(IPM_EDITOR, "");
}

static void end(void) {
    ipm_segment_close(editor, NULL);
    ipm_segment_close(manager, NULL);
    remove(data_path(""));
    remove(lock_path(""));
}

/* ---- Between the first check of the version and the announcement ------------------------- */

/* The first store of a wait is its announcement. This commit must come before it. */
static void commit_first(int signal) {
    (void)signal;
    CHECK_INT(mprotect(manager->lockfile.head, 4096, PROT_READ | PROT_WRITE), 0);
    CHECK_INT(commit(editor, 5), IPM_OK);
}

static void looks_again_once_it_has_announced_itself(void) {
    uint64_t now = 0;
    begin();
    struct sigaction action = {.sa_handler = commit_first}, before;
    sigaction(SIGSEGV, &action, &before);
    CHECK_INT(mprotect(manager->lockfile.head, 4096, PROT_READ), 0);
    CHECK_INT(ipm_segment_wait(manager, 0, 0, &now, &error), IPM_OK);
    sigaction(SIGSEGV, &before, NULL);
    CHECK_INT(now, 1);
    end();
}

/* ---- Calls that wake waiting processes --------------------------------------------------- */

static int64_t ahead_s; /* how often the clock is read until a slice of a wait is over */

int clock_gettime(clockid_t clock, struct timespec *now) {
    long rc = syscall(SYS_clock_gettime, clock, now);
    now->tv_sec += clock == CLOCK_MONOTONIC ? ahead_s : 0;
    return (int)rc;
}

/* The slices last an hour here, so only a wake-up ends one. */
static void waits(peer *test) {
    uint64_t now;
    ipm_segment *own = opened(IPM_EDITOR, "");
    ahead_s = 3600;
    tell(test, 'o');
    int code = ipm_segment_wait(own, 0, IPM_FOREVER, &now, &error);
    tell(test, code == IPM_OK ? 'c' : code == IPM_EREPLACED ? 'r' : 'x');
    ahead_s = 0;
    ipm_segment_close(own, NULL);
}

static void wakes(void (*news)(void), char expected) {
    begin();
    peer p = start(waits);
    CHECK_INT(hear(&p), 'o');
    await_futex(&p);
    news();
    if (!CHECK_INT(hear(&p), expected))
        kill(p.pid, SIGKILL);
    CHECK_INT(finish(&p), 0);
    end();
}

static void commit_once(void) {
    CHECK_INT(commit(editor, 5), IPM_OK);
}

static void a_commit_wakes_those_who_wait(void) {
    wakes(commit_once, 'c');
}

static void destroy(void) {
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
}

static void destroying_wakes_those_who_wait(void) {
    wakes(destroy, 'r');
}

static void replace(void) {
    ipm_segment *segment;
    ipm_options options = {.mmap_dir = dir, .create = true, .force = true};
    ipm_layout *other = layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int8 }");
    CHECK_INT(ipm_segment_open(IPM_MANAGER, other, &options, &segment, &error), IPM_OK);
    ipm_segment_close(segment, NULL);
    ipm_layout_free(other);
}

static void replacing_wakes_those_who_wait(void) {
    wakes(replace, 'r');
}

static void remove_and_find_out(void) {
    CHECK_INT(unlink(data_path("")), 0);
    CHECK_INT(ipm_segment_flush(editor, &error), IPM_EREPLACED);
}

static void an_editor_that_finds_the_name_lost_wakes_those_who_wait(void) {
    wakes(remove_and_find_out, 'r');
}

int main(void) {
    set_up();
    run("a waiter checks the version again after it has announced that it sleeps",
        looks_again_once_it_has_announced_itself);
    run("a commit wakes the waiting processes", a_commit_wakes_those_who_wait);
    run("destroying wakes the waiting processes", destroying_wakes_those_who_wait);
    run("replacing wakes the waiting processes", replacing_wakes_those_who_wait);
    run("an editor that finds the name lost wakes the waiting processes",
        an_editor_that_finds_the_name_lost_wakes_those_who_wait);
    return tear_down();
}
