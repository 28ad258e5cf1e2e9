/*
 * Two libcs on one segment: run as `mixed OTHER`, where OTHER is this program built with another
 * libc. Its mutexes have the same size and another lock word, so both would get the lock.
 */
#include "../core/fixture.h"
#include "../core/peer.h"

static const char *other;

/* The other program's part: open the segment, lock it, say so, and wait. */
static int hold(const char *where) {
    ipm_segment *segment;
    peer test = {.from = STDIN_FILENO, .to = STDOUT_FILENO};
    demo = layout_of(DEMO_TEXT);
    ipm_options options = {.mmap_dir = where};
    if (ipm_segment_open(IPM_EDITOR, demo, &options, &segment, &error) != IPM_OK)
        return error.code == IPM_EINCOMPATIBLE ? 3 : 4;
    if (commit(segment, 7) != IPM_OK || ipm_segment_lock(segment, 20 * SECOND, &error) != IPM_OK)
        return 5;
    set_both(segment, 8);
    tell(&test, 'l');
    hear(&test);
    return ipm_segment_rollback(segment, &error) == IPM_OK ? 0 : 6;
}

static void runs_the_other(peer *test) {
    dup2(test->from, STDIN_FILENO);
    dup2(test->to, STDOUT_FILENO);
    execl(other, other, "--hold", dir, (char *)NULL);
    _exit(97);
}

static void keeps_libcs_apart(void) {
    ipm_segment *segment;
    ipm_segment_close(opened(IPM_MANAGER, ""), NULL);
    peer p = start(runs_the_other);
    CHECK_INT(hear(&p), 'l');
    CHECK_ERROR(open_as(IPM_EDITOR, "", &segment), IPM_EINCOMPATIBLE, "another libc");
    CHECK_INT(open_as(IPM_MANAGER, "", &segment), IPM_EINCOMPATIBLE);
    segment = opened(IPM_READER, "");
    CHECK_INT(read_a(segment), 7);
    CHECK_INT(ipm_segment_lock(segment, 0, &error), IPM_EINCOMPATIBLE);
    CHECK_INT(finish(&p), 0);
    ipm_segment_close(segment, NULL);
    segment =
        opened(IPM_EDITOR, ""); /* no process uses the lock file any more, so it is initialised */
    CHECK_INT(commit(segment, 9), IPM_OK);
    CHECK_INT(run_peer(runs_the_other), 3);
    ipm_segment_close(segment, NULL);
}

static void repairs_what_the_other_left(void) {
    peer p = start(runs_the_other);
    CHECK_INT(hear(&p), 'l');
    kill_peer(&p);
    ipm_segment *segment = opened(IPM_EDITOR, "");
    CHECK_INT(ipm_segment_lock(segment, 20 * SECOND, &error), IPM_OK);
    CHECK_INT(read_a(segment), 7);
    CHECK_INT(ipm_segment_unlock(segment, &error), IPM_OK);
    CHECK_INT(info_of(segment).recoveries, 1);
    ipm_segment_close(segment, NULL);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--hold") == 0)
        return hold(argv[2]);
    if (argc != 2) {
        fprintf(stderr, "usage: %s OTHER\n", argv[0]);
        return EXIT_FAILURE;
    }
    other = argv[1];
    set_up();
    run("is incompatible with a process of another libc, where a reader reads lock-free",
        keeps_libcs_apart);
    run("rolls back the transaction of a dead process of another libc",
        repairs_what_the_other_left);
    return tear_down();
}
