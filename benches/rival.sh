#!/usr/bin/env bash
# Runs the fault tests (tests/it/faults.rs) through Pointsman and, with equal seeds, through an HAProxy that follows
# read_only (tests/it/faults/haproxy.sh). Prints the tables of both.
# usage: rival.sh    19 runs of each proxy, one for each kind of fault: about 8 minutes
# env: FAULTS=19  POINTSMAN_SEED=1  KIND=mysql
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=../tests/setup/lib.sh
. tests/setup/lib.sh
tests/setup/deps.sh
export FAULTS=${FAULTS:-19} POINTSMAN_SEED=${POINTSMAN_SEED:-1} LANES=1
log=$(mktemp "${TMPDIR:-/tmp}/pointsman-rival.XXXX")
trap 'rm -f "$log"' EXIT

runs() { # in front of whom
  say "$FAULTS runs in front of $1"
  # A finding is a line of the outcome here; no outcome is an error.
  cargo test --locked --quiet --test it -- --exact faults::clients_are_told_the_truth_whatever_happens --nocapture >"$log" 2>&1 || true
  if ! grep -q '^ *runs  *ok ' "$log"; then
    tail -n 30 "$log" >&2
    die "no outcome in front of $1"
  fi
  sed -n '/^ *runs  *ok /,/^acknowledged and lost/p' "$log"
}

runs Pointsman
POINTSMAN_TARGET=127.0.0.1:$(free_port)
export POINTSMAN_TARGET RIVAL="tests/it/faults/haproxy.sh"
runs HAProxy
