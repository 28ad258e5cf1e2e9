/*
 * usage: sweep [STRIDE [PHASE]]
 *
 * Kills a process after every instruction, or after every STRIDE-th, of everything that it does
 * with a segment. Then it checks that the other processes find the data of the last commit, and can
 * lock and open the segment. It does so without other processes, with idle survivors, and with one
 * and two processes that wait for the lock or for a commit. Reports in TAP.
 */
#include "phases.h"
#include "step.h"
#include "stress.h"
#include "waiter.h"

#include "../core/tap.h"

#include "../../src/core/file.h"
#include "../../src/core/segment.h"
#include "../../src/core/word.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * A phase that opens a segment is long, so the victim dies only after every OPENING-th instruction
 * of it, and before each system call. Parsing the schema text is one step, because it does not
 * affect other processes. The initialisation of the lock file is also a phase of its own, with
 * every instruction.
 */
#define OPENING 32
#define LONG_NS (90 * STRESS_MS) /* a longer wait is reported */
#define AT_LEAST 6000            /* deaths in a whole sweep */

/* A ring in which six commits of the whole struct find room, and more commits than that. */
#define RING 4096
#define FILLING 12

typedef enum company_kind { ALONE, IDLE, ONE, TWO, COMPANIES } company_kind;

static const char *const company_names[] = {"alone", "0 waiting", "1 waiting", "2 waiting"};

static struct {
    unsigned points[COMPANIES];
    unsigned torn, stuck, wrong;
    unsigned litter;    /* leftover files of dead creators, which are harmless */
    int64_t longest_ns; /* the longest wait after a death in this phase, except for a processor */
    int64_t longest_of_all_ns;
} sum;

/* ---- One death --------------------------------------------------------------------------- */

/* The processes and handles around one death. */
static struct {
    const phase_kind *phase;
    company_kind company;
    unsigned position;
    ipm_segment *editor, *reader; /* this process's handles: the survivors; NULL: none */
    ipm_segment *holder;          /* the survivor that holds the lock, or NULL */
    ipm_segment *follower;        /* this process's handle of the feed; NULL: none */
    ipm_feed *feed;
    uint64_t told;        /* the version that the feed told last */
    ipm_datafile watched; /* the data file, to read it without a handle */
    bool is_watched;
    step_child victim;
    waiter waiters[2];
    unsigned waiting;
    uint64_t commits;    /* the expected version: the number of commits, and what was skipped */
    uint64_t skipped_to; /* the version of the commit that skipped others; 0: there is none */
    int64_t killed_ns;
} scene;

static volatile bool *inside; /* shared with the victim */
static unsigned stride = 1;

