#!/usr/bin/env bash
# The alert rules, the dashboard and the histograms, with Prometheus itself: every alert fires in a test and none while all
# is well; every panel shows something of a proxy that works, whether Prometheus stores classic histograms or native ones;
# and both kinds of histograms say the same.
# usage: run.sh --binary PROXY    prints "ok …" or "FAIL …" for each test
# Exits 77 with a line "SKIPPED: Prometheus: why" if it is not available here.
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. tests/setup/lib.sh

[ "${1:-}" = --binary ] || die "usage: run.sh --binary PROXY"
binary=${2:?}
programs=$(tests/setup/prometheus.sh)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-alerts.XXXX")
files=deploy/helm/pointsman/files
pids=()
on_exit() {
  end_processes "${pids[@]}"
  [ ! -e "$scratch/db/kind" ] || tests/setup/cluster.sh stop "$scratch/db"
  rm -rf "$scratch"
}
trap on_exit EXIT

failed=0
tell() { # name, command…
  if "${@:2}" >"$scratch/out" 2>&1; then echo "ok $1"
  else
    failed=1
    echo "FAIL $1"
    sed 's/^/  /' "$scratch/out"
  fi
}

test_file=$(python3 tests/suites/alerts/rules_test.py "$files/rules.yaml" "$scratch")
tell "the rules are valid" "$programs/promtool" check rules "$scratch/rules.yaml"
for name in $(sed -n 's/^- alert: //p' "$files/rules.yaml"); do
  tell "$name fires" "$programs/promtool" test rules --run "^$name fires\$" "$test_file"
done
tell "nothing fires while all is well" "$programs/promtool" test rules --run "^nothing fires" "$test_file"

if python3 -m venv "$scratch/sdk" && "$scratch/sdk/bin/pip" install -q -r tests/suites/alerts/requirements.txt >"$scratch/pip" 2>&1; then
  "$scratch/sdk/bin/python" tests/suites/alerts/schema.py "$files/dashboard.json" || failed=1
else
  echo "SKIPPED: the dashboard's schema: grafana-foundation-sdk is not available here"
fi

# A proxy that works, with a certificate for its clients.
rw=$(free_port) ro=$(free_port) http=$(free_port) prometheus=$(free_port)
tests/setup/cluster.sh start "$scratch/db" mariadb 1 >"$scratch/cluster.log"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=proxy \
  -keyout "$scratch/key.pem" -out "$scratch/cert.pem" 2>/dev/null
tests/setup/cluster.sh config "$scratch/db" "$rw" "$ro" "$http" \
  | sed "0,/^mode = \"primary\"/s||mode = \"split\"\n[listeners.tls]\ncert_file = \"$scratch/cert.pem\"\nkey_file = \"$scratch/key.pem\"|" >"$scratch/proxy.toml"
"$binary" run --config "$scratch/proxy.toml" >"$scratch/proxy.log" 2>&1 &
pids+=($!)
cat >"$scratch/prometheus.yaml" <<END
global: {scrape_interval: 1s}
scrape_configs:
- job_name: proxy
  static_configs: &proxy
  - targets: ["127.0.0.1:$http"]
    labels: {namespace: databases, pod: proxy-0}
- job_name: native
  scrape_native_histograms: true
  static_configs: *proxy
- job_name: both
  scrape_native_histograms: true
  always_scrape_classic_histograms: true
  static_configs: *proxy
END
"$programs/prometheus" --config.file="$scratch/prometheus.yaml" --storage.tsdb.path="$scratch/tsdb" \
  --web.listen-address="127.0.0.1:$prometheus" >"$scratch/prometheus.log" 2>&1 &
pids+=($!)
for url in "http://127.0.0.1:$http/readyz" "http://127.0.0.1:$prometheus/-/ready"; do
  for _ in $(seq 300); do
    curl -fsS -o "$scratch/answer" "$url" 2>/dev/null && continue 2
    sleep 0.2
  done
  cat "$scratch"/{proxy,prometheus}.log >&2
  die "no answer from $url"
done

# All kinds of statements, an error, a wrong password, and pins, for longer than a rate looks back.
client() { mariadb --no-defaults --protocol=tcp -h127.0.0.1 -P"$rw" -uapp -papp --skip-ssl-verify-server-cert "$@"; }
client test -e 'CREATE TABLE alerts (id INT PRIMARY KEY)'
for _ in $(seq 14); do
  client --force test >/dev/null 2>&1 <<'END' || true
BEGIN; INSERT INTO alerts VALUES (1); SELECT * FROM alerts; ROLLBACK;
SELECT * FROM alerts; SELECT * FROM nowhere; DO SLEEP(0.1);
END
  mariadb --no-defaults --protocol=tcp -h127.0.0.1 -P"$rw" -unobody -pwrong -e 'SELECT 1' >/dev/null 2>&1 || true
  sleep 0.5
done
python3 tests/suites/alerts/dashboard.py "$files/dashboard.json" "http://127.0.0.1:$prometheus" proxy native || failed=1
python3 tests/suites/alerts/histograms.py "http://127.0.0.1:$prometheus" || failed=1
exit "$failed"
