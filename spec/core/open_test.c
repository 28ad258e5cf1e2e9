/* Opening, creating, replacing and destroying: options, modes, codes, and the files afterwards. */
#include "../../src/core/clock.h"
#include "fixture.h"
#include "peer.h"

#include <sys/resource.h>

static ipm_segment *segment;

static int open_with(ipm_role role, const ipm_layout *layout, ipm_options options) {
    if (options.mmap_dir == NULL)
        options.mmap_dir = dir;
    memset(&error, 0, sizeof error);
    segment = (ipm_segment *)&error;
    int code = ipm_segment_open(role, layout, &options, &segment, &error);
    CHECK((code == IPM_OK) == (segment != NULL));
    CHECK_INT(error.code, code);
    return code;
}

static void destroy(ipm_segment *manager) {
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    CHECK_INT(ipm_segment_close(manager, NULL), IPM_OK);
}

static int mode_of(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0 ? (int)(status.st_mode & 07777) : -1;
}

static void refuses_options_that_are_another_roles(void) {
    static const ipm_options options[] = {
        {.create = true}, {.create = true, .force = true}, {.mode = 0600}, {.max_readers = 5}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        CHECK_ERROR(open_with(IPM_READER, demo, options[i]), IPM_EINVALID, "a manager's options");
        CHECK_ERROR(open_with(IPM_EDITOR, demo, options[i]), IPM_EINVALID, "a manager's options");
    }
    CHECK_INT(entries(dir), 0);
}

static void refuses_bad_options(void) {
    CHECK_ERROR(open_with(IPM_MANAGER, demo, (ipm_options){.force = true}), IPM_EINVALID,
                "force goes with create");
    CHECK_ERROR(open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .mode = 01777}),
                IPM_EINVALID, "mode 1777");
    CHECK_ERROR(open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .max_readers = 129}),
                IPM_EINVALID, "max_readers 129 is outside 1..128");
    CHECK_ERROR(open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .tag = "../x"}),
                IPM_EINVALID, "the tag '../x'");
    CHECK_ERROR(open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .trust_count = 1}),
                IPM_EINVALID, "trust_count is 1, but trust is NULL");
    CHECK_INT(entries(dir), 0);
}

static void refuses_a_struct_without_a_header(void) {
    ipm_layout *plain = layout_of("struct Plain { a: int64 b: int64 c: int64 }");
    CHECK_ERROR(open_with(IPM_READER, plain, (ipm_options){0}), IPM_EINVALID,
                "Plain has no common header");
    ipm_layout_free(plain);
}

/* Descriptor 0 is free, so the first open in the library returns it. */
static void creates_without_room(peer *test) {
    ipm_options options = {.mmap_dir = in_dir("there"), .create = true};
    (void)test;
    close(0);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 4096, .rlim_max = 4096});
    _exit(ipm_segment_open(IPM_MANAGER, demo, &options, &segment, NULL) == IPM_ENOSPACE ? 0 : 1);
}

static void leaves_a_directory_empty_where_it_fails_to_create(void) {
    CHECK_INT(mkdir(in_dir("there"), 0700), 0);
    CHECK_INT(run_peer(creates_without_room), 0);
    CHECK_INT(rmdir(in_dir("there")), 0);
}

static void finds_nothing_where_nothing_is(void) {
    CHECK_ERROR(open_with(IPM_READER, demo, (ipm_options){0}), IPM_ENOTFOUND, data_path(""));
    CHECK(strstr(error.text, "a manager with the option create makes it") != NULL);
    CHECK_INT(error.system, ENOENT);
    CHECK_INT(open_with(IPM_EDITOR, demo, (ipm_options){0}), IPM_ENOTFOUND);
    CHECK_INT(open_with(IPM_MANAGER, demo, (ipm_options){0}), IPM_ENOTFOUND);
    CHECK_INT(open_with(IPM_READER, demo, (ipm_options){.mmap_dir = in_dir("nowhere")}),
              IPM_ENOTFOUND);
    CHECK_INT(entries(dir), 0);
}

