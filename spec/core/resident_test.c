/* What hosts with a frame budget need: no page faults and no allocations after opening. */
#include "../../src/ipmmap.h"
#include "tap.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Big {
    ipm_header header;
    uint8_t bytes[1000000];
} Big;
#define BIG(FIELD) FIELD(bytes, uint8[1000000])
IPM_SHARED(Big, BIG, "")

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS
static int allocations;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size) {
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    allocations++;
    return __libc_realloc(old, size);
}
#endif

static char dir[] = "/dev/shm/ipmmap-resident-XXXXXX";
static ipm_layout *layout;
static Big copy;

static int try_open(ipm_role role, ipm_options options, ipm_segment **segment, ipm_error *error) {
    options.mmap_dir = dir;
    options.create = role == IPM_MANAGER;
    return ipm_segment_open(role, layout, &options, segment, error);
}

static ipm_segment *open_as(ipm_role role, ipm_options options) {
    ipm_segment *segment;
    ipm_error error;
    if (try_open(role, options, &segment, &error) != IPM_OK) {
        printf("Bail out! %s\n", error.text);
        exit(EXIT_FAILURE);
    }
    return segment;
}

/* All calls that a host makes in a frame, those that succeed and those that fail. */
static void use(ipm_segment *segment, bool writes) {
    uint64_t version;
    ipm_error error;
    ipm_info info = {0};
    CHECK_INT(ipm_segment_lock(segment, 0, &error), IPM_OK);
    CHECK_INT(ipm_segment_lock(segment, 0, &error), IPM_EINVALID);
    CHECK_INT(ipm_segment_read(segment, 0, sizeof copy, &copy, &error), IPM_OK);
    if (writes)
        memset(ipm_segment_change(segment, IPM_AT(Big, bytes)), 1, sizeof copy.bytes);
    CHECK_INT(ipm_segment_unlock(segment, &error), IPM_OK);
    CHECK_INT(ipm_segment_snapshot(segment, &copy, &version, &error), IPM_OK);
    CHECK_INT(ipm_segment_wait(segment, version, 1, &version, &error), IPM_ETIMEOUT);
    CHECK_INT(ipm_segment_info(segment, &info, &error), IPM_OK);
    if (writes) {
        CHECK_INT(ipm_segment_write(segment, IPM_AT(Big, bytes[9]), &copy.bytes[8], &error),
                  IPM_OK);
        CHECK_INT(ipm_segment_touch(segment, &error), IPM_OK);
        CHECK_INT(ipm_segment_lock(segment, 1000, &error), IPM_OK);
        CHECK_INT(ipm_segment_clear(segment, &error), IPM_OK);
        CHECK_INT(ipm_segment_rollback(segment, &error), IPM_OK);
    }
}

static long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

/* Count the page faults of an editor and a reader, which are opened again each time. */
static long faults_of_use(ipm_options options) {
    ipm_segment *editor = open_as(IPM_EDITOR, options), *reader = open_as(IPM_READER, options);
    long before = faults();
    use(editor, true);
    use(reader, false);
    long after = faults();
    ipm_segment_close(reader, NULL);
    ipm_segment_close(editor, NULL);
    return after - before;
}

static void prefault_takes_the_faults_at_opening(void) {
    const ipm_options prefault = {.prefault = true}, none = {.prefault = false};
    faults_of_use(none); /* the program's own pages */
    CHECK(faults_of_use(none) > 100);
    CHECK_INT(faults_of_use(prefault), 0);
}

static long locked_kib(void) {
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        sscanf(line, "VmLck: %ld", &kib);
    if (status != NULL)
        fclose(status);
    return kib;
}

static long kib_of(const char *name) {
    char path[64];
    struct stat status = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_INT(stat(path, &status), 0);
    return (long)status.st_size / 1024;
}

static void mlock_keeps_everything_in_memory(void) {
    const ipm_options options = {.mlock = true};
    long before = locked_kib();
    const long files = kib_of("Big_.mmap") + kib_of("Big_.lock");
    const long page = 4, size = (long)(sizeof(Big) / 1024);
    ipm_segment *segment = NULL;
    ipm_error error;
    if (try_open(IPM_EDITOR, options, &segment, &error) != IPM_OK)
        SKIP("the limit of locked memory is too low");
    CHECK_INT(locked_kib() - before, files);
    ipm_segment_close(segment, NULL);
    CHECK_INT(locked_kib(), before);
    if (try_open(IPM_READER, options, &segment, &error) != IPM_OK)
        SKIP("the limit of locked memory is too low");
    CHECK_INT(locked_kib() - before, files + (size / page + 1) * page); /* and its private copy */
    ipm_segment_close(segment, NULL);
    CHECK_INT(locked_kib(), before);
}

static void mlock_says_when_the_limit_is_too_low(void) {
    if (geteuid() != 0)
        SKIP("needs root, to become somebody else");
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit limit = {.rlim_cur = 65536, .rlim_max = 65536};
        const ipm_options options = {.mlock = true};
        ipm_segment *segment;
        ipm_error error;
        bool good = setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && setuid(65534) == 0 &&
                    try_open(IPM_EDITOR, options, &segment, &error) == IPM_ESYSTEM &&
                    strstr(error.text, "the limit is ulimit -l") != NULL && segment == NULL;
        if (!good)
            printf("# %s\n", error.text);
        fflush(stdout);
        _exit(good ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    CHECK_INT(status, 0);
}

static void nothing_is_allocated_after_opening(void) {
#ifdef COUNTS_ALLOCATIONS
    const ipm_options none = {.tag = NULL};
    int start = allocations;
    ipm_segment *editor = open_as(IPM_EDITOR, none), *reader = open_as(IPM_READER, none);
    int opened = allocations;
    CHECK(opened > start);
    use(editor, true);
    use(reader, false);
    CHECK_INT(allocations, opened);
    ipm_segment_close(reader, NULL);
    ipm_segment_close(editor, NULL);
#else
    SKIP("allocations cannot be counted with this libc or sanitizer");
#endif
}

int main(void) {
    if (mkdtemp(dir) == NULL || chmod(dir, 0755) != 0 ||
        ipm_layout_parse(Big_schema, sizeof Big_schema - 1, &layout, NULL) != IPM_OK)
        return EXIT_FAILURE;
    ipm_segment *manager = open_as(IPM_MANAGER, (ipm_options){.mode = 0666});
    run("with prefault, accesses after opening cause no page fault",
        prefault_takes_the_faults_at_opening);
    run("with mlock, the pages stay in memory until the handle is closed",
        mlock_keeps_everything_in_memory);
    run("mlock beyond the limit fails, and names the limit", mlock_says_when_the_limit_is_too_low);
    run("no memory is allocated after opening", nothing_is_allocated_after_opening);
    ipm_segment_destroy(manager, NULL);
    ipm_segment_close(manager, NULL);
    ipm_layout_free(layout);
    rmdir(dir);
    return done();
}
