/* The lock file's life: when a process initialises it, joins it, or is refused. */
#include "../../src/core/lockfile.h"
#include "fixture.h"
#include "peer.h"

#include <sched.h>
#include <sys/file.h>

static const char *path;
static const ipm_lockfile_terms terms = {
    .owner = IPM_NOBODY, .mode = 0600, .slots = 4, .deadline = IPM_FOREVER};

static int join(ipm_lockfile *file) {
    memset(&error, 0, sizeof error);
    return ipm_lockfile_open(path, &terms, file, &error);
}

static void write_at(const void *bytes, size_t size, off_t offset) {
    int fd = open(path, O_RDWR);
    CHECK_INT(pwrite(fd, bytes, size, offset), (ssize_t)size);
    close(fd);
}

static unsigned char byte_at(off_t offset) {
    unsigned char byte = 0;
    int fd = open(path, O_RDONLY);
    CHECK_INT(pread(fd, &byte, 1, offset), 1);
    close(fd);
    return byte;
}

static void uses(peer *test) {
    ipm_lockfile file;
    tell(test, join(&file) == IPM_OK ? 'j' : 'x');
    hear(test);
}

static void makes_the_file(void) {
    ipm_lockfile file;
    struct stat status;
    CHECK_INT(join(&file), IPM_OK);
    CHECK_INT(stat(path, &status), 0);
    CHECK_INT(status.st_size, file.size);
    CHECK_INT(status.st_mode & 07777, 0600);
    CHECK(status.st_blocks * 512 >= status.st_size);
    ipm_lockfile_close(&file);
    ipm_lockfile_close(&file);
    remove(path);
}

/* The mutex that all builds with this libc make. */
static pthread_mutex_t fresh_mutex(void) {
    pthread_mutexattr_t attributes;
    pthread_mutex_t mutex;
    memset(&mutex, 0, sizeof mutex);
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    CHECK_INT(pthread_mutex_init(&mutex, &attributes), 0);
    return mutex;
}

/* As docs/format.md has it: other builds of this library compare it with what they would write. */
static void describes_itself(void) {
    ipm_lockfile file;
    pthread_mutex_t mutex = fresh_mutex();
    CHECK_INT(join(&file), IPM_OK);
    CHECK(memcmp(file.head->magic, "IPMLOCK\n", 8) == 0);
    CHECK_INT(file.head->format, 2);
    CHECK_INT(file.head->byte_order, 0x01020304);
    CHECK_INT(file.head->slots, terms.slots);
    CHECK_INT(file.head->size, file.size);
    CHECK_INT(file.head->mutex_size, sizeof mutex);
    CHECK(memcmp(file.head->mutex, &mutex, sizeof mutex) == 0);
    CHECK(memcmp(&file.shared->gate.mutex, &mutex, sizeof mutex) == 0);
    ipm_lockfile_close(&file);
    remove(path);
}

static void joins_those_who_use_it(void) {
    ipm_lockfile file;
    peer p = start(uses);
    CHECK_INT(hear(&p), 'j');
    write_at("mark", 4, 200); /* unused space: a fresh initialisation would zero it */
    CHECK_INT(join(&file), IPM_OK);
    CHECK_INT(byte_at(200), 'm');
    kill_peer(&p);
    ipm_lockfile_close(&file);
    remove(path);
}

/* As after a reboot or in a copy: dead processes hold the mutexes. */
static void makes_everything_afresh_when_alone(void) {
    ipm_lockfile file;
    CHECK_INT(join(&file), IPM_OK);
    CHECK_INT(pthread_mutex_lock(&file.shared->gate.mutex), 0);
    unsigned char image[8192];
    int fd = open(path, O_RDWR);
    CHECK_INT(pread(fd, image, sizeof image, 0), sizeof image);
    CHECK_INT(pthread_mutex_unlock(&file.shared->gate.mutex), 0);
    ipm_lockfile_close(&file);
    CHECK_INT(pwrite(fd, image, sizeof image, 0), sizeof image);
    close(fd);
    CHECK_INT(join(&file), IPM_OK);
    CHECK_INT(pthread_mutex_trylock(&file.shared->gate.mutex), 0);
    CHECK_INT(pthread_mutex_unlock(&file.shared->gate.mutex), 0);
    ipm_lockfile_close(&file);
    remove(path);
}

