/* Who committed last and when, by ipm_segment_info; who has the segment open, by
 * ipm_segment_attached. */
#include "../../src/core/segment.h"
#include "other_libc.h"
#include "peer.h"

#include <math.h>
#include <time.h>

static ipm_segment *manager;
static ipm_attached listed[IPM_MAX_ATTACHED + 1];
static size_t count;
static double began; /* Unix seconds, rounded down to a tick of the clock */

static ipm_info look(void) {
    ipm_info info = {.own_size = sizeof info};
    CHECK_INT(ipm_segment_info(manager, &info, &error), IPM_OK);
    return info;
}

static void begin(void) {
    began = ipm_time() - 0.01;
    manager = opened(IPM_MANAGER, "");
}

static void end(void) {
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
}

static ipm_state *state(void) {
    return manager->data.memory.state;
}

static ipm_signature *signature(void) {
    return &state()->signatures[state()->version & 1];
}

/* ---- The last commit --------------------------------------------------------------------- */

static void is_unknown(void) {
    ipm_info info = look();
    CHECK(info.last_commit == 0);
    CHECK_INT(info.last_writer, 0);
    CHECK_INT(info.last_writer_life, IPM_LIFE_UNKNOWN);
    CHECK_INT(info.last_writer_start, 0);
}

static ipm_info is_by(int pid, ipm_life life) {
    ipm_info info = look();
    CHECK(info.last_commit >= began && info.last_commit <= ipm_time());
    CHECK_INT(info.last_writer, pid);
    CHECK_INT(info.last_writer_life, life);
    CHECK(info.last_writer_start != 0);
    return info;
}

static void commits_once(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    if (commit(own, 5) != IPM_OK)
        _exit(1);
    tell(test, 'c');
    hear(test);
    ipm_segment_close(own, NULL);
}

static peer committed(void) {
    peer p = start(commits_once);
    CHECK_INT(hear(&p), 'c');
    return p;
}

static void knows_no_commit_at_first(void) {
    begin();
    is_unknown();
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_OK);
    CHECK_INT(ipm_segment_unlock(manager, &error), IPM_OK);
    is_unknown(); /* a lock without a change is no commit */
    end();
}

static void tells_who_committed_and_when(void) {
    begin();
    CHECK_INT(commit(manager, 1), IPM_OK);
    ipm_info own = is_by(getpid(), IPM_ALIVE);
    peer p = committed();
    ipm_info other = is_by(p.pid, IPM_ALIVE);
    CHECK(other.last_commit >= own.last_commit);
    CHECK_INT(commit(manager, 2), IPM_OK);
    CHECK_INT(is_by(getpid(), IPM_ALIVE).version, 3);
    finish(&p);
    end();
}

static void tells_that_a_writer_is_gone(void) {
    begin();
    peer p = committed();
    kill_peer(&p);
    is_by(p.pid, IPM_GONE);
    end();
}

/* A process that has died, and that its parent has not reaped, can write as little. */
static void tells_that_a_zombie_is_gone(void) {
    begin();
    peer p = committed();
    siginfo_t ended;
    kill(p.pid, SIGKILL);
    CHECK_INT(waitid(P_PID, (id_t)p.pid, &ended, WEXITED | WNOWAIT), 0);
    is_by(p.pid, IPM_GONE);
    finish(&p);
    end();
}

static void recognises_a_pid_that_is_used_again(void) {
    begin();
    CHECK_INT(commit(manager, 1), IPM_OK);
    signature()->start++; /* as if another process had had this pid */
    is_by(getpid(), IPM_GONE);
    end();
}

static void recognises_another_boot_and_another_namespace(void) {
    begin();
    CHECK_INT(commit(manager, 1), IPM_OK);
    signature()->space++;
    is_by(getpid(), IPM_LIFE_UNKNOWN);
    state()->boots[1]++;
    is_by(getpid(), IPM_GONE);
    end();
}

