/* Which users' files are used in a shared directory. Needs root, to become another user. */
#include "fixture.h"
#include "peer.h"

#include <grp.h>

#define OWNER 12001
#define STRANGER 12003
#define OTHER 12005

#define NEEDS_ROOT                                                                                 \
    if (geteuid() != 0)                                                                            \
    SKIP("needs root, to become other users")

static char shared[64]; /* sticky, and everybody may write to it */

static void expect(bool as_expected, int status) {
    if (!as_expected)
        _exit(status);
}

static void become(uid_t user) {
    expect(setgroups(0, NULL) == 0 && setgid(user) == 0 && setuid(user) == 0, 90);
}

static ipm_options here(const char *tag) {
    return (ipm_options){.own_size = sizeof(ipm_options), .tag = tag, .mmap_dir = shared};
}

static int open_here(ipm_role role, ipm_options options, ipm_segment **segment) {
    memset(&error, 0, sizeof error);
    return ipm_segment_open(role, demo, &options, segment, &error);
}

static int create_here(const char *tag, bool force, ipm_segment **segment) {
    ipm_options options = here(tag);
    options.create = true;
    options.force = force;
    return open_here(IPM_MANAGER, options, segment);
}

static const char *in_shared(const char *tag, const char *suffix) {
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/Demo_%s.%s", shared, tag, suffix);
    return path;
}

static struct stat status_of(const char *path) {
    struct stat status = {0};
    CHECK_INT(stat(path, &status), 0);
    return status;
}

static void destroy(ipm_segment *segment) {
    CHECK_INT(ipm_segment_destroy(segment, &error), IPM_OK);
    ipm_segment_close(segment, NULL);
}

/* ---- Files of another user --------------------------------------------------------------- */

static void plants_a_lock_file(peer *test) {
    (void)test;
    become(STRANGER);
    int fd = open(in_shared("lock", "lock"), O_RDWR | O_CREAT | O_EXCL, 0666);
    expect(fd >= 0 && fchmod(fd, 0666) == 0, 1);
}

/* The directory is sticky, so that only the owner of a file may remove it. */
static void cannot_replace_the_lock_file(peer *test) {
    ipm_segment *manager;
    (void)test;
    become(OTHER);
    expect(create_here("lock", true, &manager) == IPM_EPERMISSION, 1);
    expect(strstr(error.text, "cannot remove ") != NULL, 2);
}

static void refuses_a_strangers_lock_file(void) {
    NEEDS_ROOT;
    ipm_segment *manager;
    CHECK_INT(run_peer(plants_a_lock_file), 0);
    CHECK_INT(run_peer(cannot_replace_the_lock_file), 0);
    CHECK_ERROR(create_here("lock", false, &manager), IPM_EPERMISSION, "Demo_lock.lock");
    CHECK(strstr(error.text, "belongs to user 12003") != NULL);
    CHECK(!exists(in_shared("lock", "mmap")));
    CHECK_INT(create_here("lock", true, &manager), IPM_OK);
    CHECK_INT(status_of(in_shared("lock", "lock")).st_uid, geteuid());
    CHECK_INT(status_of(in_shared("lock", "lock")).st_mode & 0777, 0600);
    CHECK_INT(commit(manager, 5), IPM_OK);
    destroy(manager);
}

/* The lock file of a closed segment is gone, and a stranger has put one there. */
static void is_not_opened_with_a_strangers_lock_file(ipm_options options) {
    ipm_segment *segment;
    options.create = true;
    CHECK_INT(open_here(IPM_MANAGER, options, &segment), IPM_OK);
    ipm_segment_close(segment, NULL);
    CHECK_INT(unlink(in_shared("lock", "lock")), 0);
    CHECK_INT(run_peer(plants_a_lock_file), 0);
    int next = next_descriptor();
    options.create = false;
    CHECK_ERROR(open_here(IPM_EDITOR, options, &segment), IPM_EPERMISSION, "Demo_lock.lock");
    CHECK(strstr(error.text, "belongs to user 12003") != NULL);
    CHECK_INT(next_descriptor(), next);
    CHECK_INT(unlink(in_shared("lock", "lock")), 0);
    CHECK_INT(open_here(IPM_MANAGER, options, &segment), IPM_OK);
    destroy(segment);
}