/* The same with segments: a writer holds the lock when the file is copied. */
static void opens_a_copy_that_was_taken_while_held(void) {
    char copied[8192];
    ipm_segment *editor = opened(IPM_MANAGER, "held");
    CHECK_INT(ipm_segment_lock(editor, 0, &error), IPM_OK);
    set_both(editor, 5);
    const char *names[] = {"Demo_held.mmap", "Demo_held.lock"};
    CHECK_INT(mkdir(in_dir("copy"), 0700), 0);
    for (int i = 0; i < 2; i++) {
        char to[64];
        ssize_t got;
        snprintf(to, sizeof to, "copy/%s", names[i]);
        int in = open(in_dir(names[i]), O_RDONLY);
        int out = open(in_dir(to), O_CREAT | O_WRONLY, 0600);
        while ((got = read(in, copied, sizeof copied)) > 0)
            CHECK_INT(write(out, copied, (size_t)got), got);
        close(in);
        close(out);
    }
    CHECK_INT(ipm_segment_unlock(editor, &error), IPM_OK);
    ipm_segment *copy;
    ipm_options options = {.mmap_dir = in_dir("copy"), .tag = "held"};
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &copy, &error), IPM_OK);
    CHECK_INT(ipm_segment_lock(copy, 0, &error), IPM_OK);
    CHECK_INT(read_a(copy), 0);
    CHECK_INT(ipm_segment_unlock(copy, &error), IPM_OK);
    CHECK_INT(info_of(copy).recoveries, 1);
    CHECK_INT(ipm_segment_destroy(copy, &error), IPM_OK);
    CHECK_INT(ipm_segment_destroy(editor, &error), IPM_OK);
    ipm_segment_close(copy, NULL);
    ipm_segment_close(editor, NULL);
    remove(in_dir("copy"));
}

static const struct {
    const char *what;
    off_t offset;
    unsigned char value;
    const char *says;
} misfits[] = {
    {"format", 8, 3, "another version of ipmmap"},
    {"byte order", 12, 1, "another version of ipmmap"},
    {"libc", 16, 'x', "another libc or architecture"},
    {"pid namespace", 48, 1, "another pid namespace"},
    {"size", 56, 1, "truncated"},
    {"no slots", 64, 0, "damaged"},
    {"too many slots", 64, 129, "damaged"},
    {"mutex size", 68, 1, "another kind of mutex"},
    {"mutex template", 80, 0xEE, "another kind of mutex"},
    {"the gate's kind", 4096 + 16, 0xEE, "its locks are damaged"},
};

static void refuses_a_misfit_in_use_and_no_other(void) {
    ipm_lockfile file;
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        peer p = start(uses);
        CHECK_INT(hear(&p), 'j');
#ifndef __GLIBC__
        if (misfits[i].offset == 4096 + 16)
            continue;
#endif
        write_at(&misfits[i].value, 1, misfits[i].offset);
        CHECK_ERROR(join(&file), IPM_EINCOMPATIBLE, misfits[i].says);
        CHECK(file.head == NULL && file.shared == NULL);
        kill_peer(&p);
        CHECK_INT(join(&file), IPM_OK); /* no process uses it, so it is initialised */
        ipm_lockfile_close(&file);
    }
    remove(path);
}

static void refuses_one_that_was_truncated_in_use(void) {
    ipm_lockfile file;
    peer p = start(uses);
    CHECK_INT(hear(&p), 'j');
    CHECK_INT(truncate(path, 4096), 0);
    CHECK_ERROR(join(&file), IPM_EINCOMPATIBLE, "truncated");
    kill_peer(&p);
    CHECK_INT(join(&file), IPM_OK);
    ipm_lockfile_close(&file);
    remove(path);
}

/* This is not the state after the death of an initialiser, whose file lock would be free. */
static void refuses_one_in_use_without_its_magic(void) {
    ipm_lockfile file;
    peer p = start(uses);
    CHECK_INT(hear(&p), 'j');
    write_at("", 1, 3);
    CHECK_ERROR(join(&file), IPM_EINCOMPATIBLE, "in use and damaged");
    kill_peer(&p);
    CHECK_INT(join(&file), IPM_OK);
    ipm_lockfile_close(&file);
    remove(path);
}

static void initialises_what_a_dead_initialiser_left(void) {
    static const off_t sizes[] = {0, 1, 100, 4096, 8192};
    ipm_lockfile file;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
        CHECK_INT(ftruncate(fd, sizes[i]), 0);
        close(fd);
        CHECK_INT(join(&file), IPM_OK);
        ipm_lockfile_close(&file);
    }
    remove(path);
}

/* POSIX record locks would end when the process closes any descriptor of the file. */
static void stays_in_use_when_others_close_theirs(void) {
    ipm_lockfile file, second;
    CHECK_INT(join(&file), IPM_OK);
    close(open(path, O_RDWR));
    CHECK_INT(join(&second), IPM_OK);
    ipm_lockfile_close(&second);
    write_at("x", 1, 16);
    peer p = start(uses);
    CHECK_INT(hear(&p), 'x'); /* the file is incompatible, and is not initialised */
    finish(&p);
    ipm_lockfile_close(&file);
    p = start(uses);
    CHECK_INT(hear(&p), 'j');
    kill_peer(&p);
    remove(path);
}