static void fault(unsigned *kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fault(unsigned *kind, const char *format, ...) {
    va_list arguments;
    if ((*kind)++ > 20)
        return;
    printf("# %s, %s, position %u: ", scene.phase->name, company_names[scene.company],
           scene.position);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

static void waited(const char *who, int64_t waited_ns) {
    if (waited_ns > sum.longest_ns)
        sum.longest_ns = waited_ns;
    if (waited_ns > LONG_NS)
        printf("# %s, %s, position %u: %s waits for %.1f ms\n", scene.phase->name,
               company_names[scene.company], scene.position, who, (double)waited_ns / 1e6);
}

static void let_go(void) {
    if (scene.holder != NULL)
        ipm_segment_unlock(scene.holder, NULL);
    scene.holder = NULL;
}

static void commit_once(ipm_segment *segment) {
    if (ipm_segment_lock(segment, STRESS_STUCK_NS, NULL) != IPM_OK)
        stress_die("cannot lock a new segment");
    stress_write(segment, PHASE_WORDS);
    ipm_segment_unlock(segment, NULL);
}

static void die_while_writing(void) {
    pid_t pid = stress_fork();
    if (pid == 0) {
        ipm_segment *segment = stress_must_open(IPM_EDITOR, phase_layout, false);
        ipm_segment_lock(segment, IPM_FOREVER, NULL);
        stress_write(segment, PHASE_WORDS);
        raise(SIGKILL);
    }
    stress_kill(pid);
}

/* Fill the ring, so that the victim moves its tail, and follow the commits from here on. */
static void start_following(void) {
    ipm_segment *editor = stress_must_open(IPM_EDITOR, phase_layout, false);
    for (; scene.commits < FILLING; scene.commits++)
        commit_once(editor);
    ipm_segment_close(editor, NULL);
    scene.told = scene.commits - 1;
    scene.follower = stress_must_open(IPM_READER, phase_layout, false);
    if (ipm_feed_open(scene.follower, scene.told, &scene.feed, NULL) != IPM_OK)
        stress_die("no feed");
}

static bool has_survivors(company_kind company) {
    return company != ALONE && scene.phase->scene != NO_LOCK && scene.phase->scene != NOTHING;
}

static void set_scene(void) {
    const phase_kind *phase = scene.phase;
    ipm_error error;
    scene.editor = scene.reader = scene.holder = scene.follower = NULL;
    scene.feed = NULL;
    stress_feed = phase->has_ring ? RING : 0;
    scene.is_watched = false;
    scene.waiting = 0;
    scene.commits = scene.skipped_to = 0;
    if (phase->scene != NOTHING) {
        scene.editor = stress_must_open(IPM_MANAGER, phase_layout, true);
        commit_once(scene.editor);
        scene.commits = 1;
        scene.is_watched = ipm_datafile_open(stress_data_path(), NULL, IPM_READ,
                                             (ipm_expected){phase_layout, IPM_EXACT},
                                             &scene.watched, &error) == IPM_OK;
    }
    if (has_survivors(scene.company)) {
        scene.reader = stress_must_open(IPM_READER, phase_layout, false);
    } else {
        ipm_segment_close(scene.editor, NULL);
        scene.editor = NULL;
    }
    if (phase->has_ring)
        start_following();
    if (phase->scene == NO_LOCK)
        unlink(stress_lock_path());
    if (phase->scene == DEAD_WRITER)
        die_while_writing();
    scene.holder = phase->holder == A_WRITER   ? scene.editor
                   : phase->holder == A_READER ? scene.reader
                                               : NULL;
    if (scene.holder != NULL && ipm_segment_lock(scene.holder, 0, NULL) != IPM_OK)
        stress_die("cannot lock a new segment");
    unsigned waiting = scene.company == TWO ? 2 : scene.company == ONE ? 1 : 0;
    for (; scene.waiting < waiting; scene.waiting++)
        waiter_start(&scene.waiters[scene.waiting], phase, scene.waiting == 1);
}

static void start_victim(void) {
    *inside = false;
    pid_t pid = stress_fork();
    if (pid == 0) {
        if (scene.phase->before != NULL)
            scene.phase->before();
        step_begin();
        *inside = true;
        scene.phase->run();
        *inside = false;
        step_finish();
    }
    scene.victim =
        (step_child){.pid = pid, .inside = inside, .passed = (uintptr_t)ipm_layout_parse};
    if (scene.holder != NULL || scene.phase->sleepers)
        scene.victim.blocked = let_go;
    step_wait(&scene.victim);
}

static void let_waiters_go(void) {
    for (unsigned i = 0; i < scene.waiting; i++)
        waiter_go(&scene.waiters[i]);
}

/* ---- After the death --------------------------------------------------------------------- */

static uint64_t sequence(void) {
    return atomic_load(&scene.watched.memory.state->sequence);
}

/* While the victim is stopped but alive: a snapshot must not need the lock. */
static void check_snapshot(void) {
    uint64_t copy[scene.watched.memory.size / 8];
    uint64_t version = ipm_snapshot_take(&scene.watched.memory, 0, sizeof copy, copy);
    if (!stress_is_intact(copy, PHASE_WORDS, version))
        fault(&sum.torn, "a snapshot of version %llu is torn", (unsigned long long)version);
}

static bool may_be_gone(int code) {
    return (scene.phase->outcome == ANOTHER || scene.phase->outcome == MIGRATED) &&
           (code == IPM_EREPLACED || code == IPM_ENOTFOUND || code == IPM_ELAYOUT);
}

static bool has_values(ipm_segment *locked, uint64_t version) {
    const unsigned char *first = ipm_segment_data(locked);
    return ipm_load_u64(first + IPM_HEADER_SIZE) == stress_word(version, 0);
}

/* Lock, check the data, add a commit if it writes, and unlock. */
static void check_turn(const char *who, ipm_segment *segment, bool writes) {
    uint64_t version = 0;
    int64_t queued = stress_queued(), start = stress_now();
    int code = ipm_segment_lock(segment, STRESS_STUCK_NS, NULL);
    waited(who, stress_now() - start - (stress_queued() - queued));
    if (code == IPM_ETIMEOUT) {
        fault(&sum.stuck, "%s is stuck", who);
        return;
    }
    if (code != IPM_OK) {
        if (!may_be_gone(code))
            fault(&sum.wrong, "%s: %s", who, ipm_code_name((ipm_code)code));
        return;
    }
    if (!stress_look(segment, PHASE_WORDS, &version))
        fault(&sum.torn, "%s finds version %llu torn", who, (unsigned long long)version);
    if (scene.phase->outcome == MIGRATED && !has_values(segment, version))
        fault(&sum.wrong, "%s finds no values", who);
    if (scene.phase->outcome != ANOTHER && version != scene.commits)
        fault(&sum.wrong, "%s finds version %llu instead of %llu", who, (unsigned long long)version,
              (unsigned long long)scene.commits);
    if (!ipm_file_is_at(stress_data_path(), segment->data.device, segment->data.inode))
        fault(&sum.wrong, "%s has the lock of a file without a name", who);
    if (writes)
        stress_write(segment, PHASE_WORDS);
    code = ipm_segment_unlock(segment, NULL);
    if (code != IPM_OK)
        fault(&sum.wrong, "%s cannot unlock: %s", who, ipm_code_name((ipm_code)code));
    else if (writes)
        scene.commits++;
}

static void check_waiter(waiter *w) {
    waiter_report report;
    const char *who = w->reads ? "the second waiting" : "the first waiting";
    if (!waiter_finish(w, &report)) {
        fault(&sum.stuck, "%s is stuck", who);
        return;
    }
    if (report.code != IPM_OK)
        fault(&sum.wrong, "%s: %s", who, ipm_code_name((ipm_code)report.code));
    else if (!report.intact)
        fault(&sum.torn, "%s finds version %llu torn", who, (unsigned long long)report.version);
    waited(who, report.at_ns - scene.killed_ns - report.queued_ns);
    scene.commits += report.committed;
}

/* The feed tells each of the commits that were made, from the last one before the death on. What is
 * skipped counts as missed. */
static void check_feed(bool is_last) {
    uint64_t version, missed;
    while (ipm_feed_next(scene.feed, 0, &version, &missed, NULL) == IPM_OK) {
        if (missed != (version == scene.skipped_to ? scene.phase->skipped : 0))
            fault(&sum.wrong, "a feed misses %llu commits before version %llu",
                  (unsigned long long)missed, (unsigned long long)version);
        if (!stress_is_intact(ipm_feed_value(scene.feed), PHASE_WORDS, version))
            fault(&sum.torn, "a feed tells version %llu torn", (unsigned long long)version);
        scene.told = version;
    }
    if (is_last && scene.told != scene.commits)
        fault(&sum.wrong, "a feed ends at version %llu instead of %llu",
              (unsigned long long)scene.told, (unsigned long long)scene.commits);
}

static ipm_segment *check_open(const char *who, ipm_role role, bool create) {
    ipm_segment *segment;
    int64_t start = stress_now();
    stress_way way = create ? scene.phase->way : STRESS_KEEP;
    const ipm_layout *layout = way != STRESS_KEEP ? phase_other_layout : phase_layout;
    int code = stress_open(role, layout, create, way, &segment);
    if (stress_now() - start > STRESS_STUCK_NS)
        fault(&sum.stuck, "%s opens for seconds", who);
    if (code != IPM_OK && (create || !may_be_gone(code)))
        fault(&sum.wrong, "%s cannot open: %s", who, ipm_code_name((ipm_code)code));
    return segment;
}

static void check_newcomer(const char *who, ipm_role role) {
    ipm_segment *segment = check_open(who, role, false);
    if (segment == NULL)
        return;
    check_turn(who, segment, role != IPM_READER);
    ipm_segment_close(segment, NULL);
}

/* Readers and writers are first in turns, because only a writer can repair the data. */
static void check_all(void) {
    bool reader_first = scene.position % 2 != 0;
    if (scene.reader != NULL && reader_first && scene.waiting == 0)
        check_turn("a surviving reader", scene.reader, false);
    if (scene.phase->sleepers && scene.editor != NULL) /* the commit that the sleepers wait for */
        check_turn("a surviving writer", scene.editor, true);
    for (unsigned i = 0; i < scene.waiting; i++)
        check_waiter(&scene.waiters[i]);
    if (scene.reader != NULL) {
        check_turn("a surviving writer", scene.editor, true);
        check_turn("a surviving reader", scene.reader, false);
    }
    if (reader_first)
        check_newcomer("a new reader", IPM_READER);
    if (!reader_first || !may_be_gone(IPM_EREPLACED)) /* waits 100 ms if the file is gone */
        check_newcomer("a new writer", IPM_EDITOR);
    ipm_segment *manager = check_open("a manager", IPM_MANAGER, true);
    if (manager != NULL) {
        check_turn("a manager", manager, true);
        if (scene.feed != NULL)
            check_feed(true);
        if (ipm_segment_destroy(manager, NULL) != IPM_OK)
            fault(&sum.wrong, "a manager cannot destroy it");
        ipm_segment_close(manager, NULL);
    }
    sum.litter += stress_litter();
}

static void clear_scene(void) {
    ipm_feed_close(scene.feed);
    ipm_segment_close(scene.follower, NULL);
    ipm_segment_close(scene.editor, NULL);
    ipm_segment_close(scene.reader, NULL);
    if (scene.is_watched)
        ipm_datafile_close(&scene.watched);
    stress_empty_dir();
}

/* Waiters for what the victim holds begin before it runs on, the others when it is stopped. */
static step_end run_to(const step_trace *trace, unsigned position, bool into_call) {
    bool early = scene.phase->holder == VICTIM || scene.phase->sleepers;
    uint64_t before = scene.is_watched ? sequence() : 0;
    if (early)
        let_waiters_go();
    step_end end = step_to(&scene.victim, trace, position);
    if (end == STEP_STOPPED && into_call)
        end = step_into(&scene.victim);
    bool commits = scene.phase->outcome == COMMIT || scene.phase->outcome == ZEROED;
    if (commits && sequence() / 2 > before / 2 + scene.phase->skipped) {
        scene.commits += 1 + scene.phase->skipped;
        scene.skipped_to = scene.phase->skipped > 0 ? scene.commits : 0;
    }
    if (!early)
        let_waiters_go();
    if (scene.is_watched)
        check_snapshot();
    if (scene.feed != NULL)
        check_feed(false);
    return end;
}

/* returns  whether the victim died inside the phase */
static bool die_at(const step_trace *trace, unsigned position, bool into_call) {
    scene.position = position;
    set_scene();
    start_victim();
    step_end end = run_to(trace, position, into_call);
    scene.killed_ns = stress_now();
    stress_kill(scene.victim.pid);
    let_go();
    if (end == STEP_STUCK)
        fault(&sum.stuck, "the victim was stuck before it died");
    check_all();
    clear_scene();
    return end == STEP_STOPPED;
}

/* ---- All deaths -------------------------------------------------------------------------- */

/* Record the phase without waiters, because they begin only when the victim is stopped or holds. */
static void record(bool survivors, step_trace *trace) {
    scene.company = survivors ? IDLE : ALONE;
    scene.position = 0;
    set_scene();
    start_victim();
    if (step_record(&scene.victim, trace) == STEP_STUCK)
        stress_die("%s is stuck without a death", scene.phase->name);
    stress_kill(scene.victim.pid);
    let_go();
    clear_scene();
}

/* A phase that opens changes files by system calls, so the victim, alone, also dies before each. */
static bool is_point(company_kind company, const step_trace *trace, unsigned i) {
    unsigned step = scene.phase->opens ? OPENING * stride : stride;
    return i % step == (unsigned)company * 3 % step ||
           (scene.phase->opens && company == ALONE && trace->run[i].is_call);
}

static void sweep(company_kind company, const step_trace *trace) {
    scene.company = company;
    for (unsigned i = 0; i < trace->length; i++) {
        if (!is_point(company, trace, i))
            continue;
        sum.points[company] += die_at(trace, i, false);
        if (trace->run[i].is_block)
            sum.points[company] += die_at(trace, i, true);
    }
}

static bool is_possible(const phase_kind *phase, company_kind company) {
    bool needs_survivors = phase->holder == A_WRITER || phase->holder == A_READER;
    bool has_none = phase->scene == NO_LOCK || phase->scene == NOTHING;
    return company == ALONE ? !needs_survivors : company == IDLE ? !has_none : true;
}

static void sweep_phase(void) {
    unsigned faults = sum.torn + sum.stuck + sum.wrong;
    step_trace traces[2] = {{0}, {0}};
    for (company_kind company = ALONE; company < COMPANIES; company++) {
        bool survivors = has_survivors(company);
        if (!is_possible(scene.phase, company))
            continue;
        if (traces[survivors].run == NULL)
            record(survivors, &traces[survivors]);
        sweep(company, &traces[survivors]);
    }
    free(traces[false].run);
    free(traces[true].run);
    CHECK_INT(sum.torn + sum.stuck + sum.wrong, faults);
}

static unsigned all_points(void) {
    return sum.points[ALONE] + sum.points[IDLE] + sum.points[ONE] + sum.points[TWO];
}

static void is_a_whole_sweep(void) {
    if (stride != 1)
        SKIP("only some of its points were asked for");
    CHECK(all_points() >= AT_LEAST);
}

static void report(int64_t start) {
    printf("#");
    for (company_kind company = ALONE; company < COMPANIES; company++)
        printf(" %s %u,", company_names[company], sum.points[company]);
    printf(" in all %u points: %u torn, %u stuck, %u otherwise wrong\n", all_points(), sum.torn,
           sum.stuck, sum.wrong);
    printf("# longest wait after a death %.1f ms; %u files left of dead creators; %.0f s; %s\n",
           (double)sum.longest_of_all_ns / 1e6, sum.litter, (double)(stress_now() - start) / 1e9,
           stress_machine());
}

static void on_one_core(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)sched_getcpu(), &set);
    sched_setaffinity(0, sizeof set, &set);
}

