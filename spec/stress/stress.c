#include "stress.h"

#include "../../src/core/segment.h"
#include "../../src/core/word.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#define LIBC "glibc", gnu_get_libc_version()
#else
#define LIBC "musl", ""
#endif

#define PART 24 /* words in one call of ipm_segment_change: less than a block */

/* ---- The segment ------------------------------------------------------------------------- */

static ipm_layout *layout_of(unsigned words, unsigned more) {
    char text[512], field[32] = "";
    ipm_layout *layout;
    ipm_error error;
    if (more != 0)
        snprintf(field, sizeof field, "  more: uint64[%u]\n", more);
    int length = snprintf(text, sizeof text,
                          IPM_BASE_SCHEMA "struct Stressed : BaseMmapStructure {\n"
                                          "  words: uint64[%u]\n"
                                          "%s"
                                          "}\n",
                          words, field);
    if (ipm_layout_parse(text, (size_t)length, &layout, &error) != IPM_OK)
        stress_die("%s", error.text);
    return layout;
}

ipm_layout *stress_layout(unsigned words) {
    return layout_of(words, 0);
}

ipm_layout *stress_grown_layout(unsigned words) {
    return layout_of(words, STRESS_MORE);
}

ipm_error stress_error;
uint64_t stress_feed;

int stress_open(ipm_role role, const ipm_layout *layout, bool create, stress_way way,
                ipm_segment **segment) {
    ipm_options options = {
        .own_size = sizeof options,
        .mmap_dir = stress_dir,
        .create = create,
        .force = way == STRESS_FORCE,
        .migrate = way == STRESS_MIGRATE ? IPM_MIGRATE_YES : IPM_MIGRATE_NO,
    };
    if (create) {
        options.max_readers = 20;
        options.feed = stress_feed;
    }
    return ipm_segment_open(role, layout, &options, segment, &stress_error);
}

ipm_segment *stress_must_open(ipm_role role, const ipm_layout *layout, bool create) {
    ipm_segment *segment;
    int code = stress_open(role, layout, create, STRESS_KEEP, &segment);
    if (code != IPM_OK)
        stress_die("cannot open the segment: %s", ipm_code_name((ipm_code)code));
    return segment;
}

#define FACTOR UINT64_C(0x9E3779B97F4A7C15)
#define INVERSE UINT64_C(0xF1DE83E19937733D) /* FACTOR * INVERSE == 1 */

uint64_t stress_word(uint64_t version, unsigned i) {
    return (version << 20 | (i + 1)) * FACTOR;
}

uint64_t stress_version(uint64_t word) {
    return word * INVERSE >> 20;
}

static const unsigned char *words_of(const void *data) {
    return (const unsigned char *)data + IPM_HEADER_SIZE;
}

bool stress_is_intact(const void *data, unsigned words, uint64_t version) {
    const unsigned char *word = words_of(data);
    bool zero = ipm_load_u64(word) == 0;
    for (unsigned i = 0; i < words; i++)
        if (ipm_load_u64(word + i * 8) != (zero ? 0 : stress_word(version, i)))
            return false;
    return true;
}

/* The version, also of a segment that has been replaced. */
static uint64_t version_of(const ipm_segment *locked) {
    return ipm_snapshot_version(&locked->data.memory);
}

bool stress_look(ipm_segment *locked, unsigned words, uint64_t *version) {
    *version = version_of(locked);
    return stress_is_intact(ipm_segment_data(locked), words, *version);
}

bool stress_snapshot(ipm_segment *segment, unsigned words, uint64_t *version) {
    uint64_t copy[IPM_HEADER_SIZE / 8 + words];
    if (ipm_segment_snapshot(segment, copy, version, NULL) != IPM_OK)
        return false;
    return stress_is_intact(copy, words, *version);
}

void stress_write(ipm_segment *locked, unsigned words) {
    uint64_t version = version_of(locked) + 1;
    for (unsigned i = 0; i < words;) {
        unsigned end = i + PART < words ? i + PART : words;
        unsigned char *part = ipm_segment_change(locked, IPM_HEADER_SIZE + i * 8, (end - i) * 8);
        for (; i < end; i++, part += 8)
            ipm_store_u64(part, stress_word(version, i));
    }
}

/* ---- The directory ----------------------------------------------------------------------- */

char stress_dir[64];
static pid_t owner;

