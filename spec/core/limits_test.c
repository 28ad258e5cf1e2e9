/* Limits of the system: the message names the limit, and `system` is the errno. */
#include "fixture.h"
#include "peer.h"

#include <sched.h>
#include <sys/resource.h>

enum { NO_NAMESPACE = 77 };

static ipm_segment *manager;

static bool put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return good;
}

/* Set a limit in a user namespace of this process alone. */
static void limit(const char *sysctl) {
    char map[64];
    snprintf(map, sizeof map, "0 %d 1", (int)geteuid());
    if (unshare(CLONE_NEWUSER) != 0 || !put("/proc/self/uid_map", map) || !put(sysctl, "0"))
        _exit(NO_NAMESPACE);
}

/* Exits with 0 if ipm_segment_fd fails for that reason and keeps no descriptor. */
static void is_refused(int system, const char *limit_name, const char *other) {
    int fd, next = next_descriptor();
    memset(&error, 0, sizeof error);
    int code = ipm_segment_fd(manager, &fd, &error);
    printf("# %s\n", error.text);
    CHECK_INT(code, IPM_ESYSTEM);
    CHECK_INT(error.system, system);
    CHECK(strstr(error.text, limit_name) != NULL);
    CHECK(strstr(error.text, strerror(system)) == NULL && strstr(error.text, other) == NULL);
    CHECK(ipm_segment_fd(manager, &fd, NULL) == IPM_ESYSTEM);
    CHECK_INT(next_descriptor(), next);
    exit(tap.bad);
}

static void has_no_watch(peer *test) {
    (void)test;
    limit("/proc/sys/user/max_inotify_watches");
    manager = opened(IPM_EDITOR, "");
    is_refused(ENOSPC, "sysctl fs.inotify.max_user_watches", "instances");
}

static void has_no_instance(peer *test) {
    (void)test;
    limit("/proc/sys/user/max_inotify_instances");
    manager = opened(IPM_EDITOR, "");
    close(0); /* the descriptor that it tries is 0 */
    is_refused(EMFILE, "sysctl fs.inotify.max_user_instances", "ulimit");
}

/* A handle needs three descriptors to listen. This process may have `left` more. */
static void has_descriptors(int left) {
    int fd;
    for (int inherited = 3; inherited < 64; inherited++)
        close(inherited);
    manager = opened(IPM_EDITOR, "");
    const rlim_t most = (rlim_t)(next_descriptor() + left);
    const struct rlimit few = {.rlim_cur = most, .rlim_max = most};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
    if (left == 3)
        exit(ipm_segment_fd(manager, &fd, &error));
    is_refused(EMFILE, "ulimit -n", "inotify");
}

static void has_no_descriptor(peer *test) {
    (void)test;
    has_descriptors(0);
}

static void has_one_descriptor(peer *test) {
    (void)test;
    has_descriptors(1);
}

static void has_two_descriptors(peer *test) {
    (void)test;
    has_descriptors(2);
}

static void has_three_descriptors(peer *test) {
    (void)test;
    has_descriptors(3);
}

static void is_told(void (*body)(peer *)) {
    ipm_segment *first = opened(IPM_MANAGER, "");
    int status = run_peer(body);
    CHECK_INT(ipm_segment_destroy(first, &error), IPM_OK);
    ipm_segment_close(first, NULL);
    if (status == NO_NAMESPACE)
        SKIP("needs a user namespace of its own");
    CHECK_INT(status, 0);
}

static void names_the_limit_of_watches(void) {
    is_told(has_no_watch);
}

static void names_the_limit_of_instances(void) {
    is_told(has_no_instance);
}

static void names_the_limit_of_open_files(void) {
    is_told(has_no_descriptor);
    is_told(has_one_descriptor);
    is_told(has_two_descriptors);
    is_told(has_three_descriptors);
}

static void has_no_address_space(peer *test) {
    (void)test;
    ipm_segment *segment;
    ipm_layout *large =
        layout_of(IPM_BASE_SCHEMA "struct Large : BaseMmapStructure { a: int64[262144] }");
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK_INT(fscanf(statm, "%lu", &pages), 1);
    fclose(statm);
    const rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (1 << 20);
    const struct rlimit little = {.rlim_cur = most, .rlim_max = most};
    CHECK_INT(setrlimit(RLIMIT_AS, &little), 0);
    ipm_options options = {.mmap_dir = dir, .create = true};
    CHECK_ERROR(ipm_segment_open(IPM_MANAGER, large, &options, &segment, &error), IPM_ESYSTEM,
                strerror(ENOMEM));
    CHECK_INT(error.system, ENOMEM);
    exit(tap.bad);
}

static void keeps_the_errno_of_a_mapping(void) {
    CHECK_INT(run_peer(has_no_address_space), 0);
}

int main(void) {
    set_up();
    run("names the limit on inotify watches", names_the_limit_of_watches);
    run("names the limit on inotify instances", names_the_limit_of_instances);
    run("names the limit on open files", names_the_limit_of_open_files);
    run("reports the errno of a mapping that fails", keeps_the_errno_of_a_mapping);
    return tear_down();
}
