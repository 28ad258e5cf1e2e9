/* Links and special files that another user has put in the place of a segment's files. */
#include "fixture.h"
#include "peer.h"

#include <sys/socket.h>
#include <sys/un.h>

static const char victim_text[] = "something that must not be touched";

static const char *victim(void) {
    return in_dir("victim");
}

static void plant_victim(void) {
    int fd = open(victim(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    CHECK_INT(write(fd, victim_text, sizeof victim_text), sizeof victim_text);
    close(fd);
}

static bool victim_is_whole(void) {
    char text[sizeof victim_text + 1];
    int fd = open(victim(), O_RDONLY);
    bool whole = read(fd, text, sizeof text) == sizeof victim_text &&
                 memcmp(text, victim_text, sizeof victim_text) == 0;
    close(fd);
    return whole;
}

static int plant_link(const char *path) {
    return symlink(victim(), path);
}

static int plant_dangling_link(const char *path) {
    return symlink(in_dir("nowhere"), path);
}

static int plant_hard_link(const char *path) {
    return link(victim(), path);
}

static int plant_fifo(const char *path) {
    return mkfifo(path, 0666);
}

static int plant_dir(const char *path) {
    return mkdir(path, 0700);
}

static int plant_socket(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int rc = bind(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
    return rc;
}

typedef struct plant {
    int (*plant)(const char *path);
    int code;
    const char *says;
} plant;

static const plant plants[] = {
    {plant_link, IPM_ECORRUPT, "is a symbolic link"},
    {plant_dangling_link, IPM_ECORRUPT, "is a symbolic link"},
    {plant_hard_link, IPM_EPERMISSION, "has 2 names (hard links)"},
    {plant_fifo, IPM_ECORRUPT, "is not a regular file"},
    {plant_dir, IPM_ECORRUPT, "is not a regular file"},
    {plant_socket, IPM_ECORRUPT, "is not a regular file"},
};
#define PLANTS (sizeof plants / sizeof *plants)

static const struct {
    ipm_role role;
    bool create, force;
} ways[] = {{IPM_READER, false, false},
            {IPM_EDITOR, false, false},
            {IPM_MANAGER, true, false},
            {IPM_MANAGER, true, true}};

static void is_refused_to(size_t way, const char *path, const plant *planted) {
    ipm_segment *segment;
    ipm_options options = {.mmap_dir = dir, .create = ways[way].create, .force = ways[way].force};
    CHECK_ERROR(ipm_segment_open(ways[way].role, demo, &options, &segment, &error), planted->code,
                planted->says);
    CHECK(strstr(error.text, path) != NULL);
    CHECK(segment == NULL);
}

/* A reader reads lock-free if it may not use the lock file. */
static void is_read_lock_free(const char *path, const plant *planted) {
    ipm_segment *reader = opened(IPM_READER, "");
    if (reader == NULL)
        return;
    CHECK_INT(read_a(reader), 0);
    CHECK_ERROR(ipm_segment_lock(reader, 0, &error), planted->code, planted->says);
    CHECK(strstr(error.text, path) != NULL);
    ipm_segment_close(reader, NULL);
}

static void is_left_alone(const char *path, const plant *planted, bool for_locks) {
    struct stat before, after;
    CHECK_INT(lstat(path, &before), 0);
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++)
        if (for_locks && ways[way].role == IPM_READER && planted->code == IPM_EPERMISSION)
            is_read_lock_free(path, planted);
        else
            is_refused_to(way, path, planted);
    CHECK_INT(lstat(path, &after), 0);
    CHECK_INT(after.st_ino, before.st_ino);
    CHECK_INT(after.st_mode, before.st_mode);
    CHECK(victim_is_whole());
    CHECK(!exists(in_dir("nowhere")));
}

static void refuses_what_is_planted_for_data(void) {
    for (size_t i = 0; i < PLANTS; i++) {
        plant_victim();
        CHECK_INT(plants[i].plant(data_path("")), 0);
        is_left_alone(data_path(""), &plants[i], false);
        CHECK(!exists(lock_path("")));
        remove(data_path(""));
        remove(victim());
    }
}

static void refuses_what_is_planted_for_locks(void) {
    for (size_t i = 0; i < PLANTS; i++) {
        plant_victim();
        ipm_segment_close(opened(IPM_MANAGER, ""), NULL);
        CHECK_INT(remove(lock_path("")), 0);
        CHECK_INT(plants[i].plant(lock_path("")), 0);
        is_left_alone(lock_path(""), &plants[i], true);
        CHECK(exists(data_path("")));
        remove(data_path(""));
        remove(lock_path(""));
        remove(victim());
    }
}

static void creates_nothing_beside_a_planted_lock_file(void) {
    ipm_segment *segment;
    for (size_t i = 0; i < PLANTS; i++) {
        plant_victim();
        CHECK_INT(plants[i].plant(lock_path("")), 0);
        CHECK_INT(open_as(IPM_MANAGER, "", &segment), plants[i].code);
        CHECK(!exists(data_path("")));
        remove(lock_path(""));
        remove(victim());
    }
}

/* A hard link as a backup: the segment is undamaged, and the error must not call it damaged. */
static void names_a_hard_linked_backup(void) {
    const plant backup = {NULL, IPM_EPERMISSION, "has 2 names (hard links)"};
    ipm_segment *segment = opened(IPM_MANAGER, "");
    CHECK_INT(commit(segment, 5), IPM_OK);
    ipm_segment_close(segment, NULL);
    CHECK_INT(link(data_path(""), in_dir("backup")), 0);
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        is_refused_to(way, data_path(""), &backup);
        CHECK(strstr(error.text, "cp instead of ln") != NULL);
    }
    ipm_layout *layout;
    CHECK_ERROR(ipm_layout_load(data_path(""), &layout, &error), IPM_EPERMISSION, "2 names");
    CHECK_INT(remove(in_dir("backup")), 0);
    segment = opened(IPM_MANAGER, "");
    CHECK_INT(read_a(segment), 5);
    CHECK_INT(ipm_segment_destroy(segment, &error), IPM_OK);
    ipm_segment_close(segment, NULL);
}

/* A manager makes its file under a temporary name. In the worst case a link has that name. */
/* If a process holds a lease on a file, open(2) fails, or waits for that process if it may wait. */
static void leases_the_data_file(peer *test) {
    int fd = open(data_path(""), O_RDWR);
    signal(SIGIO, SIG_IGN);
    tell(test, fcntl(fd, F_SETLEASE, F_WRLCK) == 0 ? 'l' : '-');
    hear(test);
    close(fd);
}

static void names_a_lease(void) {
    ipm_segment *segment = opened(IPM_MANAGER, "");
    ipm_segment_close(segment, NULL);
    peer holder = start(leases_the_data_file);
    bool is_leased = hear(&holder) == 'l';
    if (is_leased) {
        ipm_options options = {.mmap_dir = dir};
        CHECK_ERROR(ipm_segment_open(IPM_EDITOR, demo, &options, &segment, &error), IPM_ESYSTEM,
                    "another process has a lease on it");
        CHECK_INT(error.system, EAGAIN);
    }
    tell(&holder, 'e');
    CHECK_INT(finish(&holder), 0);
    segment = opened(IPM_MANAGER, "");
    CHECK_INT(ipm_segment_destroy(segment, &error), IPM_OK);
    ipm_segment_close(segment, NULL);
    if (!is_leased)
        SKIP("this file system has no leases");
}

static void destroys_only_its_own_file(void) {
    ipm_segment *manager = opened(IPM_MANAGER, "");
    CHECK_INT(rename(data_path(""), in_dir("moved")), 0);
    plant_victim();
    CHECK_INT(rename(victim(), data_path("")), 0);
    CHECK_ERROR(ipm_segment_destroy(manager, &error), IPM_EREPLACED, "is no longer this segment");
    CHECK_INT(rename(data_path(""), victim()), 0);
    CHECK(victim_is_whole());
    CHECK_INT(rename(in_dir("moved"), data_path("")), 0);
    CHECK_INT(commit(manager, 1), IPM_OK);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
    remove(victim());
}

static void opens_through_a_link_to_the_directory(void) {
    ipm_segment *segment;
    ipm_options options = {.mmap_dir = in_dir("link"), .create = true};
    CHECK_INT(mkdir(in_dir("real"), 0700), 0);
    CHECK_INT(symlink(in_dir("real"), in_dir("link")), 0);
    if (CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &segment, &error), IPM_OK))
        CHECK_INT(ipm_segment_destroy(segment, &error), IPM_OK);
    ipm_segment_close(segment, NULL);
    remove(in_dir("link"));
    remove(in_dir("real"));
}

