#include "game.h"

#include <ncurses.h>

void screen_open(void) {
    initscr();
    cbreak();
    noecho();
    curs_set(0);
    nodelay(stdscr, TRUE);
}

void screen_draw(const GameState *state, const GameTuning *tuning, int64_t frame_ns) {
    int lines = LINES - 1, columns = COLS;
    erase();
    for (int32_t i = 0; i < state->count && i < BALLS; i++) {
        const Ball *ball = &state->balls[i];
        mvaddch((int)((1 - ball->y) * (lines - 1)), (int)(ball->x * (columns - 1)), 'o');
    }
    mvprintw(LINES - 1, 0,
             "frame %lld  %.3f ms  gravity=%.2f wind=%.2f bounce=%.2f count=%d  (q quits)",
             (long long)state->frame, (double)frame_ns / 1e6, tuning->gravity, tuning->wind,
             tuning->bounce, (int)tuning->count);
    refresh();
}

bool screen_wants_to_quit(void) {
    return getch() == 'q';
}

void screen_close(void) {
    endwin();
}
