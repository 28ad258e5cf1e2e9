/* The names of a segment's files: tags, directories, slashes. */
#include "../../src/core/name.h"
#include "fixture.h"

static ipm_names names;

static int make(const char *tag, const char *mmap_dir, const char *lock_dir) {
    ipm_options options = {.tag = tag, .mmap_dir = mmap_dir, .lock_dir = lock_dir};
    return ipm_names_make("Demo", &options, &names, &error);
}

static void names_from(const char *tag, const char *mmap_dir, const char *path) {
    if (CHECK_INT(make(tag, mmap_dir, NULL), IPM_OK))
        CHECK_STR(names.path, path);
    ipm_names_free(&names);
}

static void joins_struct_and_tag(void) {
    names_from(NULL, "/x", "/x/Demo_.mmap");
    names_from("", "/x", "/x/Demo_.mmap");
    names_from("left", "/x", "/x/Demo_left.mmap");
    names_from("1.5-b_C", "/x", "/x/Demo_1.5-b_C.mmap");
}

static void takes_any_number_of_slashes(void) {
    names_from("t", "/x/", "/x/Demo_t.mmap");
    names_from("t", "/x////", "/x/Demo_t.mmap");
    names_from("t", "/", "/Demo_t.mmap");
    names_from("t", "///", "/Demo_t.mmap");
}

static void puts_locks_beside_the_data_unless_told(void) {
    if (CHECK_INT(make("t", "/x", NULL), IPM_OK))
        CHECK_STR(names.lock_path, "/x/Demo_t.lock");
    ipm_names_free(&names);
    if (CHECK_INT(make("t", "/x", "/y//"), IPM_OK))
        CHECK_STR(names.lock_path, "/y/Demo_t.lock");
    ipm_names_free(&names);
}

static int from_path(const char *path, const char *lock_dir) {
    ipm_options options = {.path = path, .lock_dir = lock_dir};
    return ipm_names_make("Demo", &options, &names, &error);
}

static void takes_a_path_apart(void) {
    static const struct {
        const char *path, *tag;
    } paths[] = {{"/x/Demo_.mmap", ""},
                 {"/x//Demo_t.mmap", "t"},
                 {"/x/Demo_a_b.mmap.mmap", "a_b.mmap"},
                 {"/Demo_t.mmap", "t"}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (CHECK_INT(from_path(paths[i].path, NULL), IPM_OK))
            CHECK_STR(names.tag, paths[i].tag);
        ipm_names_free(&names);
    }
    if (CHECK_INT(from_path("/x/Demo_t.mmap", NULL), IPM_OK))
        CHECK_STR(names.lock_path, "/x/Demo_t.lock");
    ipm_names_free(&names);
    if (CHECK_INT(from_path("/x/Demo_t.mmap", "/y"), IPM_OK)) {
        CHECK_STR(names.path, "/x/Demo_t.mmap");
        CHECK_STR(names.lock_path, "/y/Demo_t.lock");
    }
    ipm_names_free(&names);
}

static void refuses_a_path_of_another_name(void) {
    static const char *const paths[] = {"",
                                        "/x/",
                                        "/x/Demo.mmap",
                                        "/x/Demo_t",
                                        "/x/Demo_.mma",
                                        "/x/demo_.mmap",
                                        "/x/Demos_.mmap",
                                        "/x/Demo_.mmap/",
                                        "/x/Other_.mmap",
                                        "Demo_mmap"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        CHECK_ERROR(from_path(paths[i], NULL), IPM_EINVALID, "if it were called Demo_<tag>.mmap");
    CHECK_ERROR(from_path("/x/Demo_a b.mmap", NULL), IPM_EINVALID, "Demo: the tag 'a b'");
}

static void opens_by_path(void) {
    ipm_segment *manager = opened(IPM_MANAGER, "t"), *reader;
    ipm_options options = {.own_size = sizeof options, .path = data_path("t")};
    if (CHECK_INT(ipm_segment_open(IPM_READER, demo, &options, &reader, &error), IPM_OK)) {
        CHECK_INT(ipm_segment_lock(reader, 0, &error), IPM_OK);
        ipm_segment_close(reader, NULL);
    }
    options.tag = "t";
    CHECK_ERROR(ipm_segment_open(IPM_READER, demo, &options, &reader, &error), IPM_EINVALID,
                "path stands for tag and mmap_dir");
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
}

static void opens_by_a_path_that_is_relative(void) {
    ipm_segment *manager;
    ipm_options options = {.path = "Demo_here.mmap", .create = true};
    int here = open(".", O_RDONLY | O_DIRECTORY);
    CHECK_INT(chdir(dir), 0);
    if (CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &manager, &error), IPM_OK)) {
        CHECK(exists(data_path("here")) && exists(lock_path("here")));
        CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
        ipm_segment_close(manager, NULL);
    }
    CHECK_INT(fchdir(here), 0);
    close(here);
}

