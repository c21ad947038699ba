#!/usr/bin/env bash
# Runs the proxy under the chart's seccomp profile: it uses io_uring, serves clients, reloads and ends well. And under the
# same profile without io_uring, as container runtimes have it: it uses epoll, and says why.
# usage: run.sh --binary PROXY    prints "ok …" or "FAIL …"
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. tests/setup/lib.sh

[ "${1:-}" = --binary ] || die "usage: run.sh --binary PROXY"
binary=$(realpath "${2:?}")
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-seccomp.XXXX")
pids=()
on_exit() {
  end_processes "${pids[@]}"
  [ ! -e "$scratch/cluster/kind" ] || tests/setup/cluster.sh stop "$scratch/cluster"
  rm -rf "$scratch"
}
trap on_exit EXIT

tests/setup/cluster.sh start "$scratch/cluster" mariadb 1
failed=0
check() { # name, command…
  local word=ok
  "${@:2}" || { word=FAIL failed=1; }
  echo "$word $1"
  [ "$word" = ok ] || tail -n 5 "$scratch/proxy.log"
}
metric_is() { curl -fsS "http://127.0.0.1:$http/metrics" | grep -F "$1" >/dev/null; }
statements() {
  for what in prepare run cleanup; do
    quiet sysbench oltp_read_write --mysql-host=127.0.0.1 --mysql-port="$rw" --mysql-user=app --mysql-password=app \
      --mysql-db=sbtest --mysql-ssl=off --tables=1 --table-size=100 --threads=8 --events=200 --time=0 \
      --mysql-ignore-errors=1213,1205,1020 "$what" || return 1
  done
}
ends_well() {
  kill -s TERM "$proxy"
  wait "$proxy"
}

plays() { # driver, reason, under.py's options…
  rw=$(free_port) ro=$(free_port) http=$(free_port)
  tests/setup/cluster.sh config "$scratch/cluster" "$rw" "$ro" "$http" | sed '0,/^mode = "primary"/s//mode = "split"/' \
    >"$scratch/proxy.toml"
  python3 tests/suites/seccomp/under.py deploy/helm/pointsman/files/seccomp.json "${@:3}" -- "$binary" run \
    --config "$scratch/proxy.toml" >"$scratch/proxy.log" 2>&1 &
  proxy=$!
  pids+=("$proxy")
  for _ in $(seq 300); do
    ! curl -fsS -o /dev/null "http://127.0.0.1:$http/readyz" 2>/dev/null || break
    kill -0 "$proxy" 2>/dev/null || break
    sleep 0.1
  done
  check "$1: it says which driver it uses" metric_is "pointsman_io_info{driver=\"$1\",reason=\"$2\"} 1"
  check "$1: statements" statements
  kill -s HUP "$proxy"
  sleep 0.5
  check "$1: a reload" grep -q "configuration reloaded" "$scratch/proxy.log"
  check "$1: it ends well" ends_well
}

if [ "$(cat /proc/sys/kernel/io_uring_disabled 2>/dev/null || echo 2)" = 0 ]; then
  plays io_uring usable
else
  echo "SKIPPED io_uring under the chart's seccomp profile: this system has no io_uring"
fi
plays epoll forbidden --forbid io_uring_setup,io_uring_enter,io_uring_register
exit "$failed"
