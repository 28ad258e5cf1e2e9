#!/bin/sh
# usage: sanitize.sh BUILD C_TESTS MEMCHECK_TESTS SPEC...
# Runs C tests and specs under sanitizers and memcheck: a bad access, a race or a leak makes a program
# fail. Reports in TAP. Only the report says whether a test failed, not the exit status.
set -u

build=$1
tests=$2
checked=$3
shift 3

# Leaks count only in the C tests, because Lua's interpreter frees nothing at os.exit.
export UBSAN_OPTIONS=print_stacktrace=1
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1
for test in $tests; do
    .ci/tap "$build/asan/$test"
done

libasan=$(${CC:-cc} -print-file-name=libasan.so)
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:verify_asan_link_order=0
.ci/tap env LD_PRELOAD="$libasan" busted --output=spec/helper/tap.lua --run=asan "$@"

# setarch -R turns address randomization off, because gcc's TSan needs fixed parts of the address
# space.
export TSAN_OPTIONS=halt_on_error=1
.ci/tap setarch -R "$build/tsan/spec/core/thread_test"

# No leak check here: ASan has done it, and memcheck would report leaks in children that end by _exit.
# nouserintercepts leaves a test that counts allocations its own malloc.
for test in $checked; do
    .ci/tap valgrind --quiet --error-exitcode=9 --leak-check=no \
        --soname-synonyms=somalloc=nouserintercepts "$build/$test"
done
