/* Several Lua states in one process, each on its own thread, with handles on one segment. */
#include "../../src/ipmmap.h"
#include "../core/tap.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
/* gcc 12's ThreadSanitizer does not see pthread_mutex_clocklock lock a mutex. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) {
    return "report_mutex_bugs=0";
}
#endif

enum { THREADS = 8, ROUNDS = 1000 };

static char dir[] = "/tmp/ipmmap-threads-XXXXXX";

/* The first chunk of each state, which opens handles of its own. `dir` is a global. */
static const char prelude[] =
    "ipmmap = require 'ipmmap'\n"
    "ipmmap.base:extend('Shared', { { 'sum', 'int64' }, { 'a', 'int64' }, { 'b', 'int64' } })\n"
    "assert(ipmmap.manager('Shared', { mmap_dir = dir, create = true })):close()\n"
    "editor = assert(ipmmap.editor('Shared', { mmap_dir = dir }))\n"
    "reader = assert(ipmmap.reader('Shared', { mmap_dir = dir }))\n";

static const char work[] =
    "for i = 1, rounds do\n"
    "  editor:add('sum', 1)\n"
    "  do\n"
    "    local data <close> = editor:lock()\n"
    "    data.a = data.a + 1\n"
    "    data.b = data.b - 1\n"
    "  end\n"
    "  pcall(editor.with, editor, function(data) data.a = 0 error('undone') end)\n"
    "  local copy = reader:snapshot()\n"
    "  assert(copy.a + copy.b == 0, 'a snapshot of two commits')\n"
    "  local seen <close> = reader:lock()\n"
    "  assert(seen.a + seen.b == 0, 'a half transaction under the read lock')\n"
    "  reader:version()\n"
    "end\n";

/* Runs a chunk. returns  whether it ran without an error */
static bool run_chunk(lua_State *L, const char *chunk) {
    if (luaL_dostring(L, chunk) == LUA_OK) {
        lua_settop(L, 0);
        return true;
    }
    printf("# %s\n", lua_tostring(L, -1));
    lua_settop(L, 0);
    return false;
}

static lua_State *new_state(void) {
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_requiref(L, "ipmmap", luaopen_ipmmap, 0);
    lua_pop(L, 1);
    lua_pushstring(L, dir);
    lua_setglobal(L, "dir");
    lua_pushinteger(L, ROUNDS);
    lua_setglobal(L, "rounds");
    if (run_chunk(L, prelude))
        return L;
    lua_close(L);
    return NULL;
}

/* The value of an expression, as an integer. */
static lua_Integer value_of(lua_State *L, const char *expression) {
    lua_Integer value = -1;
    lua_pushfstring(L, "return %s", expression);
    if (luaL_dostring(L, lua_tostring(L, -1)) == LUA_OK)
        value = lua_tointeger(L, -1);
    lua_settop(L, 0);
    return value;
}

static void destroy(void) {
    lua_State *L = new_state();
    run_chunk(L, "assert(ipmmap.manager('Shared', { mmap_dir = dir })):destroy()");
    lua_close(L);
}

/* ---- One state for each thread ----------------------------------------------------------- */

static void *work_in_own_state(void *good) {
    lua_State *L = new_state();
    *(bool *)good = L != NULL && run_chunk(L, work);
    if (L != NULL)
        lua_close(L);
    return NULL;
}

static void eight_states_share_a_segment(void) {
    pthread_t threads[THREADS];
    bool good[THREADS];
    lua_State *L = new_state();
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, work_in_own_state, &good[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(good[i]);
    }
    CHECK_INT(value_of(L, "reader:read('sum')"), THREADS * ROUNDS);
    CHECK_INT(value_of(L, "reader:read('a')"), THREADS * ROUNDS);
    CHECK_INT(value_of(L, "editor:info().recoveries"), 0);
    lua_close(L);
    destroy();
}

/* ---- States that move from thread to thread ---------------------------------------------- */

typedef struct errand {
    lua_State *L;
    const char *chunk;
    bool good;
} errand;

static void *run_errand(void *argument) {
    errand *it = argument;
    it->good = run_chunk(it->L, it->chunk);
    return NULL;
}

