#!/usr/bin/env bash
# `make bench`: measures direct connections, HAProxy (TCP mode) and Pointsman in turn; writes the tables into docs/benchmarks.md.
# usage: run.sh [PART …]   default: all, about an hour; the parts:
#   workloads  sysbench, and the proxies' CPU per query    pressure  2,000 clients, 200 active, over 32 connections
#   idle       5,000 clients that ran one statement        others    bulk    failover  changes of the primary
#   connects   connect, one question, close: direct, HAProxy, both drivers
#   crowds     memory per idle client with 1,000, 5,000 and 9,000 clients, on both drivers
#   levels     the cost of `strong` and `session`, compared with `eventual`
#   drivers    CPU and QPS on epoll and on io_uring, at `eventual` and `strong`, relative to HAProxy
#   former     this build and a former one in turn: FORMER=the former program (not in "all" without it) WHAT="workloads crowd logins"
#   workers    the cost of more worker threads than cores
#   digests    the cost of counting statements by digest    tap  the cost of readers of /tap
#   traces     the cost of traces: off, one statement of a hundred, each statement
#   commits    the cost of `failover.commit = "looked_up"` without any failover, on MySQL
#   tls        encrypted clients: point selects, logins, idle clients, floods of logins and handshakes
#   logins     how long wrong passwords and unknown users take to be refused
#   changes    changes of the primary under 5,000 statements a second, 20 planned and 20 crashes
#   pods       changes of the primary with pods watched on a real API server, and the cost of label changes
# env: ROUNDS=3  SECS=8 (per round)  TARGETS="direct haproxy split primary"  PAGE=docs/benchmarks.md (empty: print only)
#      CLIENTS=2000 ACTIVE=200 POOL=32 PACE_MS=40 (pressure)  IDLE=5000  MIB=1024  CONNECTS=8000  FAILOVERS=3
#      LOGINS=1000 FLOOD_SECS=10 (tls)  TRIES=10000 (logins; for each two users)  POINTSMAN=a proxy that is built already
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=../tests/setup/lib.sh
. tests/setup/lib.sh
export TARGETS=${TARGETS:-direct haproxy split primary} PATH=$PATH:/usr/sbin
target=${CARGO_TARGET_DIR:-target}

tests/setup/deps.sh
if [[ $TARGETS =~ split|primary ]]; then
  if [ -z "${POINTSMAN:-}" ]; then
    say "building the proxy"
    cargo build --profile dist --locked
  fi
  if [ $# = 0 ] || [[ " $* " = *" pods "* ]]; then tests/setup/kubernetes-build.sh; fi
  if [ $# = 0 ] || [[ " $* " =~ " commits "|" tls "|" workloads "|" drivers "|" connects "|" former " ]]; then tests/setup/mysql97.sh; fi
fi
mkdir -p "$target/bench"
for client in connect crowd flood; do
  rustc --edition 2024 -C opt-level=3 -o "$target/bench/$client" "benches/$client.rs"
done
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
SCRATCH=$scratch TARGET_DIR=$target python3 -B benches/bench.py "$@" &
bench=$!
wait "$bench"
