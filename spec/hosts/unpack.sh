#!/bin/sh
# usage: unpack.sh DIRECTORY PACKAGE...
# Unpacks Debian packages into a new directory, without installing them. Without apt it does nothing.
set -eu

command -v apt-get >/dev/null || exit 0
directory=$(realpath -m "$1")
shift
rm -rf "$directory.new"
mkdir -p "$directory.new/packages"
cd "$directory.new/packages"

if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
download() { apt-get -qq -o APT::Sandbox::User=root download "$@"; }

download "$@" || { $sudo apt-get -qq update && download "$@"; }
for package in ./*.deb; do
    dpkg-deb -x "$package" "$directory.new"
done
mv "$directory.new" "$directory"
