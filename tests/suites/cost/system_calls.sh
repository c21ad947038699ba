#!/usr/bin/env bash
# Counts the system calls and the clock reads of a statement: strace counts those of a proxy's only worker, in front of
# MariaDB, while one client runs point selects at `eventual`.
# usage: system_calls.sh --binary PROXY    prints "ok …" or "FAIL …" for each kind of statement
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. tests/setup/lib.sh

[ "${1:-}" = --binary ] || die "usage: system_calls.sh --binary PROXY"
binary=${2:?}
statements=3000
# How many of each a statement may need. A statement is read from the client and written to the server, and the answer is
# read from the server and written to the client. The worker waits before each of the two reads; with more clients, one
# wait finds several of them. On io_uring the wait has read already.
declare -A calls=([epoll]=4 [io_uring]=2)
waits=2
# The proxy reads the clock when a statement begins and when it ends. Tokio's epoll reads the clock three times after each
# wait: once for its timers, twice for its metrics.
declare -A clock_reads=([epoll]=8 [io_uring]=2)

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-calls.XXXX")
pids=()
on_exit() {
  end_processes "${pids[@]}"
  [ ! -e "$scratch/cluster/kind" ] || tests/setup/cluster.sh stop "$scratch/cluster"
  rm -rf "$scratch"
}
trap on_exit EXIT

cc -O2 -shared -fPIC -o "$scratch/clock.so" tests/suites/cost/clock.c
tests/setup/cluster.sh start "$scratch/cluster" mariadb 2

start_proxy() { # driver
  rw=$(free_port) ro=$(free_port) http=$(free_port)
  {
    printf 'workers = 1\nio = "%s"\n\n' "$1"
    tests/setup/cluster.sh config "$scratch/cluster" "$rw" "$ro" "$http" | sed '0,/^mode = "primary"/s//mode = "split"/'
    printf '\n[consistency]\nlevel = "eventual"\n\n[servers_tls]\nmode = "disabled"\n'
  } >"$scratch/proxy.toml"

  LD_PRELOAD=$scratch/clock.so "$binary" run --config "$scratch/proxy.toml" >"$scratch/proxy.log" 2>&1 &
  proxy=$!
  pids+=("$proxy")
  for _ in $(seq 300); do
    ! curl -fsS -o /dev/null "http://127.0.0.1:$http/readyz" 2>/dev/null || break
    kill -0 "$proxy" 2>/dev/null || { cat "$scratch/proxy.log" >&2; return 1; }
    sleep 0.1
  done
  # A thread may end while grep looks.
  worker=$(grep -lsx worker-0 "/proc/$proxy/task/"*/comm | cut -d / -f 5 || true)
}

selects() { # port, sysbench's arguments…
  quiet sysbench oltp_point_select --mysql-host=127.0.0.1 --mysql-port="$1" --mysql-user=app --mysql-password=app \
    --mysql-db=sbtest --mysql-ssl=off --tables=1 --table-size=100 --time=0 "${@:2}"
}

# Prints how many calls of these kinds a statement needs, by what strace counted.
of_each() { # awk's condition on `name`
  awk -v n="$statements" '$4 ~ /^[0-9]+$/ { name = $NF; if (name != "total" && ('"$1"')) sum += $4 }
    END { printf "%.2f", sum / n }' "$scratch/counts"
}
# The third argument: how much more is allowed. Turns of the worker for other things (probes, each second) read the clock, too.
within() { awk -v found="$1" -v most="$2" -v more="${3:-0.1}" 'BEGIN { exit found > most + more }'; }

tests_of() { # driver, name, sysbench's --db-ps-mode
  local tracer found waited read word=ok most=${calls[$1]} clock=${clock_reads[$1]}
  # The first connection to each server, and its login.
  selects "$rw" --db-ps-mode="$3" --events=100 run
  strace --summary-only --attach="$worker" --output="$scratch/counts" 2>/dev/null &
  tracer=$!
  pids+=("$tracer")
  until grep -q '^TracerPid:\s[1-9]' "/proc/$worker/status"; do
    kill -0 "$tracer" 2>/dev/null || die "strace cannot trace the proxy"
    sleep 0.05
  done
  selects "$rw" --db-ps-mode="$3" --events="$statements" run
  kill -s INT "$tracer"
  wait "$tracer" || true
  found=$(of_each 'name != "epoll_wait" && name != "io_uring_enter" && name != "clock_gettime"')
  waited=$(of_each 'name == "epoll_wait" || name == "io_uring_enter"')
  read=$(of_each 'name == "clock_gettime"')
  within "$found" "$most" && within "$waited" "$waits" && within "$read" "$clock" 0.4 || { word=FAIL failed=1; }
  echo "$word $1, $2: $found system calls (at most $most), $waited waits ($waits), $read clock reads ($clock)"
  [ "$word" = ok ] || cat "$scratch/counts"
}

failed=0
selects "$(tests/setup/cluster.sh port "$scratch/cluster")" prepare
for driver in epoll io_uring; do
  if ! start_proxy "$driver"; then
    [ "$driver" = io_uring ] || exit 1
    echo "SKIPPED: system calls on $driver: $(tail -n 1 "$scratch/proxy.log")"
    continue
  fi
  tests_of "$driver" "text" disable
  tests_of "$driver" "prepared" auto
  end_processes "$proxy"
done
exit "$failed"