static void goes_on_when_the_lock_file_was_removed(void) {
    ipm_segment *editor = opened(IPM_MANAGER, "");
    ipm_segment_close(editor, NULL);
    CHECK_INT(remove(lock_path("")), 0); /* no process uses the segment, so this is allowed */
    editor = opened(IPM_EDITOR, "");
    CHECK_INT(commit(editor, 1), IPM_OK);
    ipm_segment_close(editor, NULL);
    editor = opened(IPM_MANAGER, "");
    CHECK_INT(ipm_segment_destroy(editor, &error), IPM_OK);
    ipm_segment_close(editor, NULL);
}

int main(void) {
    set_up();
    run("refuses a link or a special file in the data file's place, also with force",
        refuses_what_is_planted_for_data);
    run("refuses a link or a special file in the lock file's place, or reads lock-free",
        refuses_what_is_planted_for_locks);
    run("creates no segment beside such a lock file", creates_nothing_beside_a_planted_lock_file);
    run("names a hard-linked backup as the problem, and opens after its removal",
        names_a_hard_linked_backup);
    run("reports that another process has a lease on the file", names_a_lease);
    run("destroys only its own file", destroys_only_its_own_file);
    run("opens through a link to the directory", opens_through_a_link_to_the_directory);
    run("makes a lock file again that was removed", goes_on_when_the_lock_file_was_removed);
    return tear_down();
}