static void dies_while_it_signs(peer *test) {
    ipm_segment *own = opened(IPM_EDITOR, "");
    ipm_segment_lock(own, IPM_FOREVER, NULL);
    set_both(own, 9);
    const ipm_last half = {.version = 2, .time = 7, .writer = {.pid = 1}};
    ipm_transaction_sign(own->data.memory.state, &half);
    atomic_store(&own->data.memory.state->version, 2);
    tell(test, 'h');
    hear(test);
}

static void keeps_the_last_commit_when_a_writer_dies_in_the_next_one(void) {
    begin();
    CHECK_INT(commit(manager, 1), IPM_OK);
    double time = look().last_commit;
    peer p = start(dies_while_it_signs);
    CHECK_INT(hear(&p), 'h');
    CHECK(is_by(getpid(), IPM_ALIVE).last_commit == time);
    kill_peer(&p);
    CHECK(is_by(getpid(), IPM_ALIVE).last_commit == time);
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_OK); /* recovers */
    CHECK_INT(ipm_segment_unlock(manager, &error), IPM_OK);
    CHECK(is_by(getpid(), IPM_ALIVE).last_commit == time);
    CHECK_INT(look().version, 1);
    end();
}

static void does_not_count_a_rollback(void) {
    begin();
    peer p = committed();
    double time = look().last_commit;
    CHECK_INT(ipm_segment_lock(manager, 0, &error), IPM_OK);
    set_both(manager, 9);
    CHECK_INT(ipm_segment_rollback(manager, &error), IPM_OK);
    CHECK(is_by(p.pid, IPM_ALIVE).last_commit == time);
    finish(&p);
    end();
}

static void commits_in_a_child(peer *test) {
    (void)test;
    ipm_segment *own = opened(IPM_EDITOR, "");
    _exit(commit(own, 5) == IPM_OK ? 0 : 1);
}

static void names_a_fork_s_child_and_not_its_parent(void) {
    begin();
    CHECK_INT(commit(manager, 1), IPM_OK);
    peer p = start(commits_in_a_child);
    CHECK_INT(finish(&p), 0);
    is_by(p.pid, IPM_GONE);
    end();
}

static void takes_it_along_in_a_migration(void) {
    static const char text[] =
        IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { b: int64; a: int64 }";
    begin();
    peer p = committed();
    double time = look().last_commit;
    ipm_segment_close(manager, NULL);
    ipm_layout *other = layout_of(text);
    const ipm_options options = {
        .own_size = sizeof options, .mmap_dir = dir, .create = true, .migrate = IPM_MIGRATE_LOSSY};
    CHECK_INT(ipm_segment_open(IPM_MANAGER, other, &options, &manager, &error), IPM_OK);
    CHECK(is_by(p.pid, IPM_ALIVE).last_commit == time);
    finish(&p);
    end();
    ipm_layout_free(other);
}

static void counts_force_as_a_commit(void) {
    begin();
    peer p = committed();
    const ipm_options options = {
        .own_size = sizeof options, .mmap_dir = dir, .create = true, .force = true};
    ipm_segment *again;
    CHECK_INT(ipm_segment_open(IPM_MANAGER, demo, &options, &again, &error), IPM_OK);
    is_by(getpid(), IPM_ALIVE);
    ipm_segment_close(again, NULL);
    finish(&p);
    end();
}

/* ---- Who has it open --------------------------------------------------------------------- */

static void list(void) {
    count = SIZE_MAX;
    CHECK_INT(ipm_segment_attached(manager, listed, IPM_MAX_ATTACHED, &count, &error), IPM_OK);
}

static int times_listed(int pid, ipm_role role) {
    int times = 0;
    for (size_t i = 0; i < count; i++) {
        times += listed[i].pid == pid && listed[i].role == role;
        CHECK(listed[i].since >= (int64_t)began && listed[i].since <= time(NULL));
        CHECK(listed[i].start != 0);
    }
    return times;
}

static void opens(peer *test, ipm_role role) {
    ipm_segment *own = opened(role, "");
    tell(test, 'o');
    bool goes_on = hear(test) == 'g';
    ipm_segment_close(own, NULL);
    if (goes_on) {
        tell(test, 'c');
        hear(test);
    }
}

