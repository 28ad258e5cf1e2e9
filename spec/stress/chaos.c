/*
 * usage: chaos [--migrate] [MINUTES [KILLS]]
 *        chaos MINUTES KILLS WORKER... [-- WORKER...]
 *
 * Editors, locked readers, lock-free readers, waiters and managers work on one segment, and are
 * killed and stopped at random. The test lasts MINUTES, or, with KILLS, until that many editors
 * were killed. On a slow machine it goes on until each kind of event has happened once. Each read
 * of the struct checks all of it: see stress.h. With --migrate the managers only migrate the
 * segment back and forth, so each commit and all values must be there for ever. WORKER is a
 * command: then the workers are not forks of this program, but processes that run that command: see
 * chaos_crew.h. With several commands each worker runs one of them, or is a fork of this program.
 * Reports in TAP.
 */
#include "chaos.h"
#include "chaos_crew.h"
#include "stress.h"

#include "../core/tap.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS (600 * 1000 * STRESS_MS) /* for an event that never happens */

#define MOST_COMMANDS 4

static pid_t workers[CHAOS_WORKERS];
static uint64_t lives; /* workers forked so far */
static char **commands[MOST_COMMANDS];
static unsigned command_count;
static int64_t rest_ns = STRESS_MS; /* the longest time between two deaths */

typedef struct deaths {
    unsigned kills, of_editors, of_managers, of_holders, of_stopped, stops;
} deaths;

static deaths sum;

static void nap(int64_t ns) {
    nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}, NULL);
}

/* The command of a worker that begins its life; NULL: it is a fork of this program. Such a manager
 * changes the layout, so with commands there is none. */
static char **choose_command(unsigned number) {
    bool with_forks = command_count > 1 && number < CHAOS_WORKERS - 1;
    unsigned choice = (unsigned)stress_random(command_count + (with_forks || command_count == 0));
    return choice < command_count ? commands[choice] : NULL;
}

static void begin_life(unsigned number) {
    char **command = choose_command(number);
    memset(&chaos_shared->posts[number], 0, sizeof chaos_shared->posts[number]);
    lives++;
    workers[number] = stress_fork();
    if (workers[number] == 0) {
        if (command != NULL)
            chaos_crew_work(command, number, lives);
        stress_seed(lives);
        chaos_work(number);
    }
}

/* Note for each worker that waits now that a holder has died: it must get the lock soon. */
static void bereave(unsigned number, int64_t now) {
    for (unsigned i = 0; i < CHAOS_WORKERS; i++) {
        chaos_post *other = &chaos_shared->posts[i];
        int64_t none = 0;
        if (i != number && atomic_load(&other->state) == CHAOS_WAITS)
            atomic_compare_exchange_strong(&other->bereaved_ns, &none, now);
    }
}

static void end_life(unsigned number) {
    if (waitpid(workers[number], NULL, WNOHANG) == workers[number])
        stress_die("# process %d ended by itself", (int)workers[number]);
    bool held = atomic_load(&chaos_shared->posts[number].state) == CHAOS_HOLDS;
    kill(workers[number], SIGKILL);
    if (held)
        bereave(number, stress_now());
    stress_kill(workers[number]);
    sum.kills++;
    sum.of_holders += held;
    sum.of_editors += number < CHAOS_EDITORS;
    sum.of_managers += number == CHAOS_MANAGER;
    begin_life(number);
}

static void stop(unsigned number) {
    kill(workers[number], SIGSTOP);
    sum.stops++;
    nap((int64_t)stress_random(3 * STRESS_MS));
    if (stress_random(2) == 0) {
        sum.of_stopped++;
        end_life(number);
    } else {
        kill(workers[number], SIGCONT);
    }
}

static void look_for_stuck(void) {
    int64_t now = stress_now();
    for (unsigned i = 0; i < CHAOS_WORKERS; i++) {
        chaos_post *post = &chaos_shared->posts[i];
        if (atomic_load(&post->state) != CHAOS_WAITS ||
            now - atomic_load(&post->since_ns) < STRESS_STUCK_NS)
            continue;
        printf("# process %d waits for more than %d s\n", (int)workers[i],
               (int)(STRESS_STUCK_NS / (1000 * STRESS_MS)));
        chaos_shared->stuck++;
        end_life(i);
    }
}

static double minutes = 1;
static unsigned enough; /* KILLS: ends after so many deaths of editors; 0: MINUTES decides */

static bool all_has_happened(void) {
    return chaos_shared->recoveries > 0 && chaos_shared->commits > 0 &&
           chaos_shared->locked_reads > 0 && chaos_shared->snapshots > 0 &&
           (chaos_shared->migrates ? chaos_shared->replacements : chaos_shared->resets) > 0;
}

static bool is_over(int64_t end) {
    bool due = enough > 0 ? sum.of_editors >= enough : stress_now() >= end;
    return due && (all_has_happened() || stress_now() >= end + PATIENCE_NS);
}

/* Half of the events hit an editor, or also the manager if it migrates. */
static unsigned pick(void) {
    if (stress_random(2) == 0)
        return (unsigned)stress_random(CHAOS_WORKERS);
    unsigned number = (unsigned)stress_random(CHAOS_EDITORS + chaos_shared->migrates);
    return number == CHAOS_EDITORS ? CHAOS_MANAGER : number;
}

