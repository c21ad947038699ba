#!/usr/bin/env bash
# `make bench`: direct, HAProxy (TCP mode) and Pointsman in turn, in one run; writes the tables into README.md.
# env: ROUNDS=3  SECS=8 a sysbench round  IDLE=2000 clients  MIB=1024  CONNECTS=8000  FAILOVERS=3 of each kind
#      TARGETS="direct haproxy pointsman"  README=README.md (empty: print only)
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=../tests/setup/lib.sh
. tests/setup/lib.sh
export TARGETS=${TARGETS:-direct haproxy pointsman} PATH=$PATH:/usr/sbin
target=${CARGO_TARGET_DIR:-target}

tests/setup/deps.sh
if [[ $TARGETS == *pointsman* ]]; then
  say "building the proxy"
  cargo build --release --locked
fi
mkdir -p "$target/bench"
rustc --edition 2024 -C opt-level=3 -o "$target/bench/connect" benches/connect.rs
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-bench.XXXX")
bench=
finish() {
  local dir
  [ -z "$bench" ] || kill -s TERM "$bench" 2>/dev/null || true
  for dir in "$scratch"/*/; do
    [ ! -e "$dir/kind" ] || tests/setup/cluster.sh stop "${dir%/}"
  done
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM
SCRATCH=$scratch TARGET_DIR=$target python3 -B benches/bench.py &
bench=$!
wait "$bench"
