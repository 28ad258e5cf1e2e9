/*
 * Both files are removed while they are in use, as by rm or by a cleaner of temporary files. Or
 * their directory is renamed, which does not remove the files.
 */
#include "fixture.h"
#include "peer.h"

#include <poll.h>
#include <sys/mman.h>

static ipm_segment *manager, *editor, *reader;

static void fresh(void) {
    manager = opened(IPM_MANAGER, "");
    editor = opened(IPM_EDITOR, "");
    reader = opened(IPM_READER, "");
}

static void remove_both(void) {
    CHECK_INT(unlink(data_path("")), 0);
    CHECK_INT(unlink(lock_path("")), 0);
}

static void closed(void) {
    ipm_segment_close(manager, NULL);
    ipm_segment_close(editor, NULL);
    ipm_segment_close(reader, NULL);
}

static void waits_as(peer *test, ipm_role role) {
    uint64_t now;
    ipm_segment *own = opened(role, "");
    tell(test, 'o');
    tell(test, ipm_segment_wait(own, 0, 10 * SECOND, &now, &error) == IPM_EREPLACED ? 'r' : 'x');
    tell(test, ipm_segment_version(own, &now, &error) == IPM_EREPLACED ? 'r' : 'x');
    ipm_segment_close(own, NULL);
}

static void waits_as_reader(peer *test) {
    waits_as(test, IPM_READER);
}

static void waits_as_editor(peer *test) {
    waits_as(test, IPM_EDITOR);
}

static void tells(void (*waiter)(peer *)) {
    fresh();
    peer p = start(waiter);
    CHECK_INT(hear(&p), 'o');
    remove_both();
    CHECK_INT(hear(&p), 'r');
    CHECK_INT(hear(&p), 'r');
    CHECK_INT(finish(&p), 0);
}

static void tells_a_reader_that_waits(void) {
    tells(waits_as_reader);
    closed();
}

static void tells_all_through_an_editor_that_waits(void) {
    unsigned char copy[DEMO_SIZE];
    tells(waits_as_editor);
    CHECK_ERROR(commit(manager, 5), IPM_EREPLACED, "was replaced or destroyed");
    CHECK_INT(ipm_segment_snapshot(reader, copy, NULL, &error), IPM_EREPLACED);
    closed();
}

static void waits_for_the_lock(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    tell(test, 'o');
    tell(test, ipm_segment_lock(own, 10 * SECOND, &error) == IPM_EREPLACED ? 'r' : 'x');
    ipm_segment_close(own, NULL);
}

static void tells_an_editor_that_waits_for_the_lock(void) {
    fresh();
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    set_both(editor, 5);
    peer p = start(waits_for_the_lock);
    CHECK_INT(hear(&p), 'o');
    remove_both();
    CHECK_INT(hear(&p), 'r');
    CHECK_INT(finish(&p), 0);
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_EREPLACED); /* the peer has set the flag */
    closed();
}

static bool is_readable(int fd) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, PEER_DEADLINE_MS) == 1;
}

static void tells_an_event_loop(void) {
    uint64_t version;
    int fd;
    fresh();
    CHECK_INT(ipm_segment_fd(reader, &fd, &error), IPM_OK);
    CHECK_INT(ipm_segment_drain(reader, &version, &error), IPM_OK);
    remove_both();
    CHECK(is_readable(fd));
    CHECK_ERROR(ipm_segment_drain(reader, &version, &error), IPM_EREPLACED, data_path(""));
    CHECK_INT(ipm_segment_version(reader, &version, &error), IPM_EREPLACED);
    closed();
}

static void tells_an_editor_that_is_listened_to(void) {
    int fd;
    fresh();
    CHECK_INT(ipm_segment_fd(reader, &fd, &error), IPM_OK);
    remove_both();
    CHECK_INT(commit(editor, 5), IPM_EREPLACED);
    closed();
}

static void says_so_in_info(void) {
    fresh();
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK(!info_of(reader).replaced);
    remove_both();
    CHECK(info_of(reader).replaced);
    CHECK_INT(info_of(reader).version, 1);
    CHECK_INT(read_a(reader), -1);
    closed();
}

/* The list of mappings is read in pieces. Neighbours with equal access would be one mapping. */
static void says_so_among_many_mappings(void) {
    enum { MAPPINGS = 1000 };
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    fresh();
    char *area = mmap(NULL, MAPPINGS * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < MAPPINGS; i += 2)
        CHECK_INT(mprotect(area + i * page, page, PROT_READ), 0);
    remove_both();
    CHECK(info_of(reader).replaced);
    munmap(area, MAPPINGS * page);
    closed();
}

static void looks_with_descriptor_zero(peer *test) {
    (void)test;
    fresh();
    remove_both();
    close(0);
    exit(!info_of(reader).replaced);
}

