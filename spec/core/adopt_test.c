/* Plain files that become segments. */
#include "fixture.h"
#include "peer.h"

#include <sys/resource.h>

enum { PAGE = 4096 };

static ipm_segment *segment;
static unsigned char bytes[2 * PAGE];

/* A file of that size with a=5, b=6, and the time stamp 12.5. */
static void make_plain(const char *path, size_t size) {
    const int16_t code = IPM_HEADER_CODE;
    const double stamp = 12.5;
    const int64_t a = 5, b = 6;
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, &code, sizeof code);
    memcpy(bytes + 8, &stamp, sizeof stamp);
    memcpy(bytes + A_OFFSET, &a, sizeof a);
    memcpy(bytes + B_OFFSET, &b, sizeof b);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0640);
    CHECK_INT(write(fd, bytes, size), size);
    close(fd);
    chmod(path, 0640);
}

static void put(const char *path, off_t at, char byte) {
    int fd = open(path, O_WRONLY);
    CHECK_INT(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static int adopt(const char *path, const char *tag) {
    const ipm_options options = {
        .own_size = sizeof options, .tag = tag, .mmap_dir = tag == NULL ? NULL : dir};
    memset(&error, 0, sizeof error);
    return ipm_adopt(demo, path, &options, &error);
}

static void has_the_values(const char *tag) {
    struct stat status;
    double stamp = 0;
    int64_t b = 0;
    segment = opened(IPM_MANAGER, tag);
    CHECK_INT(read_a(segment), 5);
    ipm_segment_read(segment, B_OFFSET, sizeof b, &b, NULL);
    CHECK_INT(b, 6);
    ipm_segment_read(segment, 8, sizeof stamp, &stamp, NULL);
    CHECK(stamp == 12.5);
    CHECK_INT(version_of(segment), 0);
    CHECK_INT(commit(segment, 7), IPM_OK);
    CHECK_INT(lstat(data_path(tag), &status), 0);
    CHECK_INT(status.st_mode & 07777, 0640);
}

static void destroy(void) {
    CHECK_INT(ipm_segment_destroy(segment, &error), IPM_OK);
    ipm_segment_close(segment, NULL);
}

static void takes_the_place_of_the_file(void) {
    static const size_t sizes[] = {DEMO_SIZE, PAGE, 2 * PAGE};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        make_plain(data_path("left"), sizes[i]);
        CHECK_INT(adopt(data_path("left"), NULL), IPM_OK);
        has_the_values("left");
        CHECK_INT(entries(dir), 2);
        CHECK_INT(adopt(data_path("left"), NULL), IPM_OK); /* it is one already */
        CHECK_INT(read_a(segment), 7);
        destroy();
        CHECK_INT(entries(dir), 0);
    }
}

static void goes_where_the_options_say(void) {
    make_plain(in_dir("saved.bin"), DEMO_SIZE);
    CHECK_ERROR(adopt(in_dir("saved.bin"), NULL), IPM_EINVALID, "Demo_<tag>.mmap");
    CHECK_INT(adopt(in_dir("saved.bin"), "right"), IPM_OK);
    CHECK(exists(in_dir("saved.bin")));
    has_the_values("right");
    CHECK_ERROR(adopt(in_dir("saved.bin"), "right"), IPM_ESYSTEM, "File exists");
    CHECK_ERROR(adopt(data_path("right"), "other"), IPM_ESYSTEM, "is a segment already");
    CHECK_INT(entries(dir), 3);
    destroy();
    remove(in_dir("saved.bin"));
}

static void keeps_the_owner(void) {
    struct stat status;
    if (geteuid() != 0)
        SKIP("needs root");
    make_plain(data_path(""), DEMO_SIZE);
    CHECK_INT(chown(data_path(""), 1, 2), 0);
    CHECK_INT(adopt(data_path(""), NULL), IPM_OK);
    CHECK_INT(lstat(data_path(""), &status), 0);
    CHECK_INT(status.st_uid, 1);
    CHECK_INT(status.st_gid, 2);
    segment = opened(IPM_MANAGER, "");
    destroy();
}

static void is_told_of_by_those_who_open_it(void) {
    ipm_layout *layout;
    static const size_t sizes[] = {DEMO_SIZE, PAGE, sizeof bytes};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        make_plain(data_path(""), sizes[i]);
        CHECK_ERROR((open_as(IPM_MANAGER, "", &segment)), IPM_ECORRUPT, "'ipmmap adopt'");
        CHECK_ERROR((open_as(IPM_READER, "", &segment)), IPM_ECORRUPT, "'ipmmap adopt'");
        CHECK_ERROR(ipm_layout_load(data_path(""), &layout, &error), IPM_ECORRUPT,
                    "'ipmmap adopt'");
    }
    put(data_path(""), 0, 0);
    CHECK_INT(open_as(IPM_READER, "", &segment), IPM_ECORRUPT);
    CHECK(strstr(error.text, "adopt") == NULL);
    remove(data_path(""));
}

