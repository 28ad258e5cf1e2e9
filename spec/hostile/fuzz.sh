#!/bin/sh
# usage: fuzz.sh SECONDS DIRECTORY TARGET...
# Runs each libFuzzer target for its share of the time, and prints one line of figures at the end. An
# input that made a target crash or hang is kept in the directory: run the target with that file to
# reproduce it.
set -u

seconds=$1
directory=$2
shift 2
share=$(((seconds + $# - 1) / $#))
executions=0
figures=
for target; do
    name=$(basename "$target")
    mkdir -p "$directory/$name.corpus"
    "$target" -max_total_time="$share" -timeout=10 -max_len=24577 -len_control=20 -use_value_profile=1 \
        -print_final_stats=1 -artifact_prefix="$directory/$name-" "$directory/$name.corpus" \
        >"$directory/$name.log" 2>&1
    status=$?
    done=$(sed -n 's/^stat::number_of_executed_units: *//p' "$directory/$name.log")
    executions=$((executions + ${done:-0}))
    figures="$figures${figures:+, }${name#fuzz_} ${done:-0}"
    if [ "$status" != 0 ]; then
        grep -E -A 12 'ERROR|runtime error|SUMMARY' "$directory/$name.log" | sed 's/^/# /'
        echo "not ok - $target ended with status $status; all it said: $directory/$name.log"
    fi
done
count() {
    find "$directory" -name "fuzz_*-$1-*" | wc -l
}
crashes=$(($(count crash) + $(count leak) + $(count oom)))
hangs=$(count timeout)
result=ok
[ "$crashes$hangs" = 00 ] && [ "$executions" -gt 0 ] || result='not ok'
echo "$result - fuzz: $executions inputs in $((share * $#)) s ($figures), $crashes crashes, $hangs hangs"
[ "$result" = ok ]
