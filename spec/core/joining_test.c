/*
 * When a process joins the users of a lock file, and when it initialises the file. The model
 * proof/lifecycle.pml has found these cases.
 */
#include "../../src/core/file.h"
#include "../../src/core/lockfile.h"
#include "../../src/ipmmap.h"
#include "tap.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STALE = 77 };

static const ipm_lockfile_terms terms = {
    .owner = IPM_NOBODY, .mode = 0600, .slots = 4, .deadline = IPM_FOREVER};

static char directory[64];

static const char *in_directory(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

/* A lock file from before a reboot: complete, but with stale words. */
static void leave_stale(const char *path) {
    ipm_lockfile file;
    ipm_error error;
    if (!CHECK_INT(ipm_lockfile_open(path, &terms, &file, &error), IPM_OK))
        return;
    atomic_store(&file.shared->queue.tickets, STALE);
    ipm_lockfile_close(&file);
}

/* Opens the segment and reports the word. */
static _Noreturn void open_and_report(const char *path, int report) {
    ipm_lockfile file;
    ipm_error error;
    unsigned char word = 255;
    if (ipm_lockfile_open(path, &terms, &file, &error) == IPM_OK)
        word = (unsigned char)atomic_load(&file.shared->queue.tickets);
    if (write(report, &word, 1) != 1)
        _exit(1);
    _exit(0);
}

static void does_not_trust_an_opener_that_is_not_in(void) {
    const char *path = in_directory("stale.lock");
    int ends[2];
    unsigned char word = 255;
    leave_stale(path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    /* Another opener, which locks the door and the users' byte, and then dies. */
    if (!CHECK(fd >= 0) || !CHECK_INT(ipm_file_lock(fd, 2, F_WRLCK), 0) ||
        !CHECK_INT(ipm_file_lock(fd, 0, F_RDLCK), 0) || !CHECK_INT(pipe(ends), 0))
        return;
    pid_t child = fork();
    if (child == 0) {
        close(fd);
        open_and_report(path, ends[1]);
    }
    /* While that process lives, it may still initialise the file, so an opener has to wait. */
    CHECK_INT(poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, 200), 0);
    close(fd);
    CHECK_INT(read(ends[0], &word, 1), 1);
    CHECK_INT(word, 0);
    waitpid(child, NULL, 0);
    close(ends[0]);
    close(ends[1]);
}

static const char schema[] = IPM_BASE_SCHEMA "struct S : BaseMmapStructure {\n  x: int32\n}\n";
static const char other_schema[] =
    IPM_BASE_SCHEMA "struct S : BaseMmapStructure {\n  y: double\n}\n";

static ipm_layout *layout_of(const char *text) {
    ipm_layout *layout = NULL;
    CHECK_INT(ipm_layout_parse(text, strlen(text), &layout, NULL), IPM_OK);
    return layout;
}

static ipm_options options(bool create) {
    ipm_options options = {0};
    options.mmap_dir = directory;
    options.lock_dir = directory;
    options.create = create;
    return options;
}

/* Called in the middle of the next opening, where the core reads a file's head with pread. */
static void (*meanwhile)(void);

ssize_t pread(int fd, void *into, size_t size, off_t offset) {
    void (*now)(void) = meanwhile;
    meanwhile = NULL;
    if (now != NULL)
        now();
    return syscall(SYS_pread64, fd, into, size, offset);
}

static ipm_layout *layout, *other_layout;
static ipm_segment *first;

static void open_first(void) {
    ipm_options wanted = options(false);
    CHECK_INT(ipm_segment_open(IPM_EDITOR, layout, &wanted, &first, NULL), IPM_OK);
}

/* The lock files of a data directory were removed. A manager fails to create a segment, because it
 * has another layout. An editor opens the segment meanwhile. */
static void a_failed_creation_leaves_a_lock_file_in_use(void) {
    ipm_options wanted = options(true);
    ipm_segment *segment;
    ipm_info info = {0};
    layout = layout_of(schema);
    other_layout = layout_of(other_schema);
    if (!CHECK_INT(ipm_segment_open(IPM_MANAGER, layout, &wanted, &segment, NULL), IPM_OK))
        return;
    CHECK_INT(ipm_segment_info(segment, &info, NULL), IPM_OK);
    CHECK_INT(unlink(info.lock_path), 0);
    ipm_segment_close(segment, NULL);

    meanwhile = open_first;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, other_layout, &wanted, &segment, NULL), IPM_ELAYOUT);

    wanted = options(false);
    CHECK_INT(ipm_segment_open(IPM_EDITOR, layout, &wanted, &segment, NULL), IPM_OK);
    CHECK_INT(ipm_segment_lock(first, 0, NULL), IPM_OK);
    CHECK_INT(ipm_segment_lock(segment, 0, NULL), IPM_EDEADLOCK); /* the same lock */
    ipm_segment_close(first, NULL);
    ipm_segment_close(segment, NULL);
    ipm_layout_free(layout);
    ipm_layout_free(other_layout);
}

static void a_failed_creation_removes_what_it_made(void) {
    ipm_options wanted = options(true);
    ipm_segment *segment;
    ipm_info info = {0};
    layout = layout_of(schema);
    other_layout = layout_of(other_schema);
    CHECK_INT(ipm_segment_open(IPM_MANAGER, layout, &wanted, &segment, NULL), IPM_OK);
    CHECK_INT(ipm_segment_info(segment, &info, NULL), IPM_OK);
    char lock_path[256];
    snprintf(lock_path, sizeof lock_path, "%s", info.lock_path);
    ipm_segment_close(segment, NULL);
    CHECK_INT(unlink(lock_path), 0);
    CHECK_INT(ipm_segment_open(IPM_MANAGER, other_layout, &wanted, &segment, NULL), IPM_ELAYOUT);
    CHECK_INT(access(lock_path, F_OK), -1);
    ipm_layout_free(layout);
    ipm_layout_free(other_layout);
}

int main(void) {
    strcpy(directory, "/tmp/ipmmap-joining-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return 1;
    run("an opener does not rely on another process that has not finished opening",
        does_not_trust_an_opener_that_is_not_in);
    run("a failed creation does not remove a lock file that is in use",
        a_failed_creation_leaves_a_lock_file_in_use);
    run("a failed creation removes the lock file that it made if no process uses it",
        a_failed_creation_removes_what_it_made);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) != 0 ? 1 : done();
}
