/*
 * Each system call of the core fails in turn, each time that it is made, with each error that it
 * can have. The linker's --wrap (see spec/hostile/hostile.mk) redirects the calls to fault.h. After
 * each failure there must be a correct error, no leaked descriptor, mapping or memory, the same
 * files, and a segment that works.
 */
#include "../../src/core/datafile.h"
#include "../../src/core/schema.h"
#include "../../src/core/segment.h"
#include "fault.h"
#include "fixture.h"
#include "other_libc.h"
#include "peer.h"

static char area[128], listing[4096];
static ipm_segment *holder, *made;
static ipm_layout *other, *grown, *fewer;
static ipm_error *detail = &error; /* where the steps report errors; NULL: nowhere */

/* ---- The state before a step, which must be the same afterwards ---------------------------- */

static int list_one(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)type;
    (void)where;
    size_t used = strlen(listing);
    snprintf(listing + used, sizeof listing - used, "%s %lu %lld\n", path + strlen(dir),
             S_ISDIR(status->st_mode) ? 0 : (unsigned long)status->st_ino,
             S_ISDIR(status->st_mode) ? 0LL : (long long)status->st_size);
    return 0;
}

static const char *list(void) {
    listing[0] = '\0';
    nftw(area, list_one, 16, FTW_PHYS);
    return listing;
}

static ipm_options here(void) {
    return (ipm_options){.mmap_dir = area};
}

static void must(int code) {
    if (code != IPM_OK) {
        printf("Bail out! %s\n", error.text);
        exit(EXIT_FAILURE);
    }
}