static void kills_at_random(void) {
    int64_t end = stress_now() + (int64_t)(minutes * 60e9);
    for (unsigned i = 0; i < CHAOS_WORKERS; i++)
        begin_life(i);
    while (!is_over(end)) {
        nap((int64_t)stress_random((uint64_t)rest_ns));
        unsigned number = pick();
        if (stress_random(8) == 0)
            stop(number);
        else
            end_life(number);
        look_for_stuck();
        if (command_count > 0)
            chaos_crew_hear(command_count == 1);
    }
    for (unsigned i = 0; i < CHAOS_WORKERS; i++)
        stress_kill(workers[i]);
    CHECK(sum.of_editors > 0);
}

static void nothing_is_torn(void) {
    CHECK_INT(chaos_shared->torn, 0);
}

static void nothing_is_lost(void) {
    CHECK_INT(chaos_shared->wrong, 0);
    if (!chaos_shared->migrates)
        return;
    ipm_segment *segment;
    uint64_t version;
    if (!CHECK_INT(stress_open(IPM_MANAGER, chaos_layouts[0], true, STRESS_MIGRATE, &segment),
                   IPM_OK))
        return;
    CHECK(stress_snapshot(segment, CHAOS_WORDS, &version));
    CHECK(version >= chaos_shared->committed && version >= chaos_shared->commits);
    ipm_segment_close(segment, NULL);
}

static void nobody_is_stuck(void) {
    CHECK_INT(chaos_shared->stuck, 0);
    ipm_segment *segment;
    if (CHECK_INT(stress_open(IPM_MANAGER, chaos_layouts[0], true, STRESS_FORCE, &segment), IPM_OK))
        CHECK_INT(ipm_segment_destroy(segment, NULL), IPM_OK);
    ipm_segment_close(segment, NULL);
}

static void everything_happened(void) {
    CHECK(all_has_happened());
}

/* The commands, which "--" separates, become lists that end with NULL. */
static void split_commands(char **words) {
    while (*words != NULL && command_count < MOST_COMMANDS) {
        commands[command_count++] = words;
        while (*words != NULL && strcmp(*words, "--") != 0)
            words++;
        if (*words != NULL)
            *words++ = NULL;
    }
}

#define COUNT(name) ((unsigned long long)chaos_shared->name)

int main(int argc, char **argv) {
    int64_t start = stress_now();
    bool migrates = argc > 1 && strcmp(argv[1], "--migrate") == 0;
    argc -= migrates;
    argv += migrates;
    if (argc > 1)
        minutes = strtod(argv[1], NULL);
    if (argc > 2)
        enough = (unsigned)strtoul(argv[2], NULL, 10);
    if (argc > 3) { /* such workers take longer to start */
        split_commands(argv + 3);
        rest_ns = 40 * STRESS_MS;
        chaos_crew_open();
    }
    if (!(minutes > 0) || (migrates && command_count > 0))
        stress_die("usage: chaos [--migrate] [MINUTES [KILLS]], or "
                   "chaos MINUTES KILLS WORKER... [-- WORKER...]");
    stress_make_dir();
    chaos_shared =
        mmap(NULL, sizeof *chaos_shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (chaos_shared == MAP_FAILED)
        stress_die("no memory");
    chaos_layouts[0] = stress_layout(CHAOS_WORDS);
    chaos_layouts[1] = migrates ? stress_grown_layout(CHAOS_WORDS) : stress_layout(CHAOS_WORDS + 1);
    chaos_shared->migrates = migrates;
    chaos_shared->started = ipm_time() - 0.01; /* the clock of commits has ticks */
    stress_feed = migrates ? 65536 : 0;
    stress_seed((uint64_t)start);
    run("kills and stops processes at random moments", kills_at_random);
    run("has no torn reads", nothing_is_torn);
    run("loses no commit, and no call fails", nothing_is_lost);
    run("leaves no process stuck", nobody_is_stuck);
    run("has exercised every kind of event", everything_happened);
    printf("# %.0f s, %u kills (%u of editors, %u of managers, %u of holders, %u of stopped), %u "
           "stops: "
           "%llu recoveries in mid-transaction, %llu torn, %llu stuck, %llu otherwise wrong, "
           "longest wait %s %.1f ms\n",
           (double)(stress_now() - start) / 1e9, sum.kills, sum.of_editors, sum.of_managers,
           sum.of_holders, sum.of_stopped, sum.stops, COUNT(recoveries), COUNT(torn), COUNT(stuck),
           COUNT(wrong), command_count == 0 ? "beyond a holder's death" : "in all",
           (double)chaos_shared->longest_ns / 1e6);
    printf("# checked: %llu locked reads, %llu snapshots, %llu commits, %llu waits, "
           "%llu signatures; %llu resets, %llu %s, %llu destructions; %u files left of dead "
           "creators; %s\n",
           COUNT(locked_reads), COUNT(snapshots), COUNT(commits), COUNT(awaited), COUNT(signatures),
           COUNT(resets), COUNT(replacements), migrates ? "migrations" : "replacements",
           COUNT(destructions), stress_litter(), stress_machine());
    return done();
}