static void makes_exactly_two_files_of_the_mode(void) {
    mode_t old = umask(0077);
    static const int modes[] = {0600, 0640, 0660, 0644, 0666};
    static const int lock_modes[] = {0600, 0600, 0660, 0600,
                                     0666}; /* users who may write may lock */
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        CHECK_INT(
            open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .mode = (uint32_t)modes[i]}),
            IPM_OK);
        CHECK_INT(mode_of(data_path("")), modes[i]);
        CHECK_INT(mode_of(lock_path("")), lock_modes[i]);
        CHECK_INT(entries(dir), 2);
        destroy(segment);
        CHECK_INT(entries(dir), 0);
    }
    umask(0);
    CHECK_INT(open_with(IPM_MANAGER, demo, (ipm_options){.create = true}), IPM_OK);
    CHECK_INT(mode_of(data_path("")), 0600);
    CHECK_INT(mode_of(lock_path("")), 0600);
    destroy(segment);
    umask(old);
}

static void makes_directories_with_matching_passage(void) {
    char mmap_dir[200], lock_dir[200];
    mode_t old = umask(0077);
    snprintf(mmap_dir, sizeof mmap_dir, "%s/p/q//", dir);
    snprintf(lock_dir, sizeof lock_dir, "%s/r", dir);
    CHECK_INT(
        open_with(IPM_MANAGER, demo,
                  (ipm_options){
                      .create = true, .mode = 0640, .mmap_dir = mmap_dir, .lock_dir = lock_dir}),
        IPM_OK);
    umask(old);
    CHECK_INT(mode_of(in_dir("p")), 0750);
    CHECK_INT(mode_of(in_dir("p/q")), 0750);
    CHECK_INT(mode_of(in_dir("r")), 0750);
    CHECK(exists(in_dir("p/q/Demo_.mmap")) && exists(in_dir("r/Demo_.lock")));
    destroy(segment);
    CHECK_INT(entries(in_dir("p/q")), 0);
    remove(in_dir("p/q"));
    remove(in_dir("p"));
    remove(in_dir("r"));
}

static void leaves_a_directory_that_is_there_alone(void) {
    mkdir(in_dir("d"), 0700);
    CHECK_INT(chmod(in_dir("d"), 0711), 0);
    CHECK_INT(open_with(IPM_MANAGER, demo,
                        (ipm_options){.create = true, .mode = 0644, .mmap_dir = in_dir("d")}),
              IPM_OK);
    CHECK_INT(mode_of(in_dir("d")), 0711);
    destroy(segment);
    remove(in_dir("d"));
}

static void refuses_a_file_as_directory(void) {
    close(open(in_dir("file"), O_CREAT | O_WRONLY, 0600));
    CHECK_ERROR(
        open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .mmap_dir = in_dir("file/sub")}),
        IPM_ESYSTEM, "Not a directory");
    CHECK_INT(
        open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .mmap_dir = in_dir("file")}),
        IPM_ESYSTEM);
    CHECK_ERROR(
        open_with(IPM_EDITOR, demo, (ipm_options){.mmap_dir = in_dir("file/sub"), .lock_dir = dir}),
        IPM_ESYSTEM, "cannot examine the directory");
    CHECK_INT(entries(dir), 1);
    remove(in_dir("file"));
}

static void keeps_what_is_there(void) {
    CHECK_INT(open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .max_readers = 3}),
              IPM_OK);
    ipm_segment *first = segment;
    CHECK_INT(commit(first, 5), IPM_OK);
    CHECK_INT(open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .max_readers = 9}),
              IPM_OK);
    CHECK_INT(read_a(segment), 5);
    CHECK_INT(info_of(segment).max_readers, 3);
    ipm_segment_close(segment, NULL);
    CHECK_INT(open_with(IPM_MANAGER, demo, (ipm_options){0}), IPM_OK);
    CHECK_INT(read_a(segment), 5);
    ipm_segment_close(segment, NULL);
    ipm_segment_close(first, NULL);
    CHECK_INT(open_with(IPM_READER, demo, (ipm_options){0}),
              IPM_OK); /* no process uses the segment */
    CHECK_INT(info_of(segment).max_readers, 3);
    CHECK_INT(read_a(segment), 5);
    ipm_segment_close(segment, NULL);
    CHECK_INT(open_with(IPM_MANAGER, demo, (ipm_options){0}), IPM_OK);
    destroy(segment);
}

static void starts_afresh_in_place_with_force(void) {
    double before = ipm_time(), stamp = 0;
    ipm_segment *editor;
    CHECK_INT(open_with(IPM_MANAGER, demo, (ipm_options){.create = true}), IPM_OK);
    ipm_segment *first = segment;
    CHECK_INT(open_as(IPM_EDITOR, "", &editor), IPM_OK);
    CHECK_INT(commit(editor, 5), IPM_OK);
    CHECK_INT(open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .force = true}), IPM_OK);
    CHECK_INT(read_a(editor), 0);
    CHECK_INT(version_of(editor), 2);
    ipm_segment_read(editor, 8, sizeof stamp, &stamp, NULL);
    CHECK(stamp >= before);
    CHECK_INT(commit(editor, 6), IPM_OK);
    CHECK_INT(read_a(segment), 6);
    ipm_segment_close(editor, NULL);
    ipm_segment_close(first, NULL);
    destroy(segment);
}