static void says_so_where_standard_input_is_closed(void) {
    CHECK_INT(run_peer(looks_with_descriptor_zero), 0);
}

static void flushes_nothing(void) {
    fresh();
    CHECK_INT(ipm_segment_flush(editor, &error), IPM_OK);
    remove_both();
    CHECK_INT(ipm_segment_flush(editor, &error), IPM_EREPLACED);
    closed();
}

/* Another process makes a new segment in the place of the removed one. */
static void tells_of_a_second_group(void) {
    fresh();
    remove_both();
    ipm_segment *second = opened(IPM_MANAGER, "");
    CHECK(info_of(editor).replaced);
    CHECK_INT(commit(second, 5), IPM_OK);
    CHECK_INT(commit(manager, 6), IPM_EREPLACED);
    CHECK_INT(ipm_segment_destroy(second, &error), IPM_OK);
    ipm_segment_close(second, NULL);
    closed();
}

/* ---- Directories ------------------------------------------------------------------------- */

static ipm_segment *open_in(const char *name, ipm_role role) {
    ipm_segment *segment = NULL;
    ipm_options options = {.mmap_dir = in_dir(name), .create = role == IPM_MANAGER};
    CHECK_INT(ipm_segment_open(role, demo, &options, &segment, &error), IPM_OK);
    return segment;
}

static void goes_on_when_the_directory_is_renamed(void) {
    uint64_t now;
    manager = open_in("d", IPM_MANAGER);
    CHECK_INT(rename(in_dir("d"), in_dir("e")), 0);
    CHECK_INT(ipm_segment_wait(manager, 0, 2 * MS, &now, &error), IPM_ETIMEOUT);
    CHECK(!info_of(manager).replaced);
    editor = open_in("e", IPM_EDITOR);
    CHECK_INT(commit(manager, 5), IPM_OK);
    CHECK_INT(read_a(editor), 5);
    CHECK_INT(rename(in_dir("e"), in_dir("d")), 0);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
    ipm_segment_close(editor, NULL);
    CHECK_INT(rmdir(in_dir("d")), 0);
}

/* Processes that use the old file by its new name lose no commit. */
static void is_replaced_for_those_whose_name_another_has(void) {
    manager = open_in("d", IPM_MANAGER);
    CHECK_INT(rename(in_dir("d"), in_dir("e")), 0);
    editor = open_in("e", IPM_EDITOR);
    ipm_segment *second = open_in("d", IPM_MANAGER);
    CHECK(info_of(manager).replaced);
    CHECK_INT(commit(manager, 5), IPM_EREPLACED);
    CHECK_INT(commit(editor, 6), IPM_OK);
    CHECK(!info_of(editor).replaced);
    CHECK_INT(ipm_segment_destroy(second, &error), IPM_OK);
    ipm_segment_close(second, NULL);
    ipm_segment_close(manager, NULL);
    ipm_segment_close(editor, NULL);
    CHECK_INT(rmdir(in_dir("d")), 0);
}

static void may_not_look(peer *test) {
    uint64_t now;
    (void)test;
    manager = open_in("d", IPM_MANAGER);
    if (chmod(in_dir("d"), 0) != 0 || setresuid(65534, 65534, 65534) != 0)
        _exit(1);
    _exit(ipm_segment_wait(manager, 0, 2 * MS, &now, &error) == IPM_ETIMEOUT &&
                  !info_of(manager).replaced
              ? 0
              : 2);
}

static void goes_on_where_it_may_not_look(void) {
    if (geteuid() != 0)
        SKIP("needs root, to become another user");
    CHECK_INT(run_peer(may_not_look), 0);
}

int main(void) {
    set_up();
    run("tells a waiting reader that the files were removed", tells_a_reader_that_waits);
    run("tells all handles as soon as a waiting editor notices",
        tells_all_through_an_editor_that_waits);
    run("tells an editor that waits for the lock", tells_an_editor_that_waits_for_the_lock);
    run("tells an event loop", tells_an_event_loop);
    run("tells an editor that is listened to", tells_an_editor_that_is_listened_to);
    run("reports it in info, with the information that was known last", says_so_in_info);
    run("reports it in a process with many mappings", says_so_among_many_mappings);
    run("reports it with standard input closed", says_so_where_standard_input_is_closed);
    run("refuses to flush a file that has no name", flushes_nothing);
    run("tells users of the old files that there is a new segment of that name",
        tells_of_a_second_group);
    run("goes on when the directory is renamed", goes_on_when_the_directory_is_renamed);
    run("fails with replaced only in handles whose name another file has",
        is_replaced_for_those_whose_name_another_has);
    run("goes on if it may not check the path", goes_on_where_it_may_not_look);
    return tear_down();
}