static size_t read_file(unsigned char *into, ino_t *inode) {
    struct stat status;
    int fd = open(data_path(""), O_RDONLY);
    ssize_t size = read(fd, into, sizeof bytes);
    CHECK_INT(fstat(fd, &status), 0);
    *inode = status.st_ino;
    close(fd);
    return (size_t)size;
}

/* The file is refused, and stays as it was. */
static void is_refused(int code, const char *part) {
    static unsigned char before[sizeof bytes], after[sizeof bytes];
    ino_t was, is;
    size_t size = read_file(before, &was);
    CHECK_ERROR(adopt(data_path(""), NULL), code, part);
    CHECK_INT(read_file(after, &is), size);
    CHECK_INT(is, was);
    CHECK(memcmp(before, after, size) == 0);
    CHECK_INT(entries(dir), 1);
}

static void refuses_what_does_not_fit(void) {
    make_plain(data_path(""), DEMO_SIZE - 1);
    is_refused(IPM_ELAYOUT, "has 631 bytes, and a Demo has 632");
    make_plain(data_path(""), PAGE);
    put(data_path(""), PAGE - 1, 1);
    is_refused(IPM_ELAYOUT, "a byte that is not zero at 4095, after the 632 bytes of a Demo");
    make_plain(data_path(""), DEMO_SIZE);
    put(data_path(""), 1, 0);
    is_refused(IPM_ECORRUPT, "does not start with the header code");
    remove(data_path(""));
    CHECK_INT(adopt(data_path(""), NULL), IPM_ENOTFOUND);
    CHECK_INT(entries(dir), 0);
}

static void refuses_segments_that_cannot_be_used(void) {
    ipm_layout *other = layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int8 }");
    segment = opened(IPM_MANAGER, "");
    CHECK_INT(ipm_adopt(other, data_path(""), NULL, &error), IPM_ELAYOUT);
    CHECK(strstr(error.text, "int64 at 16 in the file") != NULL);
    put(data_path(""), 5 * PAGE - 64, 'x');
    CHECK_ERROR(adopt(data_path(""), NULL), IPM_ECORRUPT, "its footer is wrong");
    destroy();
    ipm_layout_free(other);
}

static void adopts_without_room(peer *test) {
    (void)test;
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = PAGE, .rlim_max = PAGE});
    is_refused(IPM_ENOSPACE, "");
    _exit(tap.bad);
}

static void leaves_it_alone_without_room(void) {
    make_plain(data_path(""), DEMO_SIZE);
    CHECK_INT(run_peer(adopts_without_room), 0);
    remove(data_path(""));
}

static void adopts_and_counts(peer *test) {
    hear(test);
    CHECK_INT(adopt(data_path(""), NULL), IPM_OK);
    ipm_segment *own = opened(IPM_EDITOR, "");
    CHECK_INT(ipm_segment_lock(own, 10 * SECOND, &error), IPM_OK);
    set_at(own, A_OFFSET, read_a(own) + 1);
    CHECK_INT(ipm_segment_unlock(own, &error), IPM_OK);
    _exit(tap.bad);
}

static void adopts_once_however_many_try(void) {
    enum { PEERS = 8 };
    peer peers[PEERS];
    make_plain(data_path(""), DEMO_SIZE);
    for (int i = 0; i < PEERS; i++)
        peers[i] = start(adopts_and_counts);
    for (int i = 0; i < PEERS; i++)
        tell(&peers[i], 'g');
    for (int i = 0; i < PEERS; i++)
        CHECK_INT(finish(&peers[i]), 0);
    segment = opened(IPM_MANAGER, "");
    CHECK_INT(read_a(segment), 5 + PEERS);
    destroy();
}

/* Then the first descriptor that is opened is 0. None may stay open. */
static void adopts_with_descriptor_zero(peer *test) {
    (void)test;
    make_plain(data_path("zero"), DEMO_SIZE);
    close(0);
    if (adopt(data_path("zero"), NULL) != IPM_OK)
        _exit(1);
    _exit(next_descriptor() == 0 ? 0 : 2);
}

static void leaves_no_descriptor_open(void) {
    CHECK_INT(run_peer(adopts_with_descriptor_zero), 0);
    has_the_values("zero");
    destroy();
}

int main(void) {
    set_up();
    run("takes the place of the file, with all values", takes_the_place_of_the_file);
    run("goes where the options say, and leaves the file there", goes_where_the_options_say);
    run("keeps the owner and the group", keeps_the_owner);
    run("is told of by those who open the plain file", is_told_of_by_those_who_open_it);
    run("refuses what does not fit, and leaves the file alone", refuses_what_does_not_fit);
    run("refuses segments that cannot be used", refuses_segments_that_cannot_be_used);
    run("leaves the file alone where there is no room", leaves_it_alone_without_room);
    run("leaves no descriptor open, also if the first one is 0", leaves_no_descriptor_open);
    run("adopts once, however many try at once", adopts_once_however_many_try);
    return tear_down();
}