static void remove_dir(void) {
    if (getpid() != owner)
        return;
    stress_empty_dir();
    rmdir(stress_dir);
}

static void end(int signal_number) {
    remove_dir();
    _exit(128 + signal_number);
}

void stress_make_dir(void) {
    strcpy(stress_dir, "/dev/shm/ipmmap-XXXXXX");
    if (mkdtemp(stress_dir) == NULL)
        stress_die("cannot make %s: %s", stress_dir, strerror(errno));
    owner = getpid();
    atexit(remove_dir);
    signal(SIGINT, end);
    signal(SIGTERM, end);
    signal(SIGPIPE, end);
}

const char *stress_data_path(void) {
    static char path[96];
    snprintf(path, sizeof path, "%s/Stressed_.mmap", stress_dir);
    return path;
}

const char *stress_lock_path(void) {
    static char path[96];
    snprintf(path, sizeof path, "%s/Stressed_.lock", stress_dir);
    return path;
}

static unsigned each_file(void (*visit)(const char *path)) {
    unsigned others = 0;
    DIR *dir = opendir(stress_dir);
    if (dir == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[sizeof stress_dir + sizeof entry->d_name];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", stress_dir, entry->d_name);
        others += strcmp(path, stress_data_path()) != 0 && strcmp(path, stress_lock_path()) != 0;
        if (visit != NULL)
            visit(path);
    }
    closedir(dir);
    return others;
}

static void remove_file(const char *path) {
    if (unlink(path) != 0)
        stress_die("cannot remove %s: %s", path, strerror(errno));
}

void stress_empty_dir(void) {
    each_file(remove_file);
}

unsigned stress_litter(void) {
    return each_file(NULL);
}

/* ---- Processes --------------------------------------------------------------------------- */

int64_t stress_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t stress_queued(void) {
    long long ran, queued = 0;
    FILE *file = fopen("/proc/self/schedstat", "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%lld %lld", &ran, &queued) != 2)
        queued = 0;
    fclose(file);
    return queued;
}

void stress_die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
    remove_dir();
    _exit(EXIT_FAILURE);
}

pid_t stress_fork(void) {
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        stress_die("cannot fork: %s", strerror(errno));
    if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
        _exit(EXIT_FAILURE);
    return pid;
}

void stress_kill(pid_t pid) {
    int status;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) == pid && !WIFSIGNALED(status) && !WIFEXITED(status))
        ;
}

void stress_wait(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        stress_die("a child failed");
}

bool stress_is_blocked(pid_t pid) {
    char path[40], line[16];
    snprintf(path, sizeof path, "/proc/%d/wchan", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, line, sizeof line - 1);
    close(fd);
    line[got > 0 ? got : 0] = '\0';
    return strncmp(line, "futex", 5) == 0 || strncmp(line, "hrtimer", 7) == 0 ||
           strncmp(line, "do_nanosleep", 12) == 0;
}

static uint64_t random_state = 1;

void stress_seed(uint64_t seed) {
    random_state = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

uint64_t stress_random(uint64_t below) { /* xorshift64* */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * UINT64_C(0x2545F4914F6CDD1D) >> 16) % below;
}

void stress_read(int fd, void *into, size_t size) {
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    if (poll(&readable, 1, 30000) <= 0)
        stress_die("nothing to read for 30 s");
    ssize_t got = read(fd, into, size);
    if (got != (ssize_t)size)
        stress_die("read %zd bytes of %zu", got, size);
}

void stress_send(int fd, const void *from, size_t size) {
    if (write(fd, from, size) != (ssize_t)size)
        stress_die("cannot write to a pipe: %s", strerror(errno));
}

/* ---- Figures ----------------------------------------------------------------------------- */

const char *stress_machine(void) {
    static char text[256];
    struct utsname names;
    uname(&names);
    snprintf(text, sizeof text, "%s %s %s, %ld cores, %s %s", names.sysname, names.release,
             names.machine, sysconf(_SC_NPROCESSORS_ONLN), LIBC);
    return text;
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t stress_percentile(int64_t *values, unsigned count, unsigned percent) {
    if (count == 0)
        return 0;
    qsort(values, count, sizeof *values, compare);
    unsigned at = (unsigned)((uint64_t)count * percent / 100);
    return values[at < count ? at : count - 1];
}