static const char other_text[] = IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int32 }\n";

static void names_the_first_difference(void) {
    ipm_layout *other = layout_of(other_text);
    ipm_segment *first = opened(IPM_MANAGER, "");
    CHECK_ERROR(open_with(IPM_EDITOR, other, (ipm_options){0}), IPM_ELAYOUT,
                "a: int64 at 16 in the file, int32 at 16 in the definition");
    CHECK_INT(open_with(IPM_MANAGER, other, (ipm_options){.create = true}), IPM_ELAYOUT);
    CHECK_INT(commit(first, 5), IPM_OK);
    CHECK_INT(open_with(IPM_EDITOR, demo, (ipm_options){0}), IPM_OK);
    ipm_segment_close(segment, NULL);
    destroy(first);
    ipm_layout_free(other);
}

static void waits_for_commit_on(peer *test) {
    uint64_t now;
    ipm_segment *own = opened(IPM_EDITOR, "");
    tell(test, 'o');
    int code = ipm_segment_wait(own, 0, IPM_FOREVER, &now, &error);
    tell(test, code == IPM_EREPLACED ? 'r' : 'x');
    ipm_segment_close(own, NULL);
}

static void is_refused(ipm_segment *old) {
    uint64_t number;
    unsigned char copy[DEMO_SIZE];
    CHECK_ERROR(ipm_segment_lock(old, 0, &error), IPM_EREPLACED, "replaced or destroyed");
    CHECK_INT(ipm_segment_read(old, 0, 8, copy, &error), IPM_EREPLACED);
    CHECK_INT(ipm_segment_snapshot(old, copy, NULL, &error), IPM_EREPLACED);
    CHECK_INT(ipm_segment_version(old, &number, &error), IPM_EREPLACED);
    CHECK_INT(ipm_segment_wait(old, 0, IPM_FOREVER, &number, &error), IPM_EREPLACED);
    CHECK_INT(ipm_segment_touch(old, &error), IPM_EREPLACED);
    CHECK_INT(ipm_segment_clear(old, &error), IPM_EREPLACED);
    CHECK_INT(ipm_segment_flush(old, &error), IPM_EREPLACED);
    CHECK_INT(ipm_segment_destroy(old, &error), IPM_EREPLACED);
    CHECK_INT(info_of(old).size, DEMO_SIZE);
}

static void replaces_another_layout_with_force(void) {
    ipm_layout *other = layout_of(other_text);
    ipm_segment *old = opened(IPM_MANAGER, "");
    peer p = start(waits_for_commit_on);
    CHECK_INT(hear(&p), 'o');
    CHECK_INT(open_with(IPM_MANAGER, other, (ipm_options){.create = true, .force = true}), IPM_OK);
    CHECK_INT(hear(&p), 'r');
    CHECK_INT(finish(&p), 0);
    is_refused(old);
    ipm_segment_close(old, NULL);
    CHECK_INT(info_of(segment).size, 24);
    CHECK_INT(entries(dir), 2);
    destroy(segment);
    ipm_layout_free(other);
}

static void tells_those_who_use_what_is_destroyed(void) {
    ipm_segment *manager = opened(IPM_MANAGER, "");
    ipm_segment *old = opened(IPM_MANAGER, "");
    peer p = start(waits_for_commit_on);
    CHECK_INT(hear(&p), 'o');
    destroy(manager);
    CHECK_INT(hear(&p), 'r');
    CHECK_INT(finish(&p), 0);
    is_refused(old);
    ipm_segment_close(old, NULL);
    CHECK_INT(entries(dir), 0);
}

static void leaves_nothing_of_a_failed_destroy(void) {
    ipm_segment *manager = opened(IPM_MANAGER, "");
    unlink(data_path(""));
    unlink(lock_path(""));
    CHECK_ERROR(ipm_segment_destroy(manager, &error), IPM_EREPLACED, "no longer this segment");
    CHECK_INT(entries(dir), 0);
    ipm_segment_close(manager, NULL);
}

