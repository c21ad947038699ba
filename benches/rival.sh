#!/usr/bin/env bash
# The runs with faults (tests/faults.rs) in front of HAProxy, with the same seeds as in front of Pointsman: HAProxy relays to
# whichever server says read_only = 0, asked every 200 ms, and closes the sessions of one that does not any more.
# usage: rival.sh              both, one after the other; prints their tables (18 runs of one kind: 5 to 10 minutes)
#        rival.sh haproxy      as RIVAL, for the harness: starts HAProxy for SERVERS and PORT
#        rival.sh check …      as its external check
# env: FAULTS=18  POINTSMAN_SEED=1  KIND=mysql
set -euo pipefail

case ${1:-all} in
  check) # address and port of the proxy, address and port of the server
    [ "$(timeout 1 mysql --no-defaults --skip-ssl -h "$4" -P "$5" -umonitor -pmonitor -Nse 'SELECT @@global.read_only' 2>/dev/null)" = 0 ]
    ;;
  haproxy)
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-rival.XXXX")
    here=$(readlink -f "$0")
    printf '#!/bin/sh\nPATH=%s exec "%s" check "$@"\n' "$PATH" "$here" >"$scratch/check"
    chmod +x "$scratch/check"
    {
      printf 'global\n  external-check\n  insecure-fork-wanted\n  maxconn 2000\n'
      printf 'defaults\n  mode tcp\n  timeout connect 2s\n  timeout client 10m\n  timeout server 10m\n'
      printf 'listen primary\n  bind 127.0.0.1:%s\n  option external-check\n  external-check command %s/check\n' "$PORT" "$scratch"
      number=0
      for server in $SERVERS; do
        printf '  server db-%s %s check inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions\n' "$number" "$server"
        number=$((number + 1))
      done
    } >"$scratch/haproxy.cfg"
    PATH=$PATH:/usr/sbin exec haproxy -db -f "$scratch/haproxy.cfg"
    ;;
  all)
    cd "$(dirname "$0")/.."
    # shellcheck source-path=SCRIPTDIR source=../tests/setup/lib.sh
    . tests/setup/lib.sh
    tests/setup/deps.sh
    export FAULTS=${FAULTS:-18} POINTSMAN_SEED=${POINTSMAN_SEED:-1} LANES=1
    runs() { cargo test --locked --quiet --test faults -- --exact clients_are_told_the_truth_whatever_happens --nocapture 2>&1; }
    table() { sed -n '/^ *runs  *ok/,$p'; }
    say "$FAULTS runs in front of Pointsman"
    runs | table
    say "$FAULTS runs in front of HAProxy"
    POINTSMAN_TARGET=127.0.0.1:$(free_port) RIVAL="$PWD/benches/rival.sh haproxy" runs | table
    ;;
  *)
    echo "usage: rival.sh [haproxy|check]" >&2
    exit 2
    ;;
esac
