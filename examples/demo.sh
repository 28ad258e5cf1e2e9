#!/usr/bin/env bash
# Runs both demos for five seconds in a new directory, the reader first, and ends them as Ctrl-C
# does. Fails if one of them fails.
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
unset LUA_PATH_5_4 LUA_CPATH_5_4 LUA_PATH_5_5 LUA_CPATH_5_5
export LUA_PATH="$root/lua/?.lua;$root/lua/?/init.lua;;"
export LUA_CPATH="$root/build/?.so;;"

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory" || exit

demo() {
    set -o pipefail
    timeout --foreground --preserve-status --signal=INT --kill-after=5 "$2" \
        "${LUA:-lua5.4}" "$root/examples/demo_$1.lua" 2>&1 | sed --unbuffered "s/^/$1 | /"
}

demo reader 6 &
reader=$!
sleep 1
demo editor 5
editor=$?
wait "$reader"
reader=$?

[ "$editor" = 0 ] || echo "the editor failed with exit status $editor" >&2
[ "$reader" = 0 ] || echo "the reader failed with exit status $reader" >&2
[ "$editor" = 0 ] && [ "$reader" = 0 ]
