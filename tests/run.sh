#!/usr/bin/env bash
# Installs the tools that the tests need and runs the tests. At the end prints which stages ran, which did not, and "N passed, N failed, N skipped".
# usage: run.sh all|e2e|lint    FUZZ_SECONDS=10: fuzz with random inputs, for this many seconds per target
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source-path=SCRIPTDIR source=setup/lib.sh
. tests/setup/lib.sh
exec </dev/null

target=${CARGO_TARGET_DIR:-$PWD/target}
report=$target/test-report
rm -rf "$report"
mkdir -p "$report"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-run.XXXX")
# shellcheck source-path=SCRIPTDIR source=stages.sh
. tests/stages.sh

# Slow installs run in the background while the compiler works; each stores its exit code.
background() { # name, command…
  local name=$1
  shift
  {
    local rc=0
    nice -n 15 "$@" >"$report/$name.log" 2>&1 || rc=$?
    echo "$rc" >"$report/$name.rc"
  } &
  jobs_by_name[$name]=$!
}
declare -A jobs_by_name
# Lanes wait for installs, too, which are not their own children: so nobody uses the shell's `wait` here.
finished() { # name: waits for it; its exit code
  [ -n "${jobs_by_name[$1]:-}" ] || return 127
  while [ ! -e "$report/$1.rc" ] && kill -0 "${jobs_by_name[$1]}" 2>/dev/null; do sleep 0.2; done
  return "$(cat "$report/$1.rc" 2>/dev/null || echo 1)"
}

# Stages of a lane run one after another, beside those of other lanes. A lane has servers, proxies and a folder of its own;
# ports come from one counter (free_port). Its stages show what they printed when they end.
lane() { # name, command…
  local name=$1
  shift
  (
    lane=$name proxy_pid='' scratch=$scratch/$name lanes=()
    mkdir -p "$scratch"
    trap end_servers EXIT
    trap 'exit 143' TERM
    "$@"
  ) &
  lanes[$name]=$!
}
declare -A lanes
join_lanes() {
  local name rc
  for name in "${!lanes[@]}"; do
    rc=0
    wait "${lanes[$name]}" || rc=$?
    [ "$rc" = 0 ] || fail_stage "$name" "its lane ended before its last stage, exit code $rc"
  done
  lanes=()
}

