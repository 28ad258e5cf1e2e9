/*
 * A host: a loop of 120 frames a second, with a Lua script for its rules. Its state and its tuning
 * are two segments. Other processes can read the state and change the tuning while it runs. The
 * host never waits for them.
 *
 * usage: game [--headless SECONDS] RULES.lua
 */
#include "game.h"

#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define FRAME_NS (SECOND / 120)

IPM_SHARED(GameState, GAME_STATE, IPM_TEXT(Ball, BALL))
IPM_SHARED(GameTuning, GAME_TUNING, "")

typedef struct game {
    ipm_layout *state_layout, *tuning_layout;
    ipm_segment *state_segment, *tuning_segment;
    lua_State *L;
    GameState state; /* as published last */
    GameTuning tuning;
    uint64_t tuning_version;
    uint64_t tunings;     /* commits to the tuning while it ran */
    uint32_t unpublished; /* frames */
    timing all, tuned;    /* frame times; of frames in which the tuning changed */
    timing late;          /* how long after its time each frame began */
} game;

static volatile sig_atomic_t interrupted;

static void interrupt(int signal) {
    (void)signal;
    interrupted = 1;
}

static void die(const char *text) {
    fprintf(stderr, "game: %s\n", text);
    exit(EXIT_FAILURE);
}

static void check(int code, const ipm_error *error) {
    if (code != IPM_OK)
        die(error->text);
}

/* ---- Opening ----------------------------------------------------------------------------- */

static ipm_segment *open_segment(const char *schema, ipm_layout **layout) {
    const ipm_options options = {.own_size = sizeof options, .create = true, .prefault = true};
    ipm_segment *segment;
    ipm_error error;
    check(ipm_layout_parse(schema, strlen(schema), layout, &error), &error);
    check(ipm_segment_open(IPM_MANAGER, *layout, &options, &segment, &error), &error);
    return segment;
}

/* What a new game starts with; that of a game that was killed is still there. */
static void set_defaults(ipm_segment *tuning) {
    const GameTuning defaults = {.gravity = 2, .wind = 0, .bounce = 0.9, .count = 40};
    uint64_t version;
    ipm_error error;
    check(ipm_segment_version(tuning, &version, &error), &error);
    if (version == 0)
        check(ipm_segment_write(tuning, 0, sizeof defaults, &defaults, &error), &error);
}

/* The script's directory goes first in package.path. */
static void set_path(lua_State *L, const char *script) {
    const char *slash = strrchr(script, '/');
    lua_getglobal(L, "package");
    lua_pushlstring(L, script, slash == NULL ? 0 : (size_t)(slash - script + 1));
    lua_pushliteral(L, "?.lua;");
    lua_getfield(L, -3, "path");
    lua_concat(L, 3);
    lua_setfield(L, -2, "path");
    lua_pop(L, 1);
}

/* Leaves the function that the script returns on the stack, for good. */
static lua_State *load_rules(const char *script) {
    lua_State *L = luaL_newstate();
    if (L == NULL)
        die("no memory for Lua");
    luaL_openlibs(L);
    luaL_requiref(L, "ipmmap", luaopen_ipmmap, 0);
    lua_pop(L, 1);
    set_path(L, script);
    if (luaL_loadfile(L, script) != LUA_OK || lua_pcall(L, 0, 1, 0) != LUA_OK)
        die(luaL_tolstring(L, -1, NULL));
    return L;
}

/* ---- Frames ------------------------------------------------------------------------------ */

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static void sleep_until(int64_t ns) {
    const struct timespec until = {.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void step(game *g) {
    lua_pushvalue(g->L, -1);
    lua_pushnumber(g->L, (double)FRAME_NS / SECOND);
    if (lua_pcall(g->L, 1, 1, 0) != LUA_OK)
        die(lua_tostring(g->L, -1));
    g->unpublished += !lua_toboolean(g->L, -1);
    lua_pop(g->L, 1);
}

/* What the screen shows and the report counts. returns whether the tuning has changed */
static bool look(game *g) {
    uint64_t version;
    ipm_error error;
    check(ipm_segment_snapshot(g->state_segment, &g->state, NULL, &error), &error);
    check(ipm_segment_snapshot(g->tuning_segment, &g->tuning, &version, &error), &error);
    uint64_t changes = version - g->tuning_version;
    g->tuning_version = version;
    g->tunings += changes;
    return changes > 0;
}

static void play(game *g, bool headless, int64_t frames) {
    int64_t due = now_ns(), took = 0;
    for (int64_t frame = 0; frame < frames && !interrupted; frame++) {
        sleep_until(due);
        int64_t start = now_ns();
        timing_add(&g->late, start - due);
        step(g);
        bool tuned = look(g);
        if (!headless) {
            screen_draw(&g->state, &g->tuning, took);
            interrupted |= screen_wants_to_quit();
        }
        int64_t end = now_ns();
        took = end - start;
        timing_add(&g->all, took);
        if (tuned)
            timing_add(&g->tuned, took);
        if (frame == 0 && headless)
            printf("running from frame %lld\n", (long long)g->state.frame);
        due += FRAME_NS;
        if (due < end) /* does not try to catch up */
            due = end;
    }
}

static void report(const game *g) {
    printf("frames are due every %.3f ms\n", (double)FRAME_NS / 1e6);
    timing_print(&g->all, "frames");
    timing_print(&g->tuned, "frames while the tuning changed");
    timing_print(&g->late, "starts after the due time");
    printf("changes of the tuning: %llu; frames that could not be published: %u\n",
           (unsigned long long)g->tunings, g->unpublished);
}

int main(int argc, char **argv) {
    static game g;
    bool headless = argc == 4 && strcmp(argv[1], "--headless") == 0;
    double seconds = headless ? strtod(argv[2], NULL) : 1e6;
    if (argc != 2 && (!headless || seconds <= 0))
        die("usage: game [--headless SECONDS] RULES.lua");
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    g.state_segment = open_segment(GameState_schema, &g.state_layout);
    g.tuning_segment = open_segment(GameTuning_schema, &g.tuning_layout);
    set_defaults(g.tuning_segment);
    g.L = load_rules(argv[argc - 1]);
    look(&g);
    g.tunings = 0;
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);

    if (!headless)
        screen_open();
    play(&g, headless, (int64_t)(seconds * (double)SECOND / FRAME_NS));
    if (!headless)
        screen_close();
    report(&g);

    lua_close(g.L);
    ipm_segment_close(g.state_segment, NULL);
    ipm_segment_close(g.tuning_segment, NULL);
    ipm_layout_free(g.state_layout);
    ipm_layout_free(g.tuning_layout);
    return EXIT_SUCCESS;
}
