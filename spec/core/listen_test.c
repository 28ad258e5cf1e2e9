/*
 * What it costs to notify a listener: the test counts touches of the file with a second inotify
 * watch.
 */
#include "core/segment.h"

#include "peer.h"
#include "tap.h"

#include <grp.h>
#include <sys/inotify.h>
#include <unistd.h>

#define STRANGER 12003

static char dir[] = "/dev/shm/ipmmap-listen-XXXXXX";
static ipm_layout *layout;
static ipm_segment *editor;
static int touches;

static ipm_segment *open_as(ipm_role role) {
    ipm_options options = {.mmap_dir = dir, .create = role == IPM_MANAGER};
    ipm_segment *segment = NULL;
    ipm_error error = {0};
    CHECK_INT(ipm_segment_open(role, layout, &options, &segment, &error), IPM_OK);
    CHECK_STR(error.text, "");
    return segment;
}

static void commit(void) {
    CHECK_INT(ipm_segment_touch(editor, NULL), IPM_OK);
}

/* Whether the file was touched since the last call; inotify merges several into one. */
static bool was_touched(void) {
    char events[4096];
    return read(touches, events, sizeof events) > 0;
}

static void nobody_listens(void) {
    commit();
    CHECK(!was_touched());
}

static void one_listens(void) {
    uint64_t version, now;
    int fd;
    ipm_segment *reader = open_as(IPM_READER);
    CHECK_INT(ipm_segment_fd(reader, &fd, NULL), IPM_OK);
    commit();
    CHECK(was_touched());
    commit();
    CHECK(!was_touched()); /* the listener has not drained yet */
    CHECK_INT(ipm_segment_drain(reader, &version, NULL), IPM_OK);
    commit();
    CHECK(was_touched());
    CHECK_INT(ipm_segment_drain(reader, &now, NULL), IPM_OK);
    CHECK_INT(now, version + 1);
    ipm_segment_close(reader, NULL);
    commit();
    CHECK(was_touched()); /* the flag of the closed listener was still set */
    commit();
    CHECK(!was_touched());
}

/* The listener drains after the touch and before the flag is cleared, so the flag must stay set. */
static void drained_while_telling(void) {
    _Atomic uint32_t *listening = &editor->lockfile.head->listening;
    uint64_t version;
    int fd;
    ipm_segment *reader = open_as(IPM_READER);
    CHECK_INT(ipm_segment_fd(reader, &fd, NULL), IPM_OK);
    uint32_t found = atomic_load(listening);
    CHECK_INT(ipm_segment_drain(reader, &version, NULL), IPM_OK);
    CHECK(!atomic_compare_exchange_strong(listening, &found, found & ~1U));
    commit();
    CHECK(was_touched());
    ipm_segment_close(reader, NULL);
}

/* An editor that has changed its user since it opened the segment, as servers do that start as
 * root. */
static void commits_as_a_stranger(peer *test) {
    (void)test;
    ipm_segment *own = open_as(IPM_EDITOR);
    if (setgroups(0, NULL) != 0 || setgid(STRANGER) != 0 || setuid(STRANGER) != 0)
        _exit(90);
    _exit(ipm_segment_touch(own, NULL) == IPM_OK ? 0 : 1);
}

static void one_that_may_not_touch_the_file(void) {
    if (geteuid() != 0)
        SKIP("needs root, to become another user");
    uint64_t version;
    int fd;
    ipm_segment *reader = open_as(IPM_READER);
    CHECK_INT(ipm_segment_fd(reader, &fd, NULL), IPM_OK);
    CHECK_INT(ipm_segment_drain(reader, &version, NULL), IPM_OK);
    CHECK_INT(run_peer(commits_as_a_stranger), 0);
    CHECK(!was_touched());
    commit();
    CHECK(was_touched()); /* the flag is still set for the listener */
    ipm_segment_close(reader, NULL);
}

/* An editor that dies between its commit and the touch. */
static void commits_and_dies(peer *test) {
    (void)test;
    ipm_segment *own = open_as(IPM_EDITOR);
    if (ipm_segment_lock(own, 0, NULL) != IPM_OK || ipm_segment_change(own, 16, 4) == NULL ||
        !ipm_transaction_commit(&own->transaction))
        _exit(1);
    kill(getpid(), SIGKILL);
}

static void one_that_dies_before_it_tells(void) {
    uint64_t before, version;
    int fd;
    ipm_segment *reader = open_as(IPM_READER);
    CHECK_INT(ipm_segment_fd(reader, &fd, NULL), IPM_OK);
    CHECK_INT(ipm_segment_drain(reader, &before, NULL), IPM_OK);
    CHECK_INT(run_peer(commits_and_dies), 128 + SIGKILL);
    CHECK(!was_touched());
    struct pollfd told = {.fd = fd, .events = POLLIN};
    CHECK_INT(poll(&told, 1, PEER_DEADLINE_MS), 1);
    CHECK_INT(ipm_segment_drain(reader, &version, NULL), IPM_OK);
    CHECK_INT(version, before + 1);
    ipm_segment_close(reader, NULL);
}

int main(void) {
    static const char text[] =
        IPM_BASE_SCHEMA "struct Listen : BaseMmapStructure {\n  x: int32\n}\n";
    if (mkdtemp(dir) == NULL || ipm_layout_parse(text, strlen(text), &layout, NULL) != IPM_OK)
        return 1;
    editor = open_as(IPM_MANAGER);
    touches = inotify_init1(IN_NONBLOCK);
    inotify_add_watch(touches, editor->names.path, IN_ATTRIB);
    run("a commit does not touch the file if no process listens", nobody_listens);
    run("commits touch the file once for each drain, and once for a dead listener", one_listens);
    run("a flag that is set again during the touch is not cleared", drained_while_telling);
    run("a flag stays set if the file could not be touched", one_that_may_not_touch_the_file);
    run("a listener notices a commit although its editor died before the touch",
        one_that_dies_before_it_tells);
    ipm_segment_destroy(editor, NULL);
    ipm_segment_close(editor, NULL);
    rmdir(dir);
    ipm_layout_free(layout);
    return done();
}
