/*
 * usage: images [ROUNDS]
 *
 * Stops a writer at a random moment while it holds the lock, and copies both files of the segment.
 * Then it opens the copies in another directory, like a backup. Within 10 ms they must be open and
 * locked, with the data of the last commit. The segment has a ring, which holds three commits:
 * feeds on the copies tell those that are in it, each with the data of its version, and count the
 * rest as missed, before the dead writer's transaction is rolled back and after. Reports in TAP.
 */
#include "stress.h"

#include "../core/tap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS 500
#define RING 16384
#define BAR_NS (10 * STRESS_MS)

static ipm_layout *layout;
static char image_dir[96];
static unsigned rounds = 1000;

static struct {
    unsigned images, mid_transaction, rolled_back, torn, stuck, wrong;
    unsigned told, mistold;
    int64_t longest_ns;
} sum;

static void write_for_ever(void) {
    ipm_segment *segment = stress_must_open(IPM_EDITOR, layout, false);
    for (;;) {
        if (ipm_segment_lock(segment, IPM_FOREVER, NULL) != IPM_OK)
            stress_die("cannot lock");
        stress_write(segment, WORDS);
        (stress_random(4) == 0 ? ipm_segment_rollback : ipm_segment_unlock)(segment, NULL);
    }
}

static const char *image_path(const char *path) {
    static char copy[128];
    snprintf(copy, sizeof copy, "%s%s", image_dir, strrchr(path, '/'));
    return copy;
}

static void copy_file(const char *path) {
    static char bytes[1 << 16];
    int from = open(path, O_RDONLY), to = open(image_path(path), O_WRONLY | O_CREAT, 0600);
    if (from < 0 || to < 0)
        stress_die("cannot copy %s", path);
    for (ssize_t got; (got = read(from, bytes, sizeof bytes)) > 0;)
        stress_send(to, bytes, (size_t)got);
    close(from);
    close(to);
}

/* The commits up to `version`, as a feed tells them. Each is intact, in order, or missed. */
static void follow_image(ipm_segment *segment, uint64_t version) {
    ipm_feed *feed;
    uint64_t last = 0, told, missed;
    if (ipm_feed_open(segment, 0, &feed, NULL) != IPM_OK) {
        sum.mistold++;
        return;
    }
    while (ipm_feed_next(feed, 0, &told, &missed, NULL) == IPM_OK) {
        sum.told++;
        sum.mistold += told != last + missed + 1 || told > version ||
                       !stress_is_intact(ipm_feed_value(feed), WORDS, told);
        last = told;
    }
    sum.mistold += last != version;
    ipm_feed_close(feed);
}

static void open_image(bool writes, uint64_t version, uint64_t recoveries) {
    ipm_options options = {.mmap_dir = image_dir};
    ipm_segment *segment;
    ipm_info info = {0};
    uint64_t found;
    int64_t queued = stress_queued(), start = stress_now();
    int code = ipm_segment_open(writes ? IPM_EDITOR : IPM_READER, layout, &options, &segment, NULL);
    if (code == IPM_OK)
        code = ipm_segment_lock(segment, STRESS_STUCK_NS, NULL);
    int64_t took = stress_now() - start - (stress_queued() - queued);
    if (took > sum.longest_ns)
        sum.longest_ns = took;
    if (code != IPM_OK) {
        sum.stuck += code == IPM_ETIMEOUT;
        sum.wrong += code != IPM_ETIMEOUT;
    } else {
        sum.torn += !stress_look(segment, WORDS, &found);
        ipm_segment_info(segment, &info, NULL);
        sum.wrong += found != version;
        sum.rolled_back += info.recoveries == recoveries + 1;
        follow_image(segment, version);
        if (writes) {
            stress_write(segment, WORDS);
            ipm_segment_unlock(segment, NULL);
            follow_image(segment, version + 1);
        }
    }
    ipm_segment_close(segment, NULL);
}

/* Copy the files and open the copies. returns  false: the writer did not hold the lock */
static bool take_image(ipm_segment *watcher, pid_t writer) {
    ipm_info info = {0};
    int status;
    kill(writer, SIGSTOP);
    if (waitpid(writer, &status, WUNTRACED) != writer || !WIFSTOPPED(status))
        stress_die("the writer cannot be stopped");
    bool held = ipm_segment_info(watcher, &info, NULL) == IPM_OK && info.writer_pid == writer;
    if (held) {
        copy_file(stress_data_path());
        copy_file(stress_lock_path());
    }
    kill(writer, SIGCONT);
    if (!held)
        return false;
    sum.images++;
    unsigned before = sum.rolled_back;
    open_image(false, info.version, info.recoveries);
    open_image(true, info.version, info.recoveries);
    sum.mid_transaction += sum.rolled_back > before;
    unlink(image_path(stress_data_path()));
    unlink(image_path(stress_lock_path()));
    return true;
}

static void takes_images(void) {
    ipm_segment *watcher = stress_must_open(IPM_MANAGER, layout, true);
    pid_t writer = stress_fork();
    if (writer == 0)
        write_for_ever();
    while (sum.images < rounds) {
        nanosleep(&(struct timespec){.tv_nsec = (long)stress_random(300000)}, NULL);
        take_image(watcher, writer);
    }
    stress_kill(writer);
    ipm_segment_close(watcher, NULL);
    CHECK_INT(sum.torn, 0);
    CHECK_INT(sum.stuck, 0);
    CHECK_INT(sum.wrong, 0);
    CHECK_INT(sum.mistold, 0);
    CHECK(sum.told > 3 * sum.images);
    CHECK(sum.mid_transaction > 0);
}

int main(int argc, char **argv) {
    if (argc > 1 && (rounds = (unsigned)strtoul(argv[1], NULL, 10)) == 0)
        stress_die("usage: images [ROUNDS]");
    stress_make_dir();
    stress_seed((uint64_t)stress_now());
    stress_feed = RING;
    layout = stress_layout(WORDS);
    snprintf(image_dir, sizeof image_dir, "%s-image", stress_dir);
    if (mkdir(image_dir, 0700) != 0)
        stress_die("cannot make %s", image_dir);
    run("copies of the files that were made while the lock was held can be opened", takes_images);
    rmdir(image_dir);
    printf("# %u images, %u in mid-transaction and rolled back: %u torn, %u stuck, %u otherwise "
           "wrong; %u commits told from their rings, %u wrong; open and locked after at most %.2f "
           "ms (bar %d, %s); %s\n",
           sum.images, sum.mid_transaction, sum.torn, sum.stuck, sum.wrong, sum.told, sum.mistold,
           (double)sum.longest_ns / 1e6, (int)(BAR_NS / STRESS_MS),
           sum.longest_ns > BAR_NS ? "missed" : "met", stress_machine());
    return done();
}
