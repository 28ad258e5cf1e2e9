/* Segments that several machines share: who may write, and until when. */
#include "../../src/core/segment.h"
#include "fixture.h"
#include "peer.h"

static ipm_segment *sharer, *editor;

static int open_with(ipm_options *options, ipm_segment **segment) {
    options->own_size = sizeof *options;
    options->mmap_dir = dir;
    memset(&error, 0, sizeof error);
    return ipm_segment_open(IPM_MANAGER, demo, options, segment, &error);
}

static ipm_segment *sharer_of(bool create) {
    ipm_options options = {.create = create, .shares = true};
    ipm_segment *segment;
    if (!CHECK_INT(open_with(&options, &segment), IPM_OK))
        printf("# %s\n", error.text);
    return segment;
}

/* Make a segment that is not shared, and open it as the program that shares it and as an editor. */
static void fresh(void) {
    ipm_segment *manager = opened(IPM_MANAGER, "");
    ipm_segment_close(manager, NULL);
    sharer = sharer_of(false);
    editor = opened(IPM_EDITOR, "");
    CHECK_INT(commit(editor, 1), IPM_OK);
}

static void finished(void) {
    ipm_segment_close(editor, NULL);
    CHECK_INT(ipm_segment_destroy(sharer, NULL), IPM_OK);
    ipm_segment_close(sharer, NULL);
}

static int set(ipm_share share) {
    CHECK_INT(ipm_segment_lock(sharer, 10 * SECOND, &error), IPM_OK);
    int code = ipm_segment_set_share(sharer, &share, &error);
    CHECK_INT(ipm_segment_unlock(sharer, NULL), IPM_OK);
    return code;
}

static int make_home(int64_t deadline) {
    return set((ipm_share){IPM_HOME, deadline, 3, 0, 77});
}

static int make_replica(void) {
    return set((ipm_share){.place = IPM_REPLICA, .epoch = 3, .ahead = 5});
}

static int64_t in_an_hour(void) {
    return ipm_boottime() + 3600 * SECOND;
}

static ipm_share share_of(ipm_segment *segment) {
    ipm_share share = {0};
    CHECK_INT(ipm_segment_share(segment, &share, &error), IPM_OK);
    return share;
}

/* Each call that changes a segment, outside a lock. */
static void check_each_writer(int code) {
    int64_t value = 9;
    CHECK_INT(commit(editor, 9), code);
    CHECK_INT(ipm_segment_write(editor, A_OFFSET, 8, &value, NULL), code);
    CHECK_INT(ipm_segment_put(editor, "a", &value, 8, NULL), code);
    CHECK_INT(ipm_segment_touch(editor, NULL), code);
    CHECK_INT(ipm_segment_clear(editor, NULL), code);
}

static void says_what_it_is(void) {
    const int64_t deadline = in_an_hour();
    fresh();
    CHECK_INT(share_of(editor).place, IPM_UNSHARED);
    CHECK_INT(share_of(editor).epoch, 0);
    CHECK_INT(make_home(deadline), IPM_OK);
    const ipm_share home = share_of(editor);
    CHECK_INT(home.place, IPM_HOME);
    CHECK_INT(home.deadline, deadline);
    CHECK_INT(home.epoch, 3);
    CHECK_INT(home.token, 77);
    CHECK_INT(make_replica(), IPM_OK);
    const ipm_share replica = share_of(editor);
    CHECK_INT(replica.place, IPM_REPLICA);
    CHECK_INT(replica.deadline, 0);
    CHECK_INT(replica.ahead, 5);
    CHECK_INT(replica.token, 0);
    CHECK_INT(set((ipm_share){0}), IPM_OK);
    CHECK_INT(share_of(editor).place, IPM_UNSHARED);
    CHECK_INT(share_of(editor).epoch, 0);
    finished();
}

static void lets_editors_write_at_home(void) {
    fresh();
    CHECK_INT(make_home(in_an_hour()), IPM_OK);
    check_each_writer(IPM_OK);
    CHECK_INT(version_of(editor), 6);
    finished();
}

static void lets_nobody_write_on_a_replica(void) {
    fresh();
    CHECK_INT(make_replica(), IPM_OK);
    check_each_writer(IPM_ENOTHOME);
    CHECK_ERROR(commit(editor, 9), IPM_ENOTHOME,
                "Demo: this is a replica; its home is another machine");
    CHECK_INT(version_of(editor), 1);
    CHECK_INT(read_a(editor), 1);
    CHECK(!ipm_segment_is_locked(editor));
    finished();
}

int main(void) {
    set_up();
    run("says what it is", says_what_it_is);
    run("lets editors write at home", lets_editors_write_at_home);
    run("lets nobody write on a replica", lets_nobody_write_on_a_replica);
    return tear_down();
}