static void opens_to_write(peer *test) {
    opens(test, IPM_EDITOR);
}

static void opens_to_read(peer *test) {
    opens(test, IPM_READER);
}

static peer open_in(void (*body)(peer *)) {
    peer p = start(body);
    CHECK_INT(hear(&p), 'o');
    return p;
}

static void lists_each_handle_with_its_role(void) {
    begin();
    peer editor = open_in(opens_to_write), reader = open_in(opens_to_read);
    ipm_segment *second = opened(IPM_READER, "");
    list();
    CHECK_INT(count, 4);
    CHECK_INT(times_listed(getpid(), IPM_MANAGER), 1);
    CHECK_INT(times_listed(getpid(), IPM_READER), 1);
    CHECK_INT(times_listed(editor.pid, IPM_EDITOR), 1);
    CHECK_INT(times_listed(reader.pid, IPM_READER), 1);
    ipm_segment_close(second, NULL);
    tell(&editor, 'g');
    CHECK_INT(hear(&editor), 'c');
    list();
    CHECK_INT(count, 2);
    CHECK_INT(times_listed(reader.pid, IPM_READER), 1);
    finish(&editor);
    finish(&reader);
    end();
}

static void does_not_list_the_dead_and_uses_their_entries_again(void) {
    begin();
    ipm_attachments *attached = &manager->lockfile.head->attached;
    peer editor = open_in(opens_to_write);
    kill_peer(&editor);
    list();
    CHECK_INT(count, 1);
    for (int i = 0; i < IPM_MAX_ATTACHED; i++) /* the table is full, but for the dead one */
        if (attached->attachment[i].key == 0) {
            attached->attachment[i].key = attached->attachment[0].key;
            attached->attachment[i].who = attached->attachment[0].who;
        }
    peer reader = open_in(opens_to_read);
    list();
    CHECK_INT(count, IPM_MAX_ATTACHED);
    CHECK_INT(times_listed(reader.pid, IPM_READER), 1);
    finish(&reader);
    list();
    CHECK_INT(count, IPM_MAX_ATTACHED - 1);
    end();
}

static void opens_more_than_it_lists(void) {
    enum { MORE = IPM_MAX_ATTACHED + 3 };
    static ipm_segment *many[MORE];
    begin();
    for (int i = 0; i < MORE; i++)
        many[i] = opened(IPM_READER, "");
    CHECK_INT(ipm_segment_attached(manager, listed, IPM_MAX_ATTACHED + 1, &count, &error), IPM_OK);
    CHECK_INT(count, IPM_MAX_ATTACHED);
    memset(listed, 0x55, sizeof listed);
    CHECK_INT(ipm_segment_attached(manager, listed, 2, &count, &error), IPM_OK);
    CHECK_INT(count, 2);
    CHECK_INT(listed[2].pid, 0x55555555);
    for (int i = 0; i < MORE; i++)
        ipm_segment_close(many[i], NULL);
    list();
    CHECK_INT(count, 1);
    end();
}

/* A process that may write to the lock file may write anything there. */
static void takes_damaged_entries_for_free_or_dead(void) {
    begin();
    ipm_attachments *attached = &manager->lockfile.head->attached;
    for (unsigned byte = 0; byte <= 0xFF; byte++) {
        memset(&attached->attachment[1], (int)byte, sizeof attached->attachment[1]);
        list();
        CHECK_INT(count, 1);
    }
    attached->attachment[1].key = attached->attachment[0].key | 3; /* no such role + 1 but 3 */
    attached->attachment[1].who = UINT64_MAX << 32;                /* pid 0 */
    list();
    CHECK_INT(count, 1);
    attached->attachment[0].key = UINT64_MAX; /* the manager's own entry is gone: closing is safe */
    end();
}