static void rolls_back_what_it_destroys(void) {
    ipm_segment *manager = opened(IPM_MANAGER, "");
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_OK);
    set_both(manager, 5);
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    CHECK(!ipm_segment_is_locked(manager));
    ipm_segment_close(manager, NULL);
    manager = opened(IPM_MANAGER, ""); /* a new segment of the same name */
    CHECK_INT(read_a(manager), 0);
    destroy(manager);
}

static void edits_while_it_is_destroyed(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    int code = ipm_segment_lock(own, 0, &error);
    set_both(own, 5);
    tell(test, code == IPM_OK ? 'l' : 'x');
    hear(test);
    tell(test, ipm_segment_unlock(own, &error) == IPM_EREPLACED ? 'r' : 'x');
    ipm_segment_close(own, NULL);
}

static void tells_an_editor_that_its_commit_is_lost(void) {
    ipm_segment *manager = opened(IPM_MANAGER, "");
    peer p = start(edits_while_it_is_destroyed);
    CHECK_INT(hear(&p), 'l');
    destroy(manager);
    tell(&p, 'u');
    CHECK_INT(hear(&p), 'r');
    CHECK_INT(finish(&p), 0);
}

static void set_retired(const char *path) {
    uint32_t retired = 1;
    int fd = open(path, O_WRONLY);
    CHECK_INT(pwrite(fd, &retired, sizeof retired, 4096 + 160), 4);
    close(fd);
}

/* The state after a manager died between retiring and unlinking the file. */
static void treats_a_retired_file_as_none(void) {
    ipm_segment_close(opened(IPM_MANAGER, ""), NULL);
    set_retired(data_path(""));
    int64_t start = ipm_clock_now();
    CHECK_ERROR(open_with(IPM_EDITOR, demo, (ipm_options){0}), IPM_ENOTFOUND, "was destroyed");
    CHECK(ipm_clock_now() - start >= 99 * MS); /* a manager might have been replacing it */
    CHECK_INT(open_with(IPM_MANAGER, demo, (ipm_options){.create = true}), IPM_OK);
    CHECK_INT(commit(segment, 1), IPM_OK);
    destroy(segment);
    CHECK_INT(entries(dir), 0);
}

static void overwrites_a_damaged_file_only_by_force(void) {
    int fd = open(data_path(""), O_CREAT | O_WRONLY, 0600);
    CHECK_INT(write(fd, "rubbish", 7), 7);
    close(fd);
    CHECK_ERROR(open_with(IPM_MANAGER, demo, (ipm_options){.create = true}), IPM_ECORRUPT,
                "is not a segment");
    CHECK_INT(entries(dir), 1); /* no lock file is left */
    CHECK_INT(open_with(IPM_EDITOR, demo, (ipm_options){0}), IPM_ECORRUPT);
    CHECK_INT(open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .force = true}), IPM_OK);
    CHECK_INT(commit(segment, 1), IPM_OK);
    destroy(segment);
}

static void opens_a_fresh_segment_at_once(peer *test) {
    hear(test);
    ipm_segment *own = opened(IPM_MANAGER, "race");
    CHECK_INT(ipm_segment_lock(own, 10 * SECOND, &error), IPM_OK);
    int64_t *a = ipm_segment_change(own, A_OFFSET, 8);
    if (a == NULL)
        _exit(1);
    ++*a;
    CHECK_INT(ipm_segment_unlock(own, &error), IPM_OK);
    ipm_segment_close(own, NULL);
    _exit(tap.bad);
}

static void creates_once_however_many_try(void) {
    enum { PEERS = 12 };
    for (int round = 0; round < 8; round++) {
        peer peers[PEERS];
        for (int i = 0; i < PEERS; i++)
            peers[i] = start(opens_a_fresh_segment_at_once);
        for (int i = 0; i < PEERS; i++)
            tell(&peers[i], 'g');
        for (int i = 0; i < PEERS; i++)
            CHECK_INT(finish(&peers[i]), 0);
        ipm_segment *manager = opened(IPM_MANAGER, "race");
        CHECK_INT(read_a(manager), PEERS);
        destroy(manager);
        CHECK_INT(entries(dir), 0);
    }
}

