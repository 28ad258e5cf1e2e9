/*
 * The structs that the game shares, the same as in structs.lua, and the functions that its files
 * call in each other.
 */
#ifndef GAME_H
#define GAME_H

#include <ipmmap.h>

#define BALLS 64

typedef struct Ball {
    double x, y, vx, vy;
} Ball;
#define BALL(FIELD) FIELD(x, double) FIELD(y, double) FIELD(vx, double) FIELD(vy, double)
IPM_STRUCT(Ball, BALL)

typedef struct GameState {
    ipm_header header;
    int64_t frame;
    int32_t count;
    Ball balls[BALLS];
} GameState;
#define GAME_STATE(FIELD) FIELD(frame, int64) FIELD(count, int32) FIELD(balls, Ball[BALLS])

typedef struct GameTuning {
    ipm_header header;
    double gravity, wind, bounce;
    int32_t count;
} GameTuning;
#define GAME_TUNING(FIELD)                                                                         \
    FIELD(gravity, double)                                                                         \
    FIELD(wind, double)                                                                            \
    FIELD(bounce, double)                                                                          \
    FIELD(count, int32)

/* timing.c: how long frames took, without allocation while they run. */
typedef struct timing {
    uint32_t frames;
    int64_t worst_ns;
    uint32_t buckets[20000]; /* of a microsecond; the last has all that is longer */
} timing;

void timing_add(timing *times, int64_t ns);
void timing_print(const timing *times, const char *what);

/* screen.c: the terminal. */
void screen_open(void);
void screen_draw(const GameState *state, const GameTuning *tuning, int64_t frame_ns);
bool screen_wants_to_quit(void);
void screen_close(void);

#endif