/* Runs a chunk of the state on a new thread. */
static bool elsewhere(lua_State *L, const char *chunk) {
    pthread_t thread;
    errand it = {.L = L, .chunk = chunk};
    if (pthread_create(&thread, NULL, run_errand, &it) != 0)
        return false;
    pthread_join(thread, NULL);
    return it.good;
}

static void a_state_moves_between_threads(void) {
    lua_State *L = new_state();
    lua_pushinteger(L, 10);
    lua_setglobal(L, "rounds");
    for (int i = 0; i < THREADS; i++)
        CHECK(elsewhere(L, work));
    CHECK(run_chunk(L, work));
    CHECK_INT(value_of(L, "reader:read('sum')"), 10 * (THREADS + 1));
    lua_close(L);
    destroy();
}

static void a_state_in_a_lock_is_told_why_not(void) {
    lua_State *L = new_state();
    CHECK(run_chunk(L, "feed = editor:feed() data = editor:lock() data.a = 1"));
    CHECK(elsewhere(
        L,
        "local why = 'another thread, which alone can release it'\n"
        "for _, method in ipairs { 'unlock', 'rollback', 'close', 'touch', 'clear' } do\n"
        "  local ok, message = pcall(editor[method], editor)\n"
        "  assert(not ok and tostring(message):find(why, 1, true), method .. ': ' ..\n"
        "         tostring(message))\n"
        "end\n"
        "local ok, message = pcall(editor.write, editor, 'a', 2)\n"
        "assert(not ok and tostring(message):find(why, 1, true), tostring(message))\n"
        "ok, message = pcall(editor.lock, editor)\n"
        "assert(not ok and tostring(message):find('this handle holds its lock already', 1, true),\n"
        "       tostring(message))\n"
        "assert(reader:read('a') == 0)\n"));
    CHECK(run_chunk(L, "data.b = -1 editor:unlock() assert(reader:read('a') == 1)"));
    CHECK(run_chunk(L, "assert(feed:next(0).b == -1)"));
    CHECK(elsewhere(L, "editor:write('a', 3)"));
    CHECK(elsewhere(L, "assert(feed:next(0).a == 3)"));
    lua_close(L);
    destroy();
}

static void a_thread_that_ends_in_a_lock_is_undone(void) {
    lua_State *L = new_state(), *other = new_state();
    CHECK(elsewhere(other, "data = editor:lock() data.a = 1"));
    CHECK(run_chunk(L, "assert(reader:read('a') == 0) editor:write('b', 5)"));
    CHECK_INT(value_of(L, "editor:info().recoveries"), 0);
    CHECK_INT(value_of(L, "reader:read('a')"), 0);
    CHECK(run_chunk(other,
                    "local function says(why, ...)\n"
                    "  local ok, message = pcall(...)\n"
                    "  assert(not ok and tostring(message):find(why, 1, true), tostring(message))\n"
                    "end\n"
                    "says('after its lock was released', function() return data.a end)\n"
                    "says('after its lock was released', function() data.a = 2 end)\n"
                    "says('the thread that held the lock has ended', editor.unlock, editor)\n"
                    "says('the thread that held the lock has ended', editor.rollback, editor)\n"
                    "data = editor:lock() data.a = 3 editor:unlock()\n"
                    "says('without a lock', editor.unlock, editor)\n"
                    "assert(reader:read('a') == 3)\n"));
    CHECK(elsewhere(other, "data = editor:lock() data.a = 4"));
    CHECK(run_chunk(other, "editor:close()"));
    lua_close(L);
    lua_close(other);
    destroy();
}

int main(void) {
    if (mkdtemp(dir) == NULL)
        return EXIT_FAILURE;
    run("eight Lua states on eight threads share a segment", eight_states_share_a_segment);
    run("a Lua state moves from thread to thread between locks", a_state_moves_between_threads);
    run("a Lua state that moves to another thread within a lock gets an error",
        a_state_in_a_lock_is_told_why_not);
    run("the changes of a thread that ends within a lock are rolled back",
        a_thread_that_ends_in_a_lock_is_undone);
    rmdir(dir);
    return done();
}
