#!/usr/bin/env bash
# Traces end to end: clients that are instrumented by their own libraries, the proxy, and a collector of OpenTelemetry.
# usage: run.sh --binary PROXY    prints "ok …" or "FAIL …" for each test
# Exits 77 with a line "SKIPPED: Collector: why" if the programs are not available here.
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. tests/setup/lib.sh

[ "${1:-}" = --binary ] || die "usage: run.sh --binary PROXY"
binary=${2:?}
programs=$(tests/setup/collector.sh)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-traces.XXXX")
pids=() failed=0
on_exit() {
  end_processes "${pids[@]}"
  local kind
  for kind in mariadb mysql; do
    [ ! -e "$scratch/$kind/kind" ] || tests/setup/cluster.sh stop "$scratch/$kind"
  done
  rm -rf "$scratch"
}
trap on_exit EXIT

collector=$(free_port)
cat >"$scratch/collector.yaml" <<END
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:$collector
exporters:
  file:
    path: $scratch/spans
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [file]
END
"$programs/collector" --config "file:$scratch/collector.yaml" >"$scratch/collector.log" 2>&1 &
pids+=($!)
for _ in $(seq 300); do
  # A GET is refused by a collector that is there.
  [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$collector/v1/traces")" != 405 ] || break
  sleep 0.1
done

# Statements of a driver through a proxy in front of servers of this kind, and what the collector has of them.
traces() { # driver, kind, more of [traces]
  local name="$1 on $2" rw ro http proxy
  rw=$(free_port) ro=$(free_port) http=$(free_port)
  tests/setup/cluster.sh start "$scratch/$2" "$2" 1 >"$scratch/cluster.log"
  tests/setup/cluster.sh config "$scratch/$2" "$rw" "$ro" "$http" >"$scratch/proxy.toml"
  sed -i '0,/^mode = "primary"/s//mode = "split"/' "$scratch/proxy.toml"
  # A read behind a write waits for the replica, and a server that is silent for a moment is not down, however busy the
  # machine is: some reads must be a replica's.
  sed -i 's/^password = "monitor"/&\ninterval = "1s"/' "$scratch/proxy.toml"
  printf '\n[consistency]\nmax_wait = "10s"\n' >>"$scratch/proxy.toml"
  printf '\n[traces]\nendpoint = "http://127.0.0.1:%s"\nservice_name = "proxy-%s"\n%s\n' "$collector" "$1" "$3" >>"$scratch/proxy.toml"
  "$binary" run --config "$scratch/proxy.toml" >"$scratch/proxy.log" 2>&1 &
  proxy=$!
  pids+=("$proxy")
  for _ in $(seq 300); do
    curl -fsS -o /dev/null "http://127.0.0.1:$http/readyz" 2>/dev/null && break
    sleep 0.1
  done
  mariadb --no-defaults -h127.0.0.1 -P"$rw" -uapp -papp --skip-ssl-verify-server-cert test \
    -e 'CREATE TABLE traced (id INT PRIMARY KEY, v TEXT)'
  if ! "$programs/python" tests/suites/traces/client.py "$1" "$rw" "$collector" >"$scratch/client.log" 2>&1; then
    failed=1
    echo "FAIL $name: the client"
    sed 's/^/  /' "$scratch/client.log"
  fi
  # Its last spans leave the proxy when it ends, and the collector writes them a moment later.
  end_processes "$proxy"
  local _ right=
  for _ in $(seq 30); do
    if python3 tests/suites/traces/check.py "$name" "$scratch/spans" "shop-$1" "proxy-$1" >"$scratch/check" 2>&1; then
      right=1
      break
    fi
    sleep 1
  done
  cat "$scratch/check"
  [ -n "$right" ] || {
    failed=1
    tail -n 20 "$scratch/proxy.log" "$scratch/collector.log" >&2
  }
}

# PyMySQL's library writes the trace into a comment. It knows whether the client records its span.
traces pymysql mariadb 'ratio = 0.0'
# MySQL's Connector/Python sends a query attribute, always "not sampled", which only MySQL takes.
if tests/setup/mysql97.sh >"$scratch/mysql97.log" 2>&1; then
  traces connector mysql $'ratio = 1.0\nunsampled_parent = "ratio"'
else
  echo "not run: connector on mysql: no MySQL 9.7"
fi
exit "$failed"