static void opens_nothing_with_a_strangers_lock_file(void) {
    NEEDS_ROOT;
    ipm_options options = here("lock");
    is_not_opened_with_a_strangers_lock_file(options);
    options.mmap_dir = dir;
    options.lock_dir = shared;
    is_not_opened_with_a_strangers_lock_file(options);
}

static void plants_a_segment_and_looks(peer *test) {
    ipm_segment *own;
    become(STRANGER);
    ipm_options options = here("data");
    options.create = true;
    options.mode = 0666;
    expect(open_here(IPM_MANAGER, options, &own) == IPM_OK, 1);
    tell(test, 'p');
    hear(test);
    expect(read_a(own) == 0, 2); /* not the bytes that the owner wrote */
}

static void refuses_a_strangers_data_file(void) {
    NEEDS_ROOT;
    ipm_segment *segment;
    peer stranger = start(plants_a_segment_and_looks);
    CHECK_INT(hear(&stranger), 'p');
    CHECK_INT(unlink(in_shared("data", "lock")), 0); /* only the data file belongs to this user */
    CHECK_ERROR(create_here("data", false, &segment), IPM_EPERMISSION, "Demo_data.mmap");
    CHECK(strstr(error.text, "belongs to user 12003") != NULL);
    CHECK_ERROR(open_here(IPM_EDITOR, here("data"), &segment), IPM_EPERMISSION, "12003");
    CHECK_ERROR(open_here(IPM_READER, here("data"), &segment), IPM_EPERMISSION, "12003");
    CHECK_INT(create_here("data", true, &segment), IPM_OK);
    CHECK_INT(status_of(in_shared("data", "mmap")).st_uid, geteuid());
    CHECK_INT(status_of(in_shared("data", "mmap")).st_mode & 0777, 0600);
    CHECK_INT(commit(segment, 5), IPM_OK);
    CHECK_INT(finish(&stranger), 0);
    destroy(segment);
}

static void uses_the_files_of_those_it_trusts(void) {
    NEEDS_ROOT;
    static const uint32_t stranger_id[] = {77, STRANGER}, anyone[] = {IPM_ANYONE}, other[] = {77};
    ipm_segment *segment;
    peer stranger = start(plants_a_segment_and_looks);
    CHECK_INT(hear(&stranger), 'p');
    ipm_options options = here("data");
    options.trust_count = 1;
    options.trust = other;
    CHECK_INT(open_here(IPM_EDITOR, options, &segment), IPM_EPERMISSION);
    options.trust = anyone;
    CHECK_INT(open_here(IPM_EDITOR, options, &segment), IPM_OK);
    ipm_segment_close(segment, NULL);
    options.trust = stranger_id;
    options.trust_count = 2;
    CHECK_INT(open_here(IPM_MANAGER, options, &segment), IPM_OK);
    CHECK_INT(finish(&stranger), 0);
    destroy(segment);
}

static void uses_the_directory_owners_segment(peer *test) {
    ipm_segment *own;
    (void)test;
    become(STRANGER);
    expect(open_here(IPM_EDITOR, here("open"), &own) == IPM_OK, 1);
    expect(commit(own, 6) == IPM_OK, 2);
}

static void a_stranger_uses_the_files_of_the_directorys_owner(void) {
    NEEDS_ROOT;
    ipm_segment *manager;
    ipm_options options = here("open");
    options.create = true;
    options.mode = 0666;
    CHECK_INT(open_here(IPM_MANAGER, options, &manager), IPM_OK);
    CHECK_INT(run_peer(uses_the_directory_owners_segment), 0);
    CHECK_INT(read_a(manager), 6);
    destroy(manager);
}

/* ---- Directories ------------------------------------------------------------------------- */

static mode_t wanted_mode;

static void makes_a_directory(peer *test) {
    (void)test;
    become(STRANGER);
    expect(mkdir(in_shared("taken", "d"), 0755) == 0 &&
               chmod(in_shared("taken", "d"), wanted_mode) == 0,
           1);
}

static int create_in(const char *directory, const uint32_t *trust, ipm_segment **segment) {
    ipm_options options = {.own_size = sizeof options,
                           .mmap_dir = directory,
                           .create = true,
                           .trust = trust,
                           .trust_count = trust != NULL};
    memset(&error, 0, sizeof error);
    return ipm_segment_open(IPM_MANAGER, demo, &options, segment, &error);
}