int main(int argc, char **argv) {
    int64_t start = stress_now();
    const char *only = argc > 2 ? argv[2] : "";
    if (argc > 1 && (stride = (unsigned)strtoul(argv[1], NULL, 10)) == 0)
        stress_die("usage: sweep [STRIDE [PHASE]]");
    stress_make_dir();
    on_one_core(); /* cheaper: each step switches to the victim and back */
    phase_layout = stress_layout(PHASE_WORDS);
    phase_other_layout = stress_layout(PHASE_WORDS + 1);
    inside = mmap(NULL, sizeof *inside, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (inside == MAP_FAILED)
        stress_die("no memory");
    for (unsigned i = 0; i < phase_count; i++) {
        scene.phase = &phases[i];
        unsigned before = all_points();
        sum.longest_ns = 0;
        if (strstr(phases[i].name, only) == NULL)
            continue;
        run(phases[i].name, sweep_phase);
        printf("#     %u points, longest wait %.1f ms; after %.0f s\n", all_points() - before,
               (double)sum.longest_ns / 1e6, (double)(stress_now() - start) / 1e9);
        if (sum.longest_ns > sum.longest_of_all_ns)
            sum.longest_of_all_ns = sum.longest_ns;
    }
    if (*only == '\0')
        run("the sweep kills at enough instructions", is_a_whole_sweep);
    report(start);
    return done();
}