# Only what this run started: by its id.
on_exit() {
  local pid _ all=()
  for pid in "${jobs_by_name[@]}" "${lanes[@]}" ${stage_pid:+"$stage_pid"}; do
    kill -0 "$pid" 2>/dev/null || continue
    all+=("$pid")
    end_tree "$pid"
  done
  # Lanes end their servers; what does not end by itself has no time for that.
  for _ in $(seq 150); do
    [ ${#all[@]} != 0 ] && kill -0 "${all[@]}" 2>/dev/null || break
    sleep 0.1
  done
  [ ${#all[@]} = 0 ] || kill -s KILL "${all[@]}" 2>/dev/null || true
  end_servers
  rm -rf "$scratch"
}
end_tree() { # process: first it, so that it starts nothing more
  local all=("$1") children at
  for ((at = 0; at < ${#all[@]}; at++)); do
    children=()
    read -ra children 2>/dev/null <"/proc/${all[at]}/task/${all[at]}/children" || true
    all+=("${children[@]}")
  done
  kill -s TERM "${all[@]}" 2>/dev/null || true
}
end_servers() {
  local dir
  [ -z "${proxy_pid:-}" ] || kill -s KILL "$proxy_pid" 2>/dev/null || true
  for dir in "$scratch"/*/; do
    [ ! -e "$dir/kind" ] || tests/setup/cluster.sh stop "${dir%/}" || true
  done
}

setup() {
  tests/setup/deps.sh
  background mysql97 tests/setup/mysql97.sh
  # What dumps through the read-only port; a test says if it is missing.
  [ "$1" = lint ] || background mydumper tests/setup/deps.sh packages mydumper:mydumper
  [ "$1" = lint ] || background kubernetes tests/setup/kubernetes-build.sh
  [ ! -x tests/suites/clients/run.sh ] || [ "$1" = lint ] || background clients-install tests/suites/clients/run.sh --install
  [ "$1" = lint ] || background page-install tests/suites/page/setup.sh
  [ "$1" = lint ] || background collector tests/setup/collector.sh
  case $1 in
    e2e)
      background apps-install tests/suites/apps/run.sh --install
      background logins-install tests/suites/clients/run.sh matrix --install
      ;;
    all) background apps-install tests/suites/apps/run.sh --install --only "$some_apps" ;;
  esac
}

mysql_there() {
  local rc=0
  finished mysql97 || rc=$?
  [ "$rc" = 0 ] || skip_stage "MySQL 9.7" "$(grep -h SKIPPED "$report/mysql97.log" || tail -n 1 "$report/mysql97.log")"
  return "$rc"
}

kubernetes_there() {
  local rc=0
  finished kubernetes || rc=$?
  [ "$rc" = 0 ] || skip_stage "Kubernetes" "$(grep -h SKIPPED "$report/kubernetes.log" || tail -n 1 "$report/kubernetes.log")"
  return "$rc"
}

lint() {
  stage format cargo fmt --check
  if command -v shellcheck >/dev/null; then
    # shellcheck disable=SC2046  # one argument a file
    stage shellcheck shellcheck -x -S warning $(git ls-files '*.sh' .ci/run | grep -v '^tests/suites/clients/')
  else
    skip_stage shellcheck "not installed"
  fi
}
clippy() {
  stage clippy cargo clippy --locked --workspace --all-targets -- -D warnings
  stage "clippy of the demo's build" cargo clippy --locked --no-default-features --bin pointsman -- -D warnings
}
# The fuzz targets are a workspace of their own, so no other command of cargo notices that one does not compile any more.
fuzz_compiles() { stage "fuzz targets compile" cargo check --quiet --manifest-path fuzz/Cargo.toml --target-dir "$target" --bins; }

rust_tests() { # cargo test's arguments
  stage build cargo test --locked --no-run "$@"
  [ "$status" = 0 ] || return 0
  # What the fuzz stage runs, much later: a target that does not compile any more is told now. Only a whole run has that stage.
  if [ $# = 0 ] && command -v c++ >/dev/null; then
    stage "build of the fuzz targets" cargo build --quiet --manifest-path fuzz/Cargo.toml --target-dir "$target" --bins
  fi
  mysql_there || true
  kubernetes_there || true
  # Two cores have no room for compilers beside tests that look at the clock. For the same reason no other stage runs
  # beside these: most tests wait most of the time, and so many of them run at once that the machine is busy.
  local name
  for name in "${!jobs_by_name[@]}"; do finished "$name" || true; done
  stage "cargo test" cargo test --locked --no-fail-fast "$@"
  local first_try=$status
  uring
  [ "$first_try" = 0 ] || second_try
}
# The same on epoll: everything else runs with the driver that the system has, which is io_uring where that is allowed.
on_epoll() { # the integration tests' names; none: all
  stage "on epoll" env IO_DRIVER=epoll SOUPS=20000 ALIKE_STEPS=3000 cargo test --locked --no-fail-fast --test it -- "$@"
}
# The crate with unsafe code, with the address sanitizer. (The compiler has it only as an unstable option. A ring that is
# dropped with something under way leaks its buffers, as it must.)
uring() {
  stage "uring with the address sanitizer" env RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=detect_leaks=0 \
    cargo test --locked --package pointsman-uring --lib --target "$(rustc -vV | sed -n 's/^host: //p')" --target-dir "$target/asan"
}
# A few failed tests with real servers run once more, one at a time, as `unsteady_stage` does. Tests that look for wrong
# answers, lost writes and attackers that get through have one try, and so have tests without a server: no clock is in them.
second_try() {
  local log=$report/cargo-test.log names=() name
  [ "$(grep -A 1 '^error: [0-9]* targets* failed' "$log" | tail -n 1)" = '    `-p pointsman --test it`' ] || return 0
  mapfile -t names < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log")
  [ ${#names[@]} -ge 1 ] && [ ${#names[@]} -le 3 ] || return 0
  for name in "${names[@]}"; do
    # Its relay races with the clients; it always makes the same changes.
    case $name in attacks::hostile::*_any_lie) continue ;; esac
    case $name in alike::* | attacks::* | commits::* | consistency::* | faults::* | knowledge::* | levels::* | orders::* | positions::* | replica_port::*) return 0 ;; esac
  done
  stage "second try of ${names[*]//::/.}" env RUST_TEST_THREADS=1 cargo test --locked --test it -- --exact "${names[@]}"
  [ "$status" = 0 ] || return 0
  sed -i '/^cargo test$/d' "$report/failed.list"
  [ -s "$report/failed.list" ] || rm "$report/failed.list"
  note counts "0 -${#names[@]} 0"
  note unsteady "${names[*]}"
}

# The proxy for all stages that start it, built once: cargo lets one lane wait while another lane's compiler is at work.
built() {
  [ -z "${POINTSMAN:-}" ] || return 0
  cargo build --locked --quiet
  export POINTSMAN=$target/debug/pointsman
}

# What `cargo test` plays in front of MariaDB with semi-synchronous replication, in front of others.
faults() { # kind, runs, variable=value …
  local kind=$1 runs=$2
  if [ "$kind" = mysql ] && ! finished mysql97; then skip_stage "faults on mysql" "no MySQL 9.7"; return; fi
  stage "faults on $kind${3:+, $3}" env KIND="$kind" FAULTS="$runs" "${@:3}" cargo test --locked --test it faults::clients_are_told
}

# Every client through the proxy, in front of one kind of server.
clients() { # kind
  local kind=$1
  if [ ! -x tests/suites/clients/run.sh ]; then skip_stage "clients on $kind" "no tests/suites/clients/run.sh"; return; fi
  finished clients-install || say "some clients could not be installed, see $report/clients-install.log"
  if [ "$kind" = mysql ] && ! finished mysql97; then skip_stage "clients on mysql" "no MySQL 9.7"; return; fi
  built
  if start_proxied "$kind"; then
    # One kind in the clear, the other one encrypted.
    local channel=(); [ "$kind" = mariadb ] || channel=(--tls)
    unsteady_stage "clients on $kind${channel:+, over TLS}" tests/suites/clients/run.sh --port "$rw" --flavor "$kind" "${channel[@]}"
    no_leak "$kind"
  else
    fail_stage "clients on $kind" "the proxy did not become ready, see $report/proxy-$kind.log"
    tail -n 20 "$report/proxy-$kind.log" >&2 || true
  fi
  stop_proxied "$kind"
}

# Every driver logs in, directly and through the proxy: see tests/suites/clients/matrix/README.md.
logins() { # kind [--short]
  local kind=$1 line
  if [ ! -x tests/suites/clients/run.sh ]; then skip_stage "logins on $kind" "no tests/suites/clients/run.sh"; return; fi
  finished clients-install || true
  finished logins-install || true
  if [ "$kind" = mysql ] && ! finished mysql97; then skip_stage "logins on mysql" "no MySQL 9.7"; return; fi
  built
  unsteady_stage "logins on $kind" tests/suites/clients/run.sh matrix --binary "$POINTSMAN" --flavor "$kind" --log "$report/proxy-logins-$kind.log" "${@:2}"
  while read -r line; do note not_run "logins on $kind: ${line#SKIPPED }"; done < <(grep '^SKIPPED ' "$report/logins-on-$kind.log")
}

# A server that somebody else wrote, see tests/suites/clients/README.md.
opensrv() {
  if [ ! -x tests/suites/clients/run.sh ]; then skip_stage opensrv "no tests/suites/clients/run.sh"; return; fi
  finished clients-install || true
  built
  stage opensrv tests/suites/clients/run.sh opensrv --binary "$POINTSMAN" --log "$report/proxy-opensrv.log"
}

# A stage with programs that its set-up gets or builds, where they can be had.
with_programs() { # stage, set-up, script
  local rc=0 log=$report/$1-setup.log
  built
  "$2" >"$log" 2>&1 || rc=$?
  case $rc in
    0) unsteady_stage "$1" "$3" --binary "$POINTSMAN" ;;
    "$SKIPPED") skip_stage "$1" "$(grep -h '^SKIPPED: ' "$log")" ;;
    *) fail_stage "$1" "its programs could not be had, see $log" ;;
  esac
}
# Logins that only the client can do, with a KDC.
gssapi() { with_programs gssapi tests/setup/gssapi.sh tests/suites/gssapi/run.sh; }
# The alert rules and the dashboard, with a Prometheus.
alerts() { with_programs alerts tests/setup/prometheus.sh tests/suites/alerts/run.sh; }

# Instrumented clients, and a collector of OpenTelemetry.
traces() {
  finished collector || true
  with_programs traces tests/setup/collector.sh tests/suites/traces/run.sh
}

# The page in a real browser: see tests/suites/page/run.sh.
page() {
  local rc=0
  built
  finished page-install || rc=$?
  if [ "$rc" = 0 ]; then unsteady_stage page tests/suites/page/run.sh --binary "$POINTSMAN"
  elif grep -q SKIPPED "$report/page-install.log" 2>/dev/null; then skip_stage page "$(sed -n 's/^SKIPPED: page: //p' "$report/page-install.log")"
  else fail_stage page "its programs could not be installed, see $report/page-install.log"; fi
}

# Small applications on real frameworks, with the share of their reads that replicas served.
some_apps=sqlalchemy,knex,gorm # what costs little, for every run
apps() { # kind [--only app,…]
  local kind=$1 replica replicas=()
  shift
  finished apps-install || say "some applications could not be installed, see $report/apps-install.log"
  if [ "$kind" = mysql ] && ! finished mysql97; then skip_stage "applications on mysql" "no MySQL 9.7"; return; fi
  built
  if start_proxied "$kind" split; then
    for replica in 1 2; do replicas+=(--replica "$(tests/setup/cluster.sh port "$scratch/$kind" "$replica")"); done
    unsteady_stage "applications on $kind" tests/suites/apps/run.sh --rw "$rw" --ro "$ro" --flavor "$kind" \
      --direct-primary "$(tests/setup/cluster.sh port "$scratch/$kind" 0)" "${replicas[@]}" "$@"
  else
    fail_stage "applications on $kind" "the proxy did not become ready, see $report/proxy-$kind.log"
  fi
  stop_proxied "$kind"
}

# Two proxies behind one address, restarted under pools of connections: see tests/suites/clients/README.md.
rolling() { # [--form full]
  local servers=$scratch/rolling
  if [ ! -x tests/suites/clients/run.sh ]; then skip_stage "rolling restart" "no tests/suites/clients/run.sh"; return; fi
  finished clients-install || true
  built
  if tests/setup/cluster.sh start "$servers" mariadb 1; then
    unsteady_stage "rolling restart" tests/suites/clients/run.sh rolling --binary "$POINTSMAN" --cluster "$servers" \
      --log "$report/proxy-rolling.log" "$@"
  else
    fail_stage "rolling restart" "the servers did not start"
  fi
  [ ! -e "$servers/kind" ] || tests/setup/cluster.sh stop "$servers"
}

# The corpus on a server and through the proxy in front of servers like it: see tests/suites/equality/README.md. The session on
# the server is not encrypted, and some answers tell (Ssl_cipher), so the proxy's are not either.
equality() { # kind
  local kind=$1 servers=$scratch/$1 direct=$scratch/$1-direct
  if [ ! -x tests/suites/clients/run.sh ]; then skip_stage "equality on $kind" "no tests/suites/clients/run.sh"; return; fi
  finished clients-install || true
  if [ "$kind" = mysql ] && ! finished mysql97; then skip_stage "equality on mysql" "no MySQL 9.7"; return; fi
  built
  if tests/setup/cluster.sh start "$direct" "$kind" 0 && start_proxied "$kind" split '\n[servers_tls]\nmode = "disabled"\n'; then
    stage "equality on $kind" tests/suites/clients/run.sh equality --flavor "$kind" --corpus tests/suites/equality --settle 1100 --pauses 14 \
      --direct "$(tests/setup/cluster.sh port "$direct")" --proxy "$rw" --primary "$(tests/setup/cluster.sh port "$servers")" \
      --replicas "$(tests/setup/cluster.sh port "$servers" 1),$(tests/setup/cluster.sh port "$servers" 2)"
  else
    fail_stage "equality on $kind" "the proxy did not become ready, see $report/proxy-$kind.log"
    tail -n 20 "$report/proxy-$kind.log" >&2 || true
  fi
  stop_proxied "$kind"
  [ ! -e "$direct/kind" ] || tests/setup/cluster.sh stop "$direct"
}

# A cluster and the proxy before it, the read-write port in this mode; sets rw, ro and http. These stages have no failover:
# a server is down after three intervals, and whatever stands still for two seconds must not be.
start_proxied() { # kind [mode [more configuration]]
  rw=$(free_port) ro=$(free_port) http=$(free_port)
  tests/setup/cluster.sh start "$scratch/$1" "$1" 2 || return 1
  tests/setup/cluster.sh config "$scratch/$1" "$rw" "$ro" "$http" >"$scratch/$1.toml"
  sed -i 's/^password = "monitor"/&\ninterval = "1s"/' "$scratch/$1.toml"
  [ -z "${2:-}" ] || sed -i "0,/^mode = .*/s//mode = \"$2\"/" "$scratch/$1.toml"
  # Drivers compress where that is offered.
  sed -i 's/^mode = .*/&\ncompression = "any"/' "$scratch/$1.toml"
  printf '%b' "${3:-}" >>"$scratch/$1.toml"
  start_proxy "$1"
}

start_proxy() { # kind: with $scratch/kind.toml
  local _
  "$POINTSMAN" run --config "$scratch/$1.toml" >>"$report/proxy-$1.log" 2>&1 &
  proxy_pid=$!
  for _ in $(seq 600); do
    curl -fsS -o /dev/null "http://127.0.0.1:$http/readyz" 2>/dev/null && return
    kill -0 "$proxy_pid" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}

stop_proxy() {
  [ -z "${proxy_pid:-}" ] || { kill "$proxy_pid" 2>/dev/null && wait "$proxy_pid"; } || true
  proxy_pid=
}

# A short run each time, in an order that can be had again; e2e goes on, by chance.
leak_options=(--seed 1 --statements 20000)
# 300 sessions over 8 server connections, on the cluster of start_proxied; then once with sabotage, which must be noticed.
no_leak() { # kind
  local options=(--port "$rw" --direct "$(tests/setup/cluster.sh port "$scratch/$1" 0)" --user "app:app,super:super" --sessions 300 --pins 3 --shrink-seconds 60)
  stop_proxy
  # The catalogue sees everything, so that connections may go to another session as they are.
  mariadb --no-defaults -uroot -S "$scratch/$1/0/sock" -e "GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'"
  sed -i '0,/mode = .*/s//mode = "split"/' "$scratch/$1.toml"
  printf '\n[limits]\nmax_server_connections = 8\n' >>"$scratch/$1.toml"
  if start_proxy "$1"; then
    stage "no leak on $1" tests/suites/clients/run.sh noleak "${options[@]}" "${leak_options[@]}"
    stage "sabotage on $1" tests/suites/clients/run.sh noleak "${options[@]}" --statements 20000 --sabotage 200 --must-fail
  else
    fail_stage "no leak on $1" "the proxy did not become ready, see $report/proxy-$1.log"
  fi
}

stop_proxied() { # kind
  stop_proxy
  [ ! -e "$scratch/$1/kind" ] || tests/setup/cluster.sh stop "$scratch/$1"
}

# The chart and the overlays against a real API server.
manifests() {
  built
  if finished kubernetes; then unsteady_stage manifests tests/suites/kubernetes/manifests.sh
  else skip_stage manifests "no Kubernetes API server"; fi
}

# The chart installed, with pods that run.
installed() {
  built
  if ! finished kubernetes; then skip_stage install "no Kubernetes API server"
  elif ! quiet tests/suites/kubernetes/install.sh --may; then skip_stage install "namespaces need root"
  else unsteady_stage install tests/suites/kubernetes/install.sh; fi
}

# A real node, an operator, the chart, clients that keep books: see tests/suites/cluster/run.sh.
node() { # [--built] [SCENE …|--short]
  local why
  built
  if ! finished kubernetes; then skip_stage cluster "no Kubernetes API server"
  elif ! why=$(tests/suites/cluster/cluster.sh may 2>&1); then skip_stage cluster "${why#== }"
  elif [ "${1:-}" = --built ] && ! quiet tests/setup/node-build.sh --there; then
    skip_stage cluster "the node's programs are not built here, which takes five minutes: tests/setup/node-build.sh"
  else
    unsteady_stage cluster tests/suites/cluster/run.sh "$@"
    [ $# != 0 ] || unsteady_stage "cluster without an operator" tests/suites/cluster/run.sh --home-made
    [ $# != 0 ] || unsteady_stage "cluster with MOCO" tests/suites/cluster/run.sh --moco
    [ $# != 0 ] || unsteady_stage "cluster with KubeBlocks" tests/suites/cluster/run.sh --kubeblocks
    [ $# != 0 ] || unsteady_stage "cluster with an InnoDBCluster" tests/suites/cluster/run.sh --innodbcluster
    [ $# != 0 ] || unsteady_stage "cluster with RadonDB" tests/suites/cluster/run.sh --radondb
  fi
}

fuzz() {
  # By chance only where someone asks for it: what a change did not break must not stop it.
  if [ -n "${FUZZ_SECONDS:-}" ]; then stage fuzz fuzz/run.sh "$FUZZ_SECONDS"
  else stage fuzz env REPEATABLE=5000 fuzz/run.sh; fi
}

# Compiles everything once more, optimized, which takes ten minutes.
cost() {
  tests/setup/deps.sh packages valgrind:valgrind
  stage cost tests/suites/cost/run.py
}

# Allocations and clock reads, with the program of the unit tests.
cost_short() {
  tests/setup/deps.sh packages valgrind:valgrind
  stage "cost, short" tests/suites/cost/run.py --short
}

# Four for a statement.
system_calls() {
  tests/setup/deps.sh packages strace:strace
  if ! quiet strace -o /dev/null true; then skip_stage "system calls" "processes may not be traced here"; return; fi
  built
  unsteady_stage "system calls" tests/suites/cost/system_calls.sh --binary "$POINTSMAN"
}

# The library is apt's own.
seccomp() {
  built
  stage "seccomp profile" tests/suites/seccomp/run.sh --binary "$POINTSMAN"
}

# Everything of a release but its builds, which take half an hour: `make dist` and `make dist-test`.
release() {
  built
  unsteady_stage release tests/suites/release/short.sh
}

deny_tool() { PATH=$CACHE/tools/bin:$PATH command -v cargo-deny; }
deny() {
  local tool
  if [ ! -e deny.toml ]; then skip_stage "cargo deny" "no deny.toml"; return; fi
  # Minutes the first time: here, in the compilers' lane, nobody waits for it.
  deny_tool >/dev/null || quiet cargo install --locked --quiet cargo-deny --root "$CACHE/tools" || true
  tool=$(deny_tool) || { skip_stage "cargo deny" "cargo-deny could not be installed"; return; }
  # Fetches the crates of other platforms, too.
  quiet cargo fetch --locked || { skip_stage "cargo deny" "its crates cannot be fetched"; return; }
  stage "cargo deny" "$tool" --offline --locked -L error check bans licenses sources
  # The advisories come from a Git server that may be out of reach.
  if quiet timeout 60 "$tool" fetch db; then stage advisories "$tool" --locked -L error check advisories
  else skip_stage advisories "their database cannot be fetched"; fi
}

# Lanes: every kind of server, and what needs neither. Clients, drivers and applications wait for servers most of the time,
# and for pauses of their own; none of them is judged by the clock within less than seconds.
mariadb_lane() { # what rolling takes, what apps takes, what logins takes
  clients mariadb
  # shellcheck disable=SC2086  # several words
  logins mariadb $3
  gssapi
  opensrv
  traces
  page
  equality mariadb
  # shellcheck disable=SC2086
  apps mariadb $2
  # shellcheck disable=SC2086
  rolling $1
}
mysql_lane() { # what apps takes, what logins takes
  clients mysql
  # shellcheck disable=SC2086
  logins mysql $2
  equality mysql
  # shellcheck disable=SC2086
  apps mysql $1
}
kubernetes_lane() { # [--node]
  manifests
  installed
  release
  [ -z "${1:-}" ] || node --built --short
}
# Takes only what the other lanes leave of the cores, so that no probe and no pause of theirs waits for a compiler.
compilers_lane() {
  renice -n 19 "$BASHPID" >/dev/null
  clippy
  fuzz
  deny
  system_calls
  seccomp
  cost_short
}

trap on_exit EXIT
trap 'exit 130' INT TERM
# More threads than the tests have room for: see tests/support/room.rs.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-16}
case ${1:-all} in
  all)
    setup all
    export SOUPS=${SOUPS:-40000} PAIRS=${PAIRS:-9000} ALIKE_STEPS=${ALIKE_STEPS:-6000}
    export PROPTEST_RNG_SEED=1 # CI repeats; e2e looks for new cases
    lint
    rust_tests
    on_epoll sessions failover traces::a_switchover compression operating
    faults mysql 6
    built
    lane mariadb mariadb_lane "" "--only $some_apps" --short
    lane mysql mysql_lane "--only $some_apps" --short
    lane kubernetes kubernetes_lane --node
    lane compilers compilers_lane
    join_lanes
    ;;
  e2e)
    setup e2e
    leak_options=(--seed "$RANDOM" --seconds 120)
    export ORDERS=${ORDERS:-500} FAULTS=${FAULTS:-180} PAIRS=${PAIRS:-500000} POINTSMAN_SEED=${POINTSMAN_SEED:-$RANDOM}
    export SOUPS=${SOUPS:-1000000} ALIKE_STEPS=${ALIKE_STEPS:-1000000}
    rust_tests --test it
    on_epoll
    faults mysql 57
    faults mysql 19 LOOKED_UP=1
    faults mariadb 19 ASYNC=1
    built
    lane mariadb mariadb_lane "--form full" "" ""
    lane mysql mysql_lane "" ""
    lane kubernetes kubernetes_lane
    lane alerts alerts
    join_lanes
    node
    stage "tests of MariaDB" tests/suites/clients/run.sh own --binary "$POINTSMAN" --log "$report/proxy-own.log"
    cost
    system_calls
    ;;
  lint)
    lint
    clippy
    fuzz_compiles
    # Prints large files and the modules' dependencies, for a reader.
    stage structure cargo test --locked --quiet --test architecture -- --nocapture report
    ;;
  *) die "usage: run.sh all|e2e|lint" ;;
esac
summary
