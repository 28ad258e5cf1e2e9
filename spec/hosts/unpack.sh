#!/bin/sh
# usage: unpack.sh DIRECTORY PACKAGE...
# Unpacks Debian packages into a new directory, without installing them.
set -eu

directory=$(realpath -m "$1")
shift
rm -rf "$directory.new"
mkdir -p "$directory.new/packages"
cd "$directory.new/packages"
apt-get -qq download "$@"
for package in ./*.deb; do
    dpkg-deb -x "$package" "$directory.new"
done
mv "$directory.new" "$directory"
