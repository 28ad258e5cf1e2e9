#!/bin/sh
# usage: warnings.sh LUA_INCDIR
# Compiles dist/ipmmap.c, with Lua, and a C++ file that includes its header, with warnings that hosts
# turn on. Fails at the first warning.
set -eu

lua=$1
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

cat >"$made/host.cpp" <<'END'
#include "ipmmap.h"
typedef struct Point { double x, y; } Point;
typedef struct Game { ipm_header header; int32_t score; Point at[4]; } Game;
#define POINT(FIELD) FIELD(x, double) FIELD(y, double)
#define GAME(FIELD) FIELD(score, int32) FIELD(at, Point[4])
IPM_STRUCT(Point, POINT)
IPM_SHARED(Game, GAME, IPM_TEXT(Point, POINT))
int main() {
    return Game_schema[0] == 0 || ipm_segment_read(nullptr, IPM_AT(Game, at[1].x), nullptr, nullptr);
}
END

warnings='-Werror -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion'

c() { # COMPILER FLAGS...: some warnings come from the optimizer, and depend on -fPIC
    # shellcheck disable=SC2086 # a list of flags
    "$@" $warnings -std=c11 -pthread -DIPM_LUA -I"$lua" -c -o "$made/ipmmap.o" dist/ipmmap.c
}
cpp() {
    # shellcheck disable=SC2086
    "$@" $warnings -Wold-style-cast -Wcast-align -Idist -fsyntax-only "$made/host.cpp"
}

c gcc -O3
c gcc -Os
c gcc -O2 -flto=2
# shellcheck disable=SC2086
gcc $warnings -O2 -flto=2 -shared -fPIC -o "$made/host.so" "$made/ipmmap.o"
c clang -O2
for standard in c++11 c++20; do
    cpp g++ -std=$standard -Wuseless-cast
    cpp clang++ -std=$standard
done