static void creates_in_no_strangers_directory(void) {
    NEEDS_ROOT;
    static const uint32_t stranger = STRANGER;
    static const mode_t modes[] = {0755, 0777, 01777};
    ipm_segment *segment;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        const char *directory = in_shared("taken", "d");
        wanted_mode = modes[i];
        CHECK_INT(run_peer(makes_a_directory), 0);
        CHECK_ERROR(create_in(directory, NULL, &segment), IPM_EPERMISSION, directory);
        CHECK(strstr(error.text, "belongs to user 12003") != NULL);
        if (modes[i] != 0777) {
            CHECK_INT(create_in(directory, &stranger, &segment), IPM_OK);
            destroy(segment);
        }
        CHECK_INT(rmdir(directory), 0); /* no file is left in it */
    }
}

static void creates_where_nobody_else_can_replace_files(void) {
    static const uint32_t anyone = IPM_ANYONE;
    ipm_segment *segment;
    const char *directory = in_dir("loose");
    CHECK_INT(mkdir(directory, 0700), 0);
    CHECK_INT(chmod(directory, 0777), 0);
    CHECK_ERROR(create_in(directory, NULL, &segment), IPM_EPERMISSION, "sticky");
    CHECK_INT(create_in(directory, &anyone, &segment), IPM_OK);
    destroy(segment);
    CHECK_INT(chmod(directory, 01777), 0);
    CHECK_INT(create_in(directory, NULL, &segment), IPM_OK);
    destroy(segment);
    rmdir(directory);
}

static void a_strangers_link_leads_nowhere(peer *test) {
    (void)test;
    become(STRANGER);
    expect(symlink(in_dir("mine"), in_shared("link", "d")) == 0, 1);
}

static void follows_no_strangers_link_to_a_directory(void) {
    NEEDS_ROOT;
    ipm_segment *segment;
    CHECK_INT(mkdir(in_dir("mine"), 0700), 0);
    CHECK_INT(run_peer(a_strangers_link_leads_nowhere), 0);
    CHECK_ERROR(create_in(in_shared("link", "d"), NULL, &segment), IPM_EPERMISSION, "12003");
    CHECK_INT(unlink(in_shared("link", "d")), 0);
    CHECK_INT(rmdir(in_dir("mine")), 0);
}

static void creates_in_no_strangers_directory_behind_a_link(void) {
    NEEDS_ROOT;
    ipm_segment *segment;
    const char *directory = in_shared("taken", "d");
    wanted_mode = 0755;
    CHECK_INT(run_peer(makes_a_directory), 0);
    CHECK_INT(symlink(directory, in_dir("own_link")), 0);
    CHECK_ERROR(create_in(in_dir("own_link"), NULL, &segment), IPM_EPERMISSION, "12003");
    CHECK_INT(unlink(in_dir("own_link")), 0);
    CHECK_INT(rmdir(directory), 0);
}

static void names_the_file_where_there_is_no_directory(void) {
    ipm_segment *segment;
    ipm_options options = {.own_size = sizeof options, .mmap_dir = in_dir("nowhere")};
    CHECK_ERROR(ipm_segment_open(IPM_READER, demo, &options, &segment, &error), IPM_ENOTFOUND,
                "nowhere/Demo_.mmap");
}

static void makes_a_directory_for_all_sticky(void) {
    ipm_segment *segment;
    ipm_options options = {
        .own_size = sizeof options, .mmap_dir = in_dir("all"), .create = true, .mode = 0666};
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &segment, &error), IPM_OK);
    CHECK_INT(status_of(in_dir("all")).st_mode & 07777, 01777);
    destroy(segment);
    CHECK_INT(rmdir(in_dir("all")), 0);
}

/* ---- The mode of the lock file ----------------------------------------------------------- */

