/* A manager that resets a segment with force while another process holds the lock. */
#include "clock_jump.h"
#include "fixture.h"
#include "peer.h"

static void holds(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    tell(test, ipm_segment_lock(own, 0, NULL) == IPM_OK ? 'h' : 'x');
    if (hear(test) == 'u')
        tell(test, ipm_segment_unlock(own, NULL) == IPM_OK ? 'u' : 'x');
}

static int force(ipm_segment **segment) {
    ipm_options options = {.mmap_dir = dir, .create = true, .force = true};
    return ipm_segment_open(IPM_MANAGER, demo, &options, segment, &error);
}

static void waits_for_it_ten_seconds_and_no_longer(void) {
    ipm_segment *manager = opened(IPM_MANAGER, "");
    ipm_segment *forced;
    CHECK_INT(commit(manager, 5), IPM_OK);
    peer p = start(holds);
    CHECK_INT(hear(&p), 'h');
    looks_left = 20; /* the manager has begun to wait; it checks the time at least every 100 ms */
    CHECK_INT(force(&forced), IPM_ETIMEOUT);
    CHECK_INT(looks_left, 0);
    CHECK(forced == NULL);
    CHECK_INT(read_a(manager), 5);
    CHECK_INT(version_of(manager), 1);
    tell(&p, 'u');
    CHECK_INT(hear(&p), 'u');
    finish(&p);
    CHECK_INT(force(&forced), IPM_OK);
    CHECK_INT(read_a(manager), 0);
    ipm_segment_close(forced, NULL);
    CHECK_INT(ipm_segment_destroy(manager, NULL), IPM_OK);
    ipm_segment_close(manager, NULL);
}

int main(void) {
    set_up();
    run("force waits for the lock for ten seconds, and no longer",
        waits_for_it_ten_seconds_and_no_longer);
    return tear_down();
}
