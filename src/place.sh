#!/bin/sh
# usage: place.sh install|uninstall MODE:FILE:PLACE...
# Puts each file into its place, or removes from its place what was put there: by its name, and then
# the library's own directories if they are empty, so that nobody else's file is ever lost. With the
# mode `link` FILE is what a symbolic link says. A PLACE begins with the name of a directory's
# variable: LUA_DIR, LUA_LIBDIR, CLI_DIR, SHARE_DIR, which are the library's own, or PREFIX.
set -eu

action=$1
shift

for entry; do
    mode=${entry%%:*}
    place=${entry##*:}
    file=${entry#*:}
    file=${file%:*}
    case $place in
        LUA_DIR/*) directory=$LUA_DIR ;;
        LUA_LIBDIR/*) directory=$LUA_LIBDIR ;;
        CLI_DIR/*) directory=$CLI_DIR ;;
        SHARE_DIR/*) directory=$SHARE_DIR ;;
        PREFIX/*) directory=$PREFIX ;;
        *) echo "place.sh: $entry has no directory" >&2; exit 2 ;;
    esac
    target=$directory/${place#*/}
    if [ "$action" = uninstall ]; then
        rm -f "$target"
        continue
    fi
    install -d "$(dirname "$target")"
    if [ "$mode" = link ]; then
        ln -sf "$file" "$target"
    else
        install -m "$mode" "$file" "$target"
    fi
    echo "installed $target"
done

[ "$action" = uninstall ] || exit 0
for directory in "$LUA_DIR/jit" "$LUA_DIR" "$LUA_LIBDIR" "$CLI_DIR" "$SHARE_DIR"; do
    [ ! -d "$directory" ] || rmdir --ignore-fail-on-non-empty "$directory"
done