static void is_alone_after_the_parent_left(peer *test) {
    hear(test); /* the parent has closed its handle */
    ipm_lockfile file;
    write_at("x", 1, 16);
    tell(test, join(&file) == IPM_OK ? 'j' : 'x');
}

/* The child of a fork keeps neither the mapping nor the descriptor. */
static void is_not_kept_in_use_by_a_child(void) {
    ipm_lockfile file;
    CHECK_INT(join(&file), IPM_OK);
    peer p = start(is_alone_after_the_parent_left);
    ipm_lockfile_close(&file);
    tell(&p, 'g');
    CHECK_INT(hear(&p), 'j');
    finish(&p);
    remove(path);
}

static void manages(peer *test) {
    int fd;
    bool made;
    tell(test, ipm_lockfile_manage(path, &terms, &fd, &made, &error) == IPM_OK ? 'm' : 'x');
    hear(test);
}

static void keeps_managers_apart(void) {
    peer first = start(manages);
    CHECK_INT(hear(&first), 'm');
    peer second = start(manages);
    struct pollfd said = {.fd = second.from, .events = POLLIN};
    CHECK_INT(poll(&said, 1, 50), 0);
    kill_peer(&first);
    CHECK_INT(hear(&second), 'm');
    CHECK_INT(finish(&second), 0);
    remove(path);
}

#define OTHER_SPACE "another pid namespace"

static bool lock_free(ipm_role role, ipm_segment **own) {
    return open_as(role, "", own) == IPM_OK && read_a(*own) == 5 &&
           ipm_segment_lock(*own, 0, &error) == IPM_EINCOMPATIBLE &&
           strstr(error.text, OTHER_SPACE) != NULL;
}

static void opens_in_another_space(peer *test) {
    ipm_segment *own;
    if (unshare(CLONE_NEWPID) != 0)
        _exit(77);
    pid_t child = fork(); /* the first process of the new namespace */
    if (child == 0) {
        alarm(20);
        if (open_as(IPM_EDITOR, "", &own) != IPM_EINCOMPATIBLE ||
            strstr(error.text, OTHER_SPACE) == NULL)
            _exit(1);
        if (open_as(IPM_MANAGER, "", &own) != IPM_EINCOMPATIBLE)
            _exit(2);
        if (!lock_free(IPM_READER, &own))
            _exit(3);
        tell(test, 'r');
        hear(test); /* all other handles are closed */
        ipm_segment *editor;
        if (open_as(IPM_EDITOR, "", &editor) != IPM_OK || commit(editor, 6) != IPM_OK)
            _exit(4);
        if (read_a(own) != 6)
            _exit(5);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

static void keeps_pid_namespaces_apart(void) {
    ipm_segment *editor = opened(IPM_MANAGER, "");
    CHECK_INT(commit(editor, 5), IPM_OK);
    peer p = start(opens_in_another_space);
    char said = hear(&p);
    if (said == 'r')
        ipm_segment_close(editor, NULL);
    tell(&p, 'g');
    int status = finish(&p);
    if (status == 77) {
        CHECK_INT(ipm_segment_destroy(editor, NULL), IPM_OK);
        ipm_segment_close(editor, NULL);
        SKIP("needs root, to make a pid namespace");
    }
    CHECK_INT(said, 'r');
    CHECK_INT(status, 0);
    editor = opened(IPM_MANAGER, "");
    CHECK_INT(ipm_segment_destroy(editor, &error), IPM_OK);
    ipm_segment_close(editor, NULL);
}

int main(void) {
    static char name[128];
    set_up();
    snprintf(name, sizeof name, "%s/lock", dir);
    path = name;
    run("makes an allocated file with the requested mode", makes_the_file);
    run("writes a head that describes its locks", describes_itself);
    run("joins the processes that use the file", joins_those_who_use_it);
    run("initialises the file if no process uses it", makes_everything_afresh_when_alone);
    run("opens a copy of the file that was made while the lock was held",
        opens_a_copy_that_was_taken_while_held);
    run("refuses a file with a wrong head that is in use, and initialises it when it is not",
        refuses_a_misfit_in_use_and_no_other);
    run("refuses a file that was truncated while in use", refuses_one_that_was_truncated_in_use);
    run("refuses a file that lost its magic while in use", refuses_one_in_use_without_its_magic);
    run("initialises the file again after an initialiser died",
        initialises_what_a_dead_initialiser_left);
    run("stays in use when another handle of the process is closed",
        stays_in_use_when_others_close_theirs);
    run("is not kept in use by the child of a fork", is_not_kept_in_use_by_a_child);
    run("lets one manager at a time create or destroy", keeps_managers_apart);
    run("is incompatible in another pid namespace, where readers read lock-free",
        keeps_pid_namespaces_apart);
    return tear_down();
}