/* It is not listed, and sees no list; the last commit is in the data file. */
static void knows_the_last_commit_without_the_lock_file(void) {
    ipm_info info = {.own_size = sizeof info};
    begin();
    CHECK_INT(commit(manager, 1), IPM_OK);
    ipm_segment *reader = lock_free_reader(manager);
    CHECK_INT(ipm_segment_attached(reader, listed, IPM_MAX_ATTACHED, &count, &error), IPM_OK);
    CHECK_INT(count, 0);
    CHECK_INT(ipm_segment_info(reader, &info, &error), IPM_OK);
    CHECK_INT(info.last_writer, getpid());
    CHECK_INT(info.last_writer_life, IPM_ALIVE);
    list();
    CHECK_INT(count, 1);
    ipm_segment_close(reader, NULL);
    end();
}

static void asks_in_a_fork(peer *test) {
    (void)test;
    size_t none = 7;
    bool refused = ipm_segment_attached(manager, listed, 9, &none, &error) == IPM_EFORKED;
    ipm_segment_close(manager, NULL); /* the parent's entry stays */
    _exit(refused && none == 7 ? 0 : 1);
}

static void does_not_list_a_fork_s_child(void) {
    begin();
    CHECK_INT(run_peer(asks_in_a_fork), 0);
    list();
    CHECK_INT(count, 1);
    CHECK_INT(times_listed(getpid(), IPM_MANAGER), 1);
    end();
}

static void lists_a_handle_where_it_has_followed_to(void) {
    static const char text[] =
        IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int64; text: char[600]; b: int64; "
                        "more: int64 }";
    const ipm_options follow = {
        .own_size = sizeof follow, .mmap_dir = dir, .follow = true, .match = IPM_SAME_OFFSETS};
    ipm_segment *follower;
    uint64_t version;
    begin();
    CHECK_INT(ipm_segment_open(IPM_EDITOR, demo, &follow, &follower, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
    ipm_layout *larger = layout_of(text);
    const ipm_options options = {
        .own_size = sizeof options, .mmap_dir = dir, .create = true, .force = true};
    CHECK_INT(ipm_segment_open(IPM_MANAGER, larger, &options, &manager, &error), IPM_OK);
    CHECK_INT(ipm_segment_version(follower, &version, &error), IPM_OK);
    list();
    CHECK_INT(count, 2);
    CHECK_INT(times_listed(getpid(), IPM_EDITOR), 1);
    ipm_segment_close(follower, NULL);
    list();
    CHECK_INT(count, 1);
    end();
    ipm_layout_free(larger);
}

int main(void) {
    set_up();
    run("knows no commit before the first one", knows_no_commit_at_first);
    run("tells which process committed last, and when", tells_who_committed_and_when);
    run("tells that the last writer is gone", tells_that_a_writer_is_gone);
    run("tells that a zombie is gone", tells_that_a_zombie_is_gone);
    run("recognises a pid that another process has got", recognises_a_pid_that_is_used_again);
    run("recognises another boot and another pid namespace",
        recognises_another_boot_and_another_namespace);
    run("keeps the last commit when a writer dies in the next one",
        keeps_the_last_commit_when_a_writer_dies_in_the_next_one);
    run("does not count a rollback as a commit", does_not_count_a_rollback);
    run("names a fork's child and not its parent", names_a_fork_s_child_and_not_its_parent);
    run("takes the last commit along in a migration", takes_it_along_in_a_migration);
    run("counts force as a commit", counts_force_as_a_commit);
    run("lists each open handle with its role", lists_each_handle_with_its_role);
    run("does not list handles of dead processes, and uses their entries again",
        does_not_list_the_dead_and_uses_their_entries_again);
    run("opens more handles than it lists", opens_more_than_it_lists);
    run("takes damaged entries for free or dead", takes_damaged_entries_for_free_or_dead);
    run("knows the last commit without the lock file", knows_the_last_commit_without_the_lock_file);
    run("does not list a fork's child", does_not_list_a_fork_s_child);
    run("lists a handle where it has followed to", lists_a_handle_where_it_has_followed_to);
    return tear_down();
}
