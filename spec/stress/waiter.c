#include "waiter.h"

#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TURN_NS (2 * STRESS_STUCK_NS) /* longer than its parent waits for it */

static void nap(long ns) {
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* ---- The waiting process ----------------------------------------------------------------- */

static int open_as(const phase_kind *phase, bool reads, ipm_segment **segment) {
    const ipm_layout *layout = phase->way != STRESS_KEEP ? phase_other_layout : phase_layout;
    bool makes = (phase->outcome == ANOTHER || phase->outcome == MIGRATED) && !reads;
    return stress_open(reads   ? IPM_READER
                       : makes ? IPM_MANAGER
                               : IPM_EDITOR,
                       layout, makes, makes ? phase->way : STRESS_KEEP, segment);
}

static int take_turn(ipm_segment *segment, const phase_kind *phase, bool reads,
                     waiter_report *report) {
    if (phase->sleepers) {
        report->code = ipm_segment_wait(segment, 1, TURN_NS, &report->version, NULL);
        report->at_ns = stress_now();
        report->intact = stress_snapshot(segment, PHASE_WORDS, &report->version);
        return report->code;
    }
    report->code = ipm_segment_lock(segment, TURN_NS, NULL);
    report->at_ns = stress_now();
    if (report->code != IPM_OK)
        return report->code;
    report->intact = stress_look(segment, PHASE_WORDS, &report->version);
    if (!reads)
        stress_write(segment, PHASE_WORDS);
    report->code = ipm_segment_unlock(segment, NULL);
    report->committed = !reads && report->code == IPM_OK;
    return report->code;
}

/* For a newcomer. It retries, because the segment may not exist yet, or may be replaced. */
static void come_and_take_turn(const phase_kind *phase, bool reads, waiter_report *report) {
    int64_t deadline = stress_now() + TURN_NS;
    int code;
    do {
        ipm_segment *segment;
        code = report->code = open_as(phase, reads, &segment);
        if (code == IPM_OK) {
            code = take_turn(segment, phase, reads, report);
            ipm_segment_close(segment, NULL);
        }
        if (code != IPM_OK)
            nap(100000);
    } while ((code == IPM_ENOTFOUND || code == IPM_EREPLACED || code == IPM_ELAYOUT) &&
             stress_now() < deadline);
}

static void wait_in_child(const phase_kind *phase, bool reads, int in, int out) {
    waiter_report report = {0};
    ipm_segment *segment = NULL;
    char go = 0;
    cpu_set_t all;
    CPU_ZERO(&all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        CPU_SET((size_t)cpu, &all);
    sched_setaffinity(0, sizeof all, &all);
    if (!phase->newcomers)
        segment = stress_must_open(reads ? IPM_READER : IPM_EDITOR, phase_layout, false);
    stress_send(out, &go, 1);
    stress_read(in, &go, 1);
    int64_t queued = stress_queued();
    if (phase->newcomers)
        come_and_take_turn(phase, reads, &report);
    else
        take_turn(segment, phase, reads, &report);
    report.queued_ns = stress_queued() - queued;
    stress_send(out, &report, sizeof report);
    _exit(EXIT_SUCCESS);
}

/* ---- The waiter's parent ----------------------------------------------------------------- */

static void make_pipe(int ends[2]) {
    if (pipe(ends) != 0)
        stress_die("cannot make a pipe");
}

static bool has_reported(const waiter *w, int timeout_ms) {
    struct pollfd readable = {.fd = w->from, .events = POLLIN};
    return poll(&readable, 1, timeout_ms) > 0;
}

void waiter_start(waiter *w, const phase_kind *phase, bool reads) {
    int down[2], up[2];
    char ready;
    make_pipe(down);
    make_pipe(up);
    w->reads = reads;
    w->pid = stress_fork();
    if (w->pid == 0)
        wait_in_child(phase, reads, down[0], up[1]);
    close(down[0]);
    close(up[1]);
    w->to = down[1];
    w->from = up[0];
    stress_read(w->from, &ready, 1);
}

void waiter_go(waiter *w) {
    char go = 0;
    stress_send(w->to, &go, 1);
    for (unsigned looks = 0; looks < 400 && !stress_is_blocked(w->pid); looks++)
        if (has_reported(w, 0))
            return;
        else
            nap(20000);
}

bool waiter_finish(waiter *w, waiter_report *report) {
    bool reported = has_reported(w, (int)(STRESS_STUCK_NS / STRESS_MS));
    if (reported)
        stress_read(w->from, report, sizeof *report);
    stress_kill(w->pid);
    close(w->to);
    close(w->from);
    return reported;
}