static void empty_area(void) {
    nftw(area, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (mkdir(area, 0700) != 0)
        exit(EXIT_FAILURE);
}

static void segment_alone(void) {
    empty_area();
    ipm_options options = here();
    options.create = true;
    must(ipm_segment_open(IPM_MANAGER, demo, &options, &holder, &error));
    must(commit(holder, 5));
    ipm_segment_close(holder, NULL);
    holder = NULL;
}

/* Forget everything that a process finds out only once. */
static void segment_alone_as_after_a_fork(void) {
    segment_alone();
    ipm_fork_generation++;
}

static void segment_in_use(void) {
    ipm_options options = here();
    segment_alone();
    must(ipm_segment_open(IPM_MANAGER, demo, &options, &holder, &error));
}

/* The lock file seemed to be in use by another libc when the reader opened the segment. */
static void segment_read_lock_free(void) {
    ipm_options options = here();
    segment_in_use();
    ipm_segment *user = holder;
    seem_of_another_libc(user);
    must(ipm_segment_open(IPM_READER, demo, &options, &holder, &error));
    seem_of_another_libc(user);
    ipm_segment_close(user, NULL);
}

/* The holder's segment was replaced, and the holder can follow. */
static void segment_that_was_replaced(void) {
    ipm_options options = here();
    ipm_segment *manager;
    segment_alone();
    options.match = IPM_SAME_OFFSETS;
    options.follow = true;
    must(ipm_segment_open(IPM_EDITOR, demo, &options, &holder, &error));
    options = here();
    options.create = options.force = true;
    must(ipm_segment_open(IPM_MANAGER, other, &options, &manager, &error));
    ipm_segment_close(manager, NULL);
    must(ipm_segment_open(IPM_MANAGER, demo, &options, &manager, &error));
    must(commit(manager, 5));
    ipm_segment_close(manager, NULL);
}

static void segment_that_was_replaced_while_listened_to(void) {
    int fd;
    ipm_options options = here();
    ipm_segment *manager;
    segment_alone();
    options.follow = true;
    must(ipm_segment_open(IPM_EDITOR, demo, &options, &holder, &error));
    must(ipm_segment_fd(holder, &fd, &error));
    options = here();
    options.create = true;
    must(ipm_segment_open(IPM_MANAGER, demo, &options, &manager, &error));
    must(ipm_segment_destroy(manager, &error));
    ipm_segment_close(manager, NULL);
    must(ipm_segment_open(IPM_MANAGER, demo, &options, &manager, &error));
    must(commit(manager, 5));
    ipm_segment_close(manager, NULL);
}

static void segment_without_lock_file(void) {
    char path[256];
    segment_alone();
    snprintf(path, sizeof path, "%s/Demo_.lock", area);
    remove(path);
}

static void segment_of_another_owner(void) {
    char path[256];
    segment_in_use();
    snprintf(path, sizeof path, "%s/Demo_.mmap", area);
    if (chown(path, 1, 1) != 0)
        CHECK(geteuid() != 0);
}

/* As a manager leaves it that dies between retiring it and naming the new file. */
static void segment_left_behind(void) {
    const uint32_t migrating = IPM_MIGRATING;
    char path[256];
    segment_alone();
    snprintf(path, sizeof path, "%s/Demo_.mmap", area);
    int fd = open(path, O_WRONLY);
    CHECK_INT(pwrite(fd, &migrating, sizeof migrating, 4096 + 160), sizeof migrating);
    close(fd);
}

static void plain_file(void) {
    static const ipm_header header = {.header_code = IPM_HEADER_CODE};
    const int64_t a = 5;
    char path[256];
    empty_area();
    snprintf(path, sizeof path, "%s/Demo_.mmap", area);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK_INT(pwrite(fd, &header, sizeof header, 0), sizeof header);
    CHECK_INT(pwrite(fd, &a, sizeof a, A_OFFSET), sizeof a);
    CHECK_INT(ftruncate(fd, DEMO_SIZE), 0);
    close(fd);
}

static void segment_that_is_locked(void) {
    segment_in_use();
    must(ipm_segment_lock(holder, 0, &error));
    set_both(holder, 6);
}

/* ---- The steps --------------------------------------------------------------------------- */

static int create(void) {
    char data[256], lock[256];
    snprintf(data, sizeof data, "%s/x/y", area);
    snprintf(lock, sizeof lock, "%s/z", area);
    ipm_options options = {.mmap_dir = data, .lock_dir = lock, .create = true, .mode = 0640};
    return ipm_segment_open(IPM_MANAGER, demo, &options, &made, detail);
}

static int open_editor(void) {
    ipm_options options = here();
    return ipm_segment_open(IPM_EDITOR, demo, &options, &made, detail);
}

static int open_with_fewer_fields(void) {
    ipm_options options = here();
    options.match = IPM_BY_PATH;
    return ipm_segment_open(IPM_EDITOR, fewer, &options, &made, detail);
}

static int open_reader(void) {
    ipm_options options = here();
    return ipm_segment_open(IPM_READER, demo, &options, &made, detail);
}

static int wait_for_the_segment(void) {
    ipm_options options = here();
    options.wait_ns = 1; /* one try, whatever the time it takes */
    int code = ipm_segment_open(IPM_EDITOR, demo, &options, &made, detail);
    return code == IPM_ETIMEOUT ? IPM_OK : code;
}

/* On this file system the library tests how long file locks last, and whether there is room. */
static int open_on_fuse(void) {
    fault_file_system = 0x65735546;
    int code = open_editor();
    fault_file_system = 0;
    return code;
}

static int open_resident(void) {
    ipm_options options = here();
    options.own_size = sizeof options;
    options.create = true;
    options.mlock = true;
    options.feed = 4096;
    return ipm_segment_open(IPM_MANAGER, demo, &options, &made, detail);
}

static int follow(void) {
    ipm_feed *feed;
    int code = ipm_feed_open(holder, IPM_LATEST, &feed, detail);
    if (code == IPM_OK)
        code = ipm_feed_next(feed, 0, NULL, NULL, detail) == IPM_ETIMEOUT ? IPM_OK : IPM_ESYSTEM;
    ipm_feed_close(feed);
    return code;
}

static int force_same(void) {
    ipm_options options = here();
    options.create = options.force = true;
    return ipm_segment_open(IPM_MANAGER, demo, &options, &made, detail);
}

static int force_other(void) {
    ipm_options options = here();
    options.create = options.force = true;
    return ipm_segment_open(IPM_MANAGER, other, &options, &made, detail);
}

static int migrate(void) {
    ipm_options options = here();
    options.own_size = sizeof options;
    options.create = true;
    options.migrate = IPM_MIGRATE_YES;
    return ipm_segment_open(IPM_MANAGER, grown, &options, &made, detail);
}

static int adopt(void) {
    char path[256];
    snprintf(path, sizeof path, "%s/Demo_.mmap", area);
    return ipm_adopt(demo, path, NULL, detail);
}

static int open_manager(void) {
    ipm_options options = here();
    options.create = true;
    return ipm_segment_open(IPM_MANAGER, demo, &options, &made, detail);
}

static int lock_and_commit(void) {
    int code = ipm_segment_lock(holder, 10 * SECOND, detail);
    if (code != IPM_OK)
        return code;
    set_both(holder, 5);
    return ipm_segment_unlock(holder, detail);
}

static int unlock_what_is_locked(void) {
    return ipm_segment_rollback(holder, detail);
}

static int snapshot(void) {
    unsigned char copy[DEMO_SIZE];
    uint64_t version;
    int code = ipm_segment_snapshot(holder, copy, &version, detail);
    return code != IPM_OK ? code : ipm_segment_info(holder, &(ipm_info){0}, detail);
}

static int wait_in_vain(void) {
    uint64_t now;
    int code = ipm_segment_wait(holder, 1, 2 * MS, &now, detail);
    return code == IPM_ETIMEOUT ? IPM_OK : code;
}

/* The file then has another name, which the library finds in the list of mappings. */
static int wait_where_the_directory_is_renamed(void) {
    uint64_t now;
    char elsewhere[160];
    snprintf(elsewhere, sizeof elsewhere, "%s-elsewhere", area);
    renameat(AT_FDCWD, area, AT_FDCWD, elsewhere);
    int code = ipm_segment_wait(holder, 1, 2 * MS, &now, detail);
    renameat(AT_FDCWD, elsewhere, AT_FDCWD, area);
    return code;
}

static int listen_to_it(void) {
    int fd;
    return ipm_segment_fd(holder, &fd, detail);
}

static int follow_it(void) {
    return ipm_segment_follow(holder, detail);
}

static int flush(void) {
    return ipm_segment_flush(holder, detail);
}

static int destroy(void) {
    return ipm_segment_destroy(holder, detail);
}

static int close_it(void) {
    int code = ipm_segment_close(holder, detail);
    holder = NULL;
    return code;
}

static int repair(void) {
    char path[256];
    bool repaired;
    snprintf(path, sizeof path, "%s/Demo_.mmap", area);
    return ipm_segment_repair(&(ipm_options){.path = path}, &repaired, detail);
}

static int load(void) {
    char path[256];
    ipm_layout *layout;
    snprintf(path, sizeof path, "%s/Demo_.mmap", area);
    int code = ipm_layout_load(path, &layout, detail);
    ipm_layout_free(layout);
    return code;
}

/* With every kind of type and attribute. */
static int parse(void) {
    static const char text[] =
        "enum Mode : uint8 { idle = 0 walk = 4 }"
        "struct Packed (pack 1) { mode: Mode[2] (default [walk]) text: char16[4] (default \"a\") }"
        "struct All { list: Packed[<=3] value: float? (min 0, unit \"dB\", doc \"how loud\") }";
    ipm_layout *layout = NULL;
    int code = ipm_layout_parse(text, strlen(text), &layout, detail);
    ipm_layout_free(layout);
    return code;
}

static const ipm_type *find_demo(void *context, const char *name) {
    (void)context;
    return strcmp(name, "Demo") == 0 ? ipm_layout_type(demo) : NULL;
}

static int define(void) {
    ipm_layout *layout = NULL;
    static const char type[] = "Demo[<=3] (doc \"the demos\")";
    ipm_declaration field = {.name = "demos", .type = type, .length = strlen(type)};
    ipm_definition definition = {
        .name = "Demos", .declarations = &field, .count = 1, .known = {find_demo, NULL}};
    int code = ipm_layout_define(&definition, &layout, detail);
    ipm_layout_free(layout);
    return code;
}

static const struct step {
    const char *what;
    void (*before)(void);
    int (*act)(void);
    bool may_change; /* files may have changed if the step fails after its point of no return */
} steps[] = {
    {"creating", empty_area, create, false},
    {"opening as editor", segment_alone, open_editor, false},
    {"opening as editor after a fork", segment_alone_as_after_a_fork, open_editor, false},
    {"opening as editor in use", segment_in_use, open_editor, false},
    {"opening as reader", segment_alone, open_reader, false},
    {"opening as reader in use", segment_in_use, open_reader, false},
    {"opening what has more fields", segment_in_use, open_with_fewer_fields, false},
    {"waiting for the segment", empty_area, wait_for_the_segment, false},
    {"opening as editor on FUSE", segment_alone, open_on_fuse, false},
    {"opening as editor in use on FUSE", segment_in_use, open_on_fuse, false},
    {"opening without a lock file", segment_without_lock_file, open_editor, false},
    {"creating with mlock, and with a ring", empty_area, open_resident, false},
    {"following", segment_in_use, follow, false},
    {"resetting by force", segment_in_use, force_same, false},
    {"replacing by force", segment_in_use, force_other, true},
    {"migrating", segment_in_use, migrate, true},
    {"migrating another's segment", segment_of_another_owner, migrate, true},
    {"opening after a migration's death", segment_left_behind, open_manager, false},
    {"adopting", plain_file, adopt, false},
    {"locking and committing", segment_in_use, lock_and_commit, false},
    {"rolling back", segment_that_is_locked, unlock_what_is_locked, false},
    {"a snapshot", segment_in_use, snapshot, false},
    {"waiting", segment_in_use, wait_in_vain, false},
    {"waiting where the directory is renamed", segment_in_use, wait_where_the_directory_is_renamed,
     false},
    {"listening", segment_in_use, listen_to_it, false},
    {"listening without a lock file", segment_read_lock_free, listen_to_it, false},
    {"following", segment_that_was_replaced, follow_it, false},
    {"following while it is listened to", segment_that_was_replaced_while_listened_to, follow_it,
     false},
    {"flushing", segment_in_use, flush, false},
    {"destroying", segment_in_use, destroy, true},
    {"closing", segment_in_use, close_it, false},
    {"repairing", segment_in_use, repair, false},
    {"loading a layout", segment_alone, load, false},
    {"parsing a layout", empty_area, parse, false},
    {"defining a layout", empty_area, define, false},
};

/* ---- The checks -------------------------------------------------------------------------- */

/* Whether the error's code fits the errno that the call failed with. */
static bool is_right(const struct step *step, const fault_plan *plan, int code) {
    if (step->act == wait_where_the_directory_is_renamed)
        return code == (strcmp(plan->call, "futex") == 0 && plan->error == EINTR ? IPM_EINTERRUPTED
                                                                                 : IPM_ETIMEOUT);
    if (strcmp(plan->call, "stat") == 0 && code == IPM_EINCOMPATIBLE)
        return true; /* the stat of the pid namespace, and not of a directory */
    if (strcmp(plan->call, "lstat") == 0 && (code == IPM_ELAYOUT || code == IPM_EREPLACED))
        return true; /* the check of the file's identity: it counts as another file */
    if ((strcmp(plan->call, "inotify_add_watch") == 0 || strcmp(plan->call, "epoll_ctl") == 0) &&
        plan->error == ENOSPC)
        return code == IPM_ESYSTEM; /* the limit of watches, and not room on a disk */
    switch (plan->error) {
    case ENOENT:
        return code == IPM_ENOTFOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return code == IPM_EPERMISSION;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return code == IPM_ENOSPACE;
    case ELOOP:
    case ENXIO:
        return code == IPM_ECORRUPT ||
               code == IPM_ESYSTEM; /* of opening a segment, and of creating one */
    case EINTR:
        return code == (step->act == wait_in_vain ? IPM_EINTERRUPTED : IPM_ESYSTEM);
    default:
        return code == IPM_ESYSTEM;
    }
}

/* The errno that the error must have, unless its text says more. */
static bool is_right_system(const fault_plan *plan, int code) {
    if (code == IPM_EINCOMPATIBLE || code == IPM_ECORRUPT || code == IPM_EINTERRUPTED ||
        code == IPM_ETIMEOUT || code == IPM_EREPLACED || code == IPM_ELAYOUT)
        return error.system == 0;
    return error.system == plan->error;
}

static bool opens_and_locks(const ipm_layout *layout, ipm_segment **segment) {
    ipm_options options = here();
    return ipm_segment_open(IPM_EDITOR, layout, &options, segment, &error) == IPM_OK &&
           ipm_segment_lock(*segment, 20 * SECOND, &error) == IPM_OK &&
           ipm_segment_change(*segment, 16, 1) != NULL &&
           ipm_segment_rollback(*segment, &error) == IPM_OK;
}

static bool works(void) {
    ipm_segment *segment;
    bool good = opens_and_locks(demo, &segment) && read_a(segment) == 5;
    ipm_segment_close(segment, NULL);
    if (good && holder != NULL && holder->lockfile.head != NULL)
        good = !ipm_segment_is_locked(holder) && commit(holder, 5) == IPM_OK;
    return good;
}

/* A replacement stays once it has the name, even if opening it fails afterwards. */
static bool was_replaced(void) {
    ipm_segment *segment;
    bool good =
        opens_and_locks(other, &segment) && ipm_segment_lock(holder, 0, &error) == IPM_EREPLACED;
    ipm_segment_close(segment, NULL);
    return good;
}

static size_t lines(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

/* A failed migration leaves the old segment as it was or, after its point of no return, the new
 * one. A later manager finds the values of one that was left behind. */
static bool keeps_values(const struct step *step, const char *listed) {
    bool is_old = strcmp(list(), listed) == 0, is_alike = lines(list()) == lines(listed);
    if (step->act == migrate && is_old)
        return works();
    bool good = migrate() == IPM_OK && read_a(made) == 5 && is_alike &&
                (is_old || ipm_segment_migration(made) == NULL);
    ipm_segment_close(made, NULL);
    return good;
}

static bool must_have_values(const struct step *step) {
    return step->act == migrate || step->before == segment_left_behind;
}

static bool goes_on(const struct step *step, const char *listed) {
    if (must_have_values(step))
        return keeps_values(step, listed);
    if (step->act == adopt)
        return adopt() == IPM_OK && works();
    return works() || (step->act == force_other && was_replaced());
}

/* The second unlink removes the lock file. If it fails, the segment is destroyed and only that file
 * remains. */
static bool is_past_return(const struct step *step, const fault_plan *plan) {
    return step->act == destroy && strcmp(plan->call, "unlink") == 0 && plan->at == 2;
}

static unsigned points, failures;

/* Repeat the step with a null pointer for the error: the code must be the same. */
static bool says_the_same_without_detail(const struct step *step, const fault_plan *plan,
                                         int expected) {
    step->before();
    made = NULL;
    detail = NULL;
    fault_arm(plan);
    int code = step->act();
    fault_disarm();
    detail = &error;
    ipm_segment_close(made, NULL);
    ipm_segment_close(holder, NULL);
    holder = NULL;
    return CHECK_INT(code, expected);
}

/* returns  whether the planned failure happened: the call was made often enough */
static bool try_plan(const struct step *step, fault_plan *plan) {
    char listed[sizeof listing], said[sizeof error.text];
    step->before();
    made = NULL;
    memcpy(listed, list(), sizeof listed);
    fault_balance before = fault_now;
    memset(&error, 0, sizeof error);
    fault_arm(plan);
    int code = step->act();
    bool fired = fault_disarm();
    memcpy(said, error.text, sizeof said);
    bool good = true;
    if (fired) {
        points++;
        failures += code != IPM_OK;
        good = CHECK(made == NULL || code == IPM_OK);
        if (code != IPM_OK) {
            good = CHECK(is_right(step, plan, code)) && good;
            good = CHECK(is_right_system(plan, code)) && good;
            good = CHECK(said[0] != '\0') && good;
            good = CHECK_INT(fault_now.descriptors, before.descriptors) && good;
            good = CHECK_INT(fault_now.mappings, before.mappings) && good;
            good = CHECK_INT(fault_now.blocks, before.blocks) && good;
            if (!step->may_change)
                good = CHECK_STR(list(), listed) && good;
        }
    }
    if (code == IPM_OK && must_have_values(step))
        good = CHECK_INT(read_a(made), 5) && good;
    bool looks_corrupt = plan->error == ELOOP || plan->error == ENXIO;
    if (code == IPM_OK && (step->act == migrate || (step->act == force_other && !looks_corrupt)))
        /* its users must notice */
        good = CHECK_INT(ipm_segment_lock(holder, 0, NULL), IPM_EREPLACED) && good;
    ipm_segment_close(made, NULL);
    if (fired && code != IPM_OK && step->before != empty_area)
        good = is_past_return(step, plan) || (CHECK(goes_on(step, listed)) && good);
    if (!good)
        printf("#   %s, %s number %u failing with %s: %s (%s)\n", step->what, plan->call, plan->at,
               strerror(plan->error), ipm_code_name((ipm_code)code), said);
    ipm_segment_close(holder, NULL);
    holder = NULL;
    if (fired && code != IPM_OK && !says_the_same_without_detail(step, plan, code))
        printf("#   %s, %s number %u failing with %s, without detail\n", step->what, plan->call,
               plan->at, strerror(plan->error));
    return fired;
}

static const struct step *current;

static void fails_cleanly(void) {
    for (size_t c = 0; c < fault_call_count; c++)
        for (const int *e = fault_calls[c].errors; *e != 0; e++) {
            fault_plan plan = {.call = fault_calls[c].name, .error = *e, .at = 1};
            while (plan.at < 500 && try_plan(current, &plan))
                plan.at++;
        }
}

/* As on a busy machine, where a process may have to wait for a long time. */
static void looks_again_after_a_long_stall(void) {
    fault_plan plan = {.call = "lstat", .error = EIO, .at = 1, .stall_ns = 300 * MS};
    segment_alone();
    do {
        fault_arm(&plan);
        CHECK_INT(open_editor(), IPM_OK);
        ipm_segment_close(made, NULL);
        plan.at++;
    } while (fault_disarm());
    CHECK(plan.at > 2);
}

/* Otherwise a fork's child could write to the segment. */
static void refuses_what_forks_would_inherit(void) {
    static const fault_plan plan = {.call = "madvise", .error = ENOMEM, .at = 1};
    segment_alone();
    fault_arm(&plan);
    CHECK_INT(open_editor(), IPM_ESYSTEM);
    CHECK(fault_disarm());
    CHECK(strstr(error.text, "cannot keep the mapping of ") != NULL);
}

static void refuses_network_file_systems(void) {
    static const uint32_t types[] = {
        0x6969,     0x517B,     0xFF534D42, 0xFE534D42, 0x5346414F, 0x73757245,
        0x01021997, 0x00C36400, 0x0BD00BD0, 0x47504653, 0x01161970,
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        empty_area();
        fault_file_system = types[i];
        CHECK_INT(create(), IPM_ESYSTEM);
        CHECK(strstr(error.text, " is on a network file system"));
        fault_file_system = 0;
        CHECK_INT(lines(list()), 1); /* the directory alone */
        segment_alone();
        fault_file_system = types[i];
        CHECK_INT(open_editor(), IPM_ESYSTEM);
        CHECK_INT(open_reader(), IPM_ESYSTEM);
        CHECK(strstr(error.text, "/Demo_.mmap is on a network file system"));
        fault_file_system = 0;
    }
}

/* A signal interrupts every allocation after this many bytes. */
static void creates_in_spite_of_signals(void) {
    ipm_options options = here();
    options.create = true;
    ipm_layout *big =
        layout_of(IPM_BASE_SCHEMA "struct Big : BaseMmapStructure { a: uint8[300000] }");
    for (off_t bytes = 4096; bytes <= 1 << 20; bytes *= 2) {
        empty_area();
        fault_interruptions = 0;
        fault_signals_after = bytes;
        CHECK_INT(ipm_segment_open(IPM_MANAGER, big, &options, &made, &error), IPM_OK);
        fault_signals_after = 0;
        CHECK(fault_interruptions < 100);
        ipm_segment_close(made, NULL);
    }
    ipm_layout_free(big);
}

int main(void) {
    set_up();
    snprintf(area, sizeof area, "%s/area", dir);
    grown = layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure {"
                                      "  a: int64; text: char[600]; b: int64; c: int8 }");
    other = layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int8 }");
    fewer = layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { b: int64 }");
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        char name[128];
        current = &steps[s];
        snprintf(name, sizeof name, "fails cleanly: %s", current->what);
        run(name, fails_cleanly);
    }
    run("tries again to open a segment, even after a long delay", looks_again_after_a_long_stall);
    run("refuses a mapping that forks would inherit", refuses_what_forks_would_inherit);
    run("refuses network file systems", refuses_network_file_systems);
    run("creates a segment although signals interrupt the allocation", creates_in_spite_of_signals);
    printf("# %u calls failed, %u of them visibly\n", points, failures);
    ipm_layout_free(grown);
    ipm_layout_free(other);
    ipm_layout_free(fewer);
    return tear_down();
}
