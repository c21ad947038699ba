#!/bin/sh
# Builds the fuzz targets and runs each of them. usage: fuzz/run.sh [SECONDS [TARGET…]]
# env: REPEATABLE=20000  runs this number of inputs per target, always the same inputs, made from the repository's corpus (inputs.rs)
#
# libFuzzer and LLVM's coverage counters come with plain cargo, on stable and nightly, so
# only a C++ compiler must be installed. Without a compiler the script prints SKIPPED and passes.
# A crash fails, and its input stays under fuzz/artifacts. New inputs stay in
# fuzz/target/corpus; useful ones are copied to fuzz/corpus by hand.
set -eu
cd "$(dirname "$0")"
seconds=${1:-10}
[ $# -eq 0 ] || shift
targets=${*:-"accounts auth classify compression config guard handshake_response lenenc parameters proxy_header response_walker sql_lexer trace_parent"}

if ! command -v "${CXX:-c++}" >/dev/null 2>&1; then
    echo "fuzz: SKIPPED, no C++ compiler: libFuzzer cannot be built" >&2
    exit 0
fi

host=$(rustc -vV | sed -n 's/^host: //p')
# The flags that cargo-fuzz passes, without the address sanitizer, which needs nightly and finds little
# in a crate that forbids unsafe code.
flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
 -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
if [ -n "${REPEATABLE:-}" ]; then
    # The inputs are settled, so nothing guides the fuzzer: no counters. The crates, and above all the C libraries, are
    # those that the proxy's tests have compiled.
    shared=${CARGO_TARGET_DIR:-../target}
    cargo build --quiet --target-dir "$shared" --bins
    built=$shared/debug
else
    # With --target the flags reach the crates but not build scripts, which have no fuzzer to link to.
    RUSTFLAGS=$(echo $flags) cargo build --release --quiet --target "$host" --target-dir target --bins
    built=target/$host/release
fi

failed=0
mkdir -p target
[ -z "${REPEATABLE:-}" ] || rustc --edition 2024 -C opt-level=2 -o target/inputs inputs.rs
for target in $targets; do
    found=target/corpus/$target how="corpus/$target -max_total_time=$seconds"
    if [ -n "${REPEATABLE:-}" ]; then
        found=target/repeatable/$target how=-runs=0
        rm -rf "$found"
        target/inputs "corpus/$target" "$found" "$REPEATABLE"
    fi
    mkdir -p "$found" "artifacts/$target" "corpus/$target"
    log=target/$target.log
    # shellcheck disable=SC2086  # several words
    if "$built/$target" "$found" $how \
        -timeout=10 -rss_limit_mb=1024 -max_len=4096 \
        -artifact_prefix="artifacts/$target/" -print_final_stats=1 >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "fuzz: $target ok, $runs inputs"
    else
        failed=1
        echo "fuzz: $target FAILED, log in fuzz/$log" >&2
        tail -n 30 "$log" | grep -E 'panicked|ERROR|SUMMARY' >&2 || true
        sed -n 's|.*Test unit written to |input: fuzz/|p' "$log" >&2
    fi
done
exit $failed
