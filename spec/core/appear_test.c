/* Opening that waits until the segment is there. */
#include "../../src/core/segment.h"
#include "fixture.h"
#include "peer.h"

/* Return once the peer sleeps between two looks. */
static void await_nap(const peer *p) {
    await_call(p, PROC_NANOSLEEP, PROC_CLOCK_NANOSLEEP);
}

static int open_awaited(ipm_role role, const char *where, int64_t wait_ns, ipm_segment **segment) {
    ipm_options options = {.mmap_dir = where, .wait_ns = wait_ns};
    memset(&error, 0, sizeof error);
    return ipm_segment_open(role, demo, &options, segment, &error);
}

static void waits_in(peer *test, ipm_role role, const char *where) {
    ipm_segment *own;
    tell(test, 'w');
    tell(test, open_awaited(role, where, IPM_FOREVER, &own) == IPM_OK ? 'o' : 'x');
    hear(test);
    tell(test, read_a(own) == 5 ? '5' : 'x');
    ipm_segment_close(own, NULL);
}

static void waits_as_reader(peer *test) {
    waits_in(test, IPM_READER, dir);
}

static void waits_as_editor(peer *test) {
    waits_in(test, IPM_EDITOR, dir);
}

static void waits_below(peer *test) {
    waits_in(test, IPM_EDITOR, in_dir("x/y"));
}

static void awaits(void (*waiter)(peer *), const char *where) {
    ipm_segment *manager;
    ipm_options options = {.mmap_dir = where, .create = true};
    peer p = start(waiter);
    CHECK_INT(hear(&p), 'w');
    await_nap(&p);
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &manager, &error), IPM_OK);
    CHECK_INT(commit(manager, 5), IPM_OK);
    CHECK_INT(hear(&p), 'o');
    tell(&p, 'r');
    CHECK_INT(hear(&p), '5');
    CHECK_INT(finish(&p), 0);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
}

static void opens_it_once_a_manager_has_made_it(void) {
    awaits(waits_as_reader, dir);
    awaits(waits_as_editor, dir);
}

static void waits_for_the_directory_too(void) {
    awaits(waits_below, in_dir("x/y"));
    rmdir(in_dir("x/y"));
    rmdir(in_dir("x"));
}

/* As a manager leaves it that is killed while it replaces the segment. */
static void waits_while_it_is_replaced(void) {
    ipm_segment *old = opened(IPM_MANAGER, "");
    ipm_datafile_retire(&old->data, true);
    ipm_segment_close(old, NULL);
    awaits(waits_as_editor, dir);
}

static void says_that_it_did_not_appear_in_time(void) {
    ipm_segment *segment;
    CHECK_ERROR(open_awaited(IPM_EDITOR, dir, 3 * MS, &segment), IPM_ETIMEOUT,
                "did not appear in time: cannot open ");
    CHECK(segment == NULL);
    CHECK(strstr(error.text, data_path("")) != NULL);
    CHECK_INT(error.system, 0);
    CHECK_INT(open_awaited(IPM_EDITOR, dir, 0, &segment), IPM_ENOTFOUND);
    CHECK_INT(open_awaited(IPM_EDITOR, dir, -1, &segment), IPM_ENOTFOUND);
}

static void says_at_once_what_waiting_does_not_mend(void) {
    ipm_segment *manager = opened(IPM_MANAGER, ""), *segment;
    ipm_layout *other = layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int8 }");
    ipm_options options = {.mmap_dir = dir, .wait_ns = IPM_FOREVER};
    CHECK_INT(ipm_segment_open(IPM_EDITOR, other, &options, &segment, &error), IPM_ELAYOUT);
    CHECK_INT(ipm_segment_destroy(manager, NULL), IPM_OK);
    ipm_segment_close(manager, NULL);
    int fd = open(data_path(""), O_CREAT | O_WRONLY, 0600);
    CHECK_INT(open_awaited(IPM_EDITOR, dir, IPM_FOREVER, &segment), IPM_ECORRUPT);
    close(fd);
    remove(data_path(""));
    ipm_layout_free(other);
}

static void on_signal(int signal) {
    (void)signal;
}

static void waits_for_a_signal(peer *test) {
    ipm_segment *own;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    tell(test, 'w');
    tell(test, open_awaited(IPM_READER, dir, IPM_FOREVER, &own) == IPM_EINTERRUPTED ? 'i' : 'x');
}

static void is_interrupted_by_a_signal(void) {
    peer p = start(waits_for_a_signal);
    CHECK_INT(hear(&p), 'w');
    struct pollfd ready = {.fd = p.from, .events = POLLIN};
    do
        kill(p.pid, SIGUSR1); /* one that comes between two naps is not noticed */
    while (poll(&ready, 1, 1) == 0);
    CHECK_INT(hear(&p), 'i');
    CHECK_INT(finish(&p), 0);
}

static void is_no_option_of_a_manager(void) {
    ipm_segment *segment;
    CHECK_ERROR(open_awaited(IPM_MANAGER, dir, 1, &segment), IPM_EINVALID,
                "Demo: wait_ns is an option of editors and readers");
}

int main(void) {
    set_up();
    run("opens the segment once a manager has made it", opens_it_once_a_manager_has_made_it);
    run("waits for the directory, too", waits_for_the_directory_too);
    run("waits while the segment is being replaced", waits_while_it_is_replaced);
    run("says that the segment did not appear in time", says_that_it_did_not_appear_in_time);
    run("says at once what waiting does not mend", says_at_once_what_waiting_does_not_mend);
    run("is interrupted by a signal", is_interrupted_by_a_signal);
    run("is no option of a manager", is_no_option_of_a_manager);
    return tear_down();
}
