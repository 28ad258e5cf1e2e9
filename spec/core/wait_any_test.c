/* Waiting for a commit to any of several segments. */
#include "fixture.h"
#include "peer.h"

#include <sys/resource.h>

enum { COUNT = 3 };

static ipm_segment *handles[COUNT];
static uint64_t versions[COUNT];

static void open_all(void) {
    static const char *const tags[COUNT] = {"a", "b", "c"};
    for (size_t i = 0; i < COUNT; i++) {
        handles[i] = opened(IPM_MANAGER, tags[i]);
        CHECK_INT(ipm_segment_version(handles[i], &versions[i], &error), IPM_OK);
    }
}

static void destroy_all(void) {
    for (size_t i = 0; i < COUNT; i++) {
        ipm_segment_destroy(handles[i], NULL);
        ipm_segment_close(handles[i], NULL);
    }
}

static int wait_for_any(size_t first, int64_t timeout_ns, size_t *which) {
    uint64_t version;
    int code = ipm_wait_any(handles, versions, COUNT, first, timeout_ns, which, &version, &error);
    if (code == IPM_OK)
        versions[*which] = version;
    return code;
}

static void finds_the_first_from_an_index_on(void) {
    size_t which;
    open_all();
    CHECK_ERROR(wait_for_any(0, 0, &which), IPM_ETIMEOUT, "no commit to any of 3 segments");
    CHECK_INT(commit(handles[0], 1), IPM_OK);
    CHECK_INT(commit(handles[2], 1), IPM_OK);
    CHECK_INT(wait_for_any(1, 0, &which), IPM_OK);
    CHECK_INT(which, 2);
    CHECK_INT(wait_for_any(1, 0, &which), IPM_OK);
    CHECK_INT(which, 0);
    CHECK_ERROR(wait_for_any(2, MS, &which), IPM_ETIMEOUT, "in time");
    destroy_all();
}

static void refuses_no_segment(void) {
    size_t which;
    uint64_t version;
    CHECK_ERROR(ipm_wait_any(NULL, NULL, 0, 0, MS, &which, &version, &error), IPM_EINVALID,
                "no segment");
}

static void is_interrupted(void) {
    size_t which;
    open_all();
    ipm_segment_interrupt(handles[1]);
    CHECK_INT(wait_for_any(0, 20 * SECOND, &which), IPM_EINTERRUPTED);
    CHECK_INT(which, 1);
    CHECK_INT(wait_for_any(0, MS, &which), IPM_ETIMEOUT);
    destroy_all();
}

static void commits(peer *test) {
    ipm_segment *editor = opened(IPM_EDITOR, "b");
    hear(test);
    CHECK_INT(commit(editor, 7), IPM_OK);
    ipm_segment_close(editor, NULL);
}

/* Without a descriptor for inotify the caller looks every 10 ms. */
static void needs_no_descriptor(void) {
    size_t which;
    struct rlimit before, none;
    open_all();
    peer writer = start(commits);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    tell(&writer, 'g');
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_INT(wait_for_any(0, 20 * SECOND, &which), IPM_OK);
    CHECK_INT(which, 1);
    CHECK_INT(wait_for_any(0, MS, &which), IPM_ETIMEOUT);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_INT(finish(&writer), 0);
    destroy_all();
}

static void names_the_one_that_was_destroyed(void) {
    size_t which;
    open_all();
    CHECK_INT(ipm_segment_destroy(handles[1], &error), IPM_OK);
    CHECK_INT(wait_for_any(0, 20 * SECOND, &which), IPM_EREPLACED);
    CHECK_INT(which, 1);
    destroy_all();
}

int main(void) {
    set_up();
    run("the first segment with a commit is found, from an index on",
        finds_the_first_from_an_index_on);
    run("no segment is refused", refuses_no_segment);
    run("an interruption of one handle ends the wait", is_interrupted);
    run("a process without descriptors looks from time to time", needs_no_descriptor);
    run("the segment that was destroyed is named", names_the_one_that_was_destroyed);
    return tear_down();
}