/* Then the first descriptor that is opened is 0. None may stay open. */
static void does_all_with_descriptor_zero(peer *test) {
    (void)test;
    ipm_layout *loaded = NULL;
    bool repaired;
    const char *path = data_path("");
    close(0);
    CHECK_INT(open_with(IPM_MANAGER, demo, (ipm_options){.create = true}), IPM_OK);
    ipm_segment *manager = segment;
    CHECK_INT(commit(manager, 5), IPM_OK);
    CHECK_INT(open_with(IPM_READER, demo, (ipm_options){0}), IPM_OK);
    CHECK_INT(read_a(segment), 5);
    ipm_segment_close(segment, NULL);
    CHECK_INT(ipm_layout_load(path, &loaded, &error), IPM_OK);
    ipm_layout_free(loaded);
    CHECK_INT(ipm_segment_close(manager, NULL), IPM_OK);
    CHECK_INT(ipm_segment_repair(&(ipm_options){.path = path}, &repaired, &error), IPM_OK);
    CHECK_INT(next_descriptor(), 0);
    CHECK_INT(open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .force = true}), IPM_OK);
    CHECK_INT(read_a(segment), 0);
    ipm_layout *other = layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int8 }");
    manager = segment;
    CHECK_INT(open_with(IPM_MANAGER, other, (ipm_options){.create = true, .force = true}), IPM_OK);
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_EREPLACED);
    CHECK_INT(ipm_segment_close(manager, NULL), IPM_OK);
    manager = segment;
    CHECK_INT(
        open_with(IPM_MANAGER, demo, (ipm_options){.create = true, .migrate = IPM_MIGRATE_LOSSY}),
        IPM_OK);
    CHECK_INT(ipm_segment_close(manager, NULL), IPM_OK);
    destroy(segment);
    ipm_layout_free(other);
    CHECK_INT(next_descriptor(), 0);
    CHECK_INT(entries(dir), 0);
    exit(tap.bad);
}

static void works_with_standard_input_closed(void) {
    CHECK_INT(run_peer(does_all_with_descriptor_zero), 0);
}

static void loads_a_layout_from_a_file(void) {
    ipm_layout *loaded;
    size_t length;
    ipm_segment *manager = opened(IPM_MANAGER, "");
    if (CHECK_INT(ipm_layout_load(data_path(""), &loaded, &error), IPM_OK))
        CHECK_STR(ipm_layout_text(loaded, &length), DEMO_TEXT);
    ipm_layout_free(loaded);
    CHECK_INT(ipm_layout_load(in_dir("none"), &loaded, &error), IPM_ENOTFOUND);
    CHECK(loaded == NULL);
    CHECK_INT(ipm_layout_load(lock_path(""), &loaded, &error), IPM_ECORRUPT);
    CHECK_INT(ipm_layout_load(dir, &loaded, &error), IPM_ECORRUPT);
    destroy(manager);
}

int main(void) {
    set_up();
    run("refuses options that the role may not have", refuses_options_that_are_another_roles);
    run("refuses bad options", refuses_bad_options);
    run("refuses a struct without the common header", refuses_a_struct_without_a_header);
    run("finds no segment in an empty directory, and makes no file",
        finds_nothing_where_nothing_is);
    run("leaves an existing directory empty if it fails to create a segment",
        leaves_a_directory_empty_where_it_fails_to_create);
    run("makes two files with the requested mode, whatever the umask",
        makes_exactly_two_files_of_the_mode);
    run("makes directories that all users who may read the files can enter",
        makes_directories_with_matching_passage);
    run("does not change an existing directory", leaves_a_directory_that_is_there_alone);
    run("refuses a file in place of a directory", refuses_a_file_as_directory);
    run("keeps an existing segment", keeps_what_is_there);
    run("resets a segment in place with force", starts_afresh_in_place_with_force);
    run("names the first difference of another layout", names_the_first_difference);
    run("replaces another layout with force", replaces_another_layout_with_force);
    run("fails with replaced in handles of a destroyed segment",
        tells_those_who_use_what_is_destroyed);
    run("has no effect if it fails to destroy a segment", leaves_nothing_of_a_failed_destroy);
    run("rolls back its own transaction when it destroys", rolls_back_what_it_destroys);
    run("reports to an editor that its commit went to a destroyed segment",
        tells_an_editor_that_its_commit_is_lost);
    run("treats a retired file as missing", treats_a_retired_file_as_none);
    run("replaces a damaged file only with force", overwrites_a_damaged_file_only_by_force);
    run("creates one segment, even if many managers create at the same time",
        creates_once_however_many_try);
    run("works with standard input closed", works_with_standard_input_closed);
    run("loads a layout from a file", loads_a_layout_from_a_file);
    return tear_down();
}
