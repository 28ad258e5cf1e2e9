#!/bin/sh
# usage: sanitize.sh BUILD C_TESTS MEMCHECK_TESTS SPEC...
# Runs C tests and specs where each bad access, race and leak ends a program with a failure. Reports
# in TAP; the verdict is the report's.
set -u

build=$1
tests=$2
checked=$3
shift 3

# Leaks count in the C tests alone: Lua's interpreter leaves at os.exit what it has.
export UBSAN_OPTIONS=print_stacktrace=1
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1
for test in $tests; do
    .ci/tap "$build/asan/$test"
done

libasan=$(${CC:-cc} -print-file-name=libasan.so)
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:verify_asan_link_order=0
.ci/tap env LD_PRELOAD="$libasan" busted --output=spec/helper/tap.lua --run=asan "$@"

# Without address randomization: gcc's TSan wants its part of the address space.
export TSAN_OPTIONS=halt_on_error=1
.ci/tap setarch -R "$build/tsan/spec/core/thread_test"

# ASan has looked for leaks; here children that leave at once would seem to have some. A test that
# counts allocations keeps its own functions for them.
for test in $checked; do
    .ci/tap valgrind --quiet --error-exitcode=9 --leak-check=no \
        --soname-synonyms=somalloc=nouserintercepts "$build/$test"
done
