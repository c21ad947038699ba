#!/usr/bin/env bash
# `make demo`, `pointsman demo`: a MariaDB primary with two replicas and the proxy in front of them, all on loopback in a scratch folder,
# with some traffic and a live table. Ctrl-C ends and removes all of it.
# env: POINTSMAN_DEMO  the scratch folder (default /tmp/pointsman-demo)
#      POINTSMAN       the program (default: the installed one of this version, otherwise it is built here)
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=../../tests/setup/lib.sh
. tests/setup/lib.sh
demo=${POINTSMAN_DEMO:-${TMPDIR:-/tmp}/pointsman-demo}
cluster=tests/setup/cluster.sh
pids=()
servers_pid=

finish() {
  local pid _
  # Who reads along (`make demo | tee log`) gets the same Ctrl-C, and may be gone.
  trap '' INT TERM PIPE
  trap - EXIT
  { echo && say "ending the demo"; } || exec >/dev/null 2>&1
  for pid in "${pids[@]}"; do kill -s TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do
    for _ in $(seq 30); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -s KILL "$pid" 2>/dev/null || true
  done
  # What is still being installed or started is waited for: half a package, or a server that nobody knows of, would stay behind.
  [ -z "$servers_pid" ] || wait "$servers_pid" || true
  [ ! -e "$demo/servers/kind" ] || $cluster stop "$demo/servers"
  rm -rf "$demo"
}

# The wanted port, or the next free one, said aloud. Those before a demo of the same name look here for it.
pick() { # name, wanted
  local port=$2
  while port_taken "$port"; do port=$((port + 1)); done
  [ "$port" = "$2" ] || say "port $2 is taken: $1 is on $port"
  echo "$port" >"$demo/$1"
}
port() { cat "$demo/$1"; }

ready() { # without curl, which a fresh machine may not have
  local line
  exec 4<>"/dev/tcp/127.0.0.1/$(port http)" || return 1
  printf 'GET /readyz HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n' >&4
  read -r line <&4 || true
  exec 4>&-
  [[ $line == *" 200 "* ]]
}

# The program of a package, if it has this source's version.
installed() {
  local version found
  version=$(sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml)
  found=$(command -v pointsman) || return 1
  [ "$("$found" --version 2>/dev/null)" = "pointsman $version" ] || return 1
  echo "$found"
}

start_proxy() {
  local _
  $cluster config "$demo/servers" "$(port rw)" "$(port ro)" "$(port http)" \
    | sed '0,/^mode = .*/s//mode = "split"/' >"$demo/pointsman.toml"
  "$bin" run --config "$demo/pointsman.toml" >"$demo/log" 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do
    if ready 2>/dev/null; then return; fi
    kill -0 $! 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$demo/log" >&2
  die "the proxy did not become ready"
}

# A few statements a second, so that the table shows life. The table they write never has more than 1,000 rows.
traffic() { # port, kind
  local client=()
  trap 'kill "${client[@]}" 2>/dev/null; exit' TERM
  while :; do
    statements "$2" | mariadb --no-defaults -h127.0.0.1 -P"$1" -uapp -papp test >/dev/null 2>&1 &
    client=($!)
    wait || true
    sleep 0.3
  done
}
statements() {
  local n=0
  if [ "$1" = writes ]; then echo 'CREATE TABLE IF NOT EXISTS traffic (id INT PRIMARY KEY, at DATETIME(6));'; fi
  while :; do
    n=$((n + 1))
    if [ "$1" = writes ]; then echo "REPLACE INTO traffic VALUES ($n % 1000, NOW(6));"
    else echo "SELECT COUNT(*), MAX(at) FROM traffic;"; fi
    sleep 0.1
  done
}

if [ -e "$demo/pid" ] && kill -0 "$(cat "$demo/pid")" 2>/dev/null; then die "a demo runs already, process $(cat "$demo/pid")"; fi
[ ! -e "$demo/servers/kind" ] || $cluster stop "$demo/servers" # left behind by one that was killed
rm -rf "$demo"
mkdir -p "$demo"
echo $$ >"$demo/pid"
trap finish EXIT
trap 'exit 0' INT TERM

# The servers come up while the compiler works. Where sudo asks for a password, the installation comes first, alone on the terminal.
servers() {
  tests/setup/deps.sh servers
  $cluster start "$demo/servers" mariadb 2
}
if PATH=$PATH:/usr/sbin:/sbin command -v mariadbd >/dev/null; then say "starting a primary and two replicas"
else
  say "installing MariaDB, then starting a primary and two replicas"
  if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then tests/setup/deps.sh servers; fi
fi
servers >"$demo/servers.log" 2>&1 &
servers_pid=$!
moves="make demo-failover" kills="make demo-failover KILL=1"
if [ -n "${POINTSMAN:-}" ]; then
  bin=$POINTSMAN moves="pointsman demo failover" kills="pointsman demo failover --kill"
elif bin=$(installed); then
  say "using $bin; without it the demo builds the proxy from this source"
else
  say "building the proxy: under two minutes the first time"
  cargo build --profile demo --no-default-features --locked
  bin=${CARGO_TARGET_DIR:-target}/demo/pointsman
fi
wait "$servers_pid" || { cat "$demo/servers.log" >&2; die "the servers did not start"; }
servers_pid=
pick rw 3306
pick ro 6447
pick http 9090
say "starting the proxy"
start_proxy
traffic "$(port rw)" writes &
pids+=($!)
traffic "$(port ro)" reads &
pids+=($!)

cat >"$demo/note" <<EOF

  The proxy is up. In another terminal:

    mariadb -h127.0.0.1 -P$(port rw) -uapp -papp test     read-write: writes go to the primary, reads to a replica
    mariadb -h127.0.0.1 -P$(port ro) -uapp -papp test     read-only: goes to a replica
    $(printf '%-54s' "$moves")move the primary, planned
    $(printf '%-54s' "$kills")kill the primary, promote a replica
    $bin top --url http://127.0.0.1:$(port http)
    curl http://127.0.0.1:$(port http)/metrics

  In a browser: http://127.0.0.1:$(port http)/

  Servers and logs are in $demo. Ctrl-C ends everything.

EOF
cat "$demo/note"
# In the background, so that a signal to this script alone ends it too.
"$bin" status --watch --note "$demo/note" --url "http://127.0.0.1:$(port http)" &
pids+=($!)
wait $! || true
say "no live table; the demo runs on until Ctrl-C"
wait "${pids[0]}"