static void makes_paths_absolute(void) {
    static const char *const relative[] = {"x", "./x", ".//x/", "././x"};
    char here[512], expected[600];
    if (!CHECK(getcwd(here, sizeof here) != NULL))
        return;
    snprintf(expected, sizeof expected, "%s/x/Demo_t.mmap", here);
    for (size_t i = 0; i < sizeof relative / sizeof *relative; i++)
        names_from("t", relative[i], expected);
    snprintf(expected, sizeof expected, "%s/Demo_t.mmap", here);
    names_from("t", ".", expected);
    names_from("t", "./", expected);
    snprintf(expected, sizeof expected, "%s/.mmap/Demo_t.mmap", here);
    names_from("t", NULL, expected);
}

static void refuses_tag(const char *tag) {
    CHECK_ERROR(make(tag, "/x", NULL), IPM_EINVALID, "Demo: the tag '");
    CHECK(names.path == NULL);
}

static void refuses_tags_that_are_paths(void) {
    refuses_tag("a/b");
    refuses_tag("/");
    refuses_tag("..");
    refuses_tag("a..b");
    refuses_tag("a b");
    refuses_tag("a\n");
    refuses_tag("\xc3\xa9");
    refuses_tag("*");
}

static void limits_the_tag(void) {
    char tag[IPM_MAX_TAG + 2];
    memset(tag, 'a', sizeof tag);
    tag[IPM_MAX_TAG] = '\0';
    CHECK_INT(make(tag, "/x", NULL), IPM_OK);
    ipm_names_free(&names);
    tag[IPM_MAX_TAG] = 'a';
    tag[IPM_MAX_TAG + 1] = '\0';
    CHECK_ERROR(make(tag, "/x", NULL), IPM_EINVALID, "is longer than 128 bytes");
}

static void survives_a_change_of_directory(void) {
    ipm_options options = {.mmap_dir = "relative", .create = true};
    ipm_segment *segment;
    int here = open(".", O_RDONLY | O_DIRECTORY);
    CHECK_INT(chdir(dir), 0);
    if (CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &segment, &error), IPM_OK)) {
        CHECK_INT(fchdir(here), 0);
        CHECK(exists(in_dir("relative/Demo_.mmap")));
        CHECK_INT(ipm_segment_destroy(segment, &error), IPM_OK);
        CHECK(!exists(in_dir("relative/Demo_.mmap")));
        ipm_segment_close(segment, NULL);
    }
    CHECK_INT(fchdir(here), 0);
    close(here);
}

static void names_a_current_directory_that_was_removed(void) {
    char here[4096];
    if (!CHECK(getcwd(here, sizeof here) != NULL))
        return;
    CHECK_INT(mkdir(in_dir("gone"), 0700), 0);
    CHECK_INT(chdir(in_dir("gone")), 0);
    CHECK_INT(rmdir(in_dir("gone")), 0);
    CHECK_ERROR(make(NULL, NULL, NULL), IPM_ENOTFOUND,
                "the files of Demo are looked for from the current directory, which has no path");
    CHECK_INT(error.system, ENOENT);
    names_from(NULL, "/x", "/x/Demo_.mmap");
    CHECK_INT(chdir(here), 0);
}

static void refuses_a_path_too_long_for_the_system(void) {
    static char path[5000];
    ipm_options options = {.mmap_dir = path};
    ipm_segment *segment;
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    CHECK_ERROR(ipm_segment_open(IPM_READER, demo, &options, &segment, &error), IPM_ESYSTEM,
                strerror(ENAMETOOLONG));
    CHECK_INT(error.system, ENAMETOOLONG);
    CHECK(segment == NULL);
}

int main(void) {
    set_up();
    run("joins the struct's name and the tag", joins_struct_and_tag);
    run("accepts any number of trailing slashes", takes_any_number_of_slashes);
    run("puts the lock file beside the data file by default",
        puts_locks_beside_the_data_unless_told);
    run("makes relative directories absolute", makes_paths_absolute);
    run("refuses tags that could be paths", refuses_tags_that_are_paths);
    run("refuses a tag that is too long", limits_the_tag);
    run("keeps its names after a change of the working directory", survives_a_change_of_directory);
    run("reports that the working directory was removed",
        names_a_current_directory_that_was_removed);
    run("reports that a path is too long", refuses_a_path_too_long_for_the_system);
    run("splits a path into directory, struct and tag", takes_a_path_apart);
    run("refuses a path that is not the name of a data file", refuses_a_path_of_another_name);
    run("opens a segment by the path of its data file", opens_by_path);
    run("opens a segment by a relative path", opens_by_a_path_that_is_relative);
    return tear_down();
}