static void may_only_read(peer *test) {
    ipm_segment *reader;
    become(STRANGER);
    expect(open(in_shared("read", "lock"), O_RDONLY) < 0 && errno == EACCES, 1);
    expect(open_here(IPM_READER, here("read"), &reader) == IPM_OK, 2);
    expect(read_a(reader) == 5, 3);
    ipm_segment_close(reader, NULL);
    tell(test, 'r');
    hear(test);
    /* The lock file does not exist at this time. */
    expect(open_here(IPM_READER, here("read"), &reader) == IPM_OK, 4);
    expect(read_a(reader) == 5, 5);
    expect(ipm_segment_lock(reader, 0, &error) == IPM_EPERMISSION, 6);
    expect(!exists(in_shared("read", "lock")), 7);
}

static void who_may_only_read_neither_holds_nor_makes_a_lock_file(void) {
    NEEDS_ROOT;
    ipm_segment *manager;
    ipm_options options = here("read");
    options.create = true;
    options.mode = 0644;
    CHECK_INT(open_here(IPM_MANAGER, options, &manager), IPM_OK);
    CHECK_INT(commit(manager, 5), IPM_OK);
    peer stranger = start(may_only_read);
    CHECK_INT(hear(&stranger), 'r');
    ipm_segment_close(manager, NULL);
    CHECK_INT(unlink(in_shared("read", "lock")), 0);
    CHECK_INT(finish(&stranger), 0);
    CHECK_INT(open_here(IPM_MANAGER, here("read"), &manager), IPM_OK);
    destroy(manager);
}

static void opens_as_owner(peer *test) {
    ipm_segment *segment;
    (void)test;
    become(OWNER);
    expect(open_here(IPM_EDITOR, here("wide"), &segment) == IPM_EPERMISSION, 1);
    expect(strstr(error.text, "chmod 660") != NULL, 2);
}

static void narrows_a_lock_file_that_more_may_use_than_the_data(void) {
    NEEDS_ROOT;
    ipm_segment *manager;
    ipm_options options = here("wide");
    options.create = true;
    options.mode = 0660;
    CHECK_INT(open_here(IPM_MANAGER, options, &manager), IPM_OK);
    CHECK_INT(chown(in_shared("wide", "mmap"), (uid_t)-1, OWNER), 0);
    CHECK_INT(chown(in_shared("wide", "lock"), (uid_t)-1, OWNER), 0);
    CHECK_INT(chmod(in_shared("wide", "lock"), 0666), 0);
    CHECK_INT(run_peer(opens_as_owner), 0); /* a member of the group, who may not narrow the mode */
    ipm_segment_close(manager, NULL);
    CHECK_INT(open_here(IPM_MANAGER, here("wide"), &manager), IPM_OK);
    CHECK_INT(status_of(in_shared("wide", "lock")).st_mode & 0777, 0660);
    destroy(manager);
}

int main(void) {
    set_up();
    CHECK_INT(chmod(dir, 0755), 0);
    snprintf(shared, sizeof shared, "%.40s/shared", dir);
    if (mkdir(shared, 0700) != 0 || chmod(shared, 01777) != 0)
        return EXIT_FAILURE;
    run("refuses a lock file of another user, and replaces it with force",
        refuses_a_strangers_lock_file);
    run("opens no existing segment with a lock file of another user",
        opens_nothing_with_a_strangers_lock_file);
    run("refuses a data file of another user, and replaces it with force",
        refuses_a_strangers_data_file);
    run("uses the files of users that the caller trusts", uses_the_files_of_those_it_trusts);
    run("uses the files of the directory's owner",
        a_stranger_uses_the_files_of_the_directorys_owner);
    run("creates no segment in a directory of another user", creates_in_no_strangers_directory);
    run("creates a segment only where no other user can replace the files",
        creates_where_nobody_else_can_replace_files);
    run("does not follow another user's link to a directory",
        follows_no_strangers_link_to_a_directory);
    run("creates no segment in another user's directory behind its own link",
        creates_in_no_strangers_directory_behind_a_link);
    run("names the file that is in the place of a directory",
        names_the_file_where_there_is_no_directory);
    run("sets the sticky bit of a new directory that all users may write to",
        makes_a_directory_for_all_sticky);
    run("a user who may only read neither makes nor locks a lock file",
        who_may_only_read_neither_holds_nor_makes_a_lock_file);
    run("narrows the mode of a lock file that more users can use than the data file",
        narrows_a_lock_file_that_more_may_use_than_the_data);
    rmdir(shared);
    return tear_down();
}
