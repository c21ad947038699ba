#!/usr/bin/env bash
# A primary (server 0) and replicas (1 … n) on loopback, for the demo, the benchmark and the client suites.
# usage: cluster.sh start DIR mariadb|mysql REPLICAS [SERVER OPTION …]   in the background; the servers run until `stop`
#        cluster.sh switchover DIR [N]    planned: the primary turns read-only, N (default: the next) takes over
#        cluster.sh promote DIR [N]       the primary is lost; N takes over with every write that any replica received
#        cluster.sh kill|freeze|thaw DIR N   SIGKILL, SIGSTOP, SIGCONT
#        cluster.sh rejoin DIR N          a lost server returns as a replica, with empty data
#        cluster.sh port|primary DIR [N]  prints a server's port (default: the primary's) or the primary's number
#        cluster.sh config DIR RW RO HTTP prints a proxy configuration with these ports
#        cluster.sh stop DIR              ends all servers and removes DIR
# switchover and promote print "writable_at NANOSECONDS": Unix time just before the new primary becomes writable.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)

sql() { # server, statements: as root through its socket, past every proxy
  mariadb --no-defaults -uroot -S "$dir/$1/sock" --connect-timeout=20 -N -B -e "$2"
}

port_of() { cat "$dir/$1/port"; }
primary() { cat "$dir/primary"; }
running() { # server: its process id, if it is alive and really ours
  local pid
  pid=$(cat "$dir/$1/harness.pid" 2>/dev/null) || return 1
  { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF "$dir/$1" || return 1
  echo "$pid"
}
servers() { local s; for s in "$dir"/*/port; do basename "$(dirname "$s")"; done; }
replicas() { local s; for s in $(servers); do [ "$s" = "$(primary)" ] || ! running "$s" >/dev/null || echo "$s"; done; }

spawn() { # server, server id, role
  local options
  mkdir -p "$dir/$1"
  mapfile -t options <"$dir/options"
  "$here/server.sh" run "$kind" "$(port_of "$1")" "$dir/$1" "$2" "$3" "${options[@]}" </dev/null >>"$dir/$1/log" 2>&1 9>&- &
  echo $! >"$dir/$1/harness.pid"
}

wait_ready() { # server
  local _
  for _ in $(seq 1200); do
    sql "$1" 'SELECT 1' >/dev/null 2>&1 && return
    running "$1" >/dev/null || { sleep 0.2; running "$1" >/dev/null || break; }
    sleep 0.1
  done
  tail -n 20 "$dir/$1/log" >&2
  die "server $1 did not start"
}

follow() { # server, source
  if [ "$kind" = mariadb ]; then
    sql "$1" "STOP SLAVE; SET GLOBAL gtid_slave_pos = @@gtid_current_pos; CHANGE MASTER TO MASTER_HOST='127.0.0.1',
      MASTER_PORT=$(port_of "$2"), MASTER_USER='repl', MASTER_PASSWORD='repl', MASTER_CONNECT_RETRY=1,
      MASTER_USE_GTID=slave_pos; START SLAVE"
  else
    sql "$1" "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=$(port_of "$2"),
      SOURCE_USER='repl', SOURCE_PASSWORD='repl', SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=86400,
      SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1; START REPLICA"
  fi
}

gtid() { # server
  if [ "$kind" = mariadb ]; then sql "$1" 'SELECT @@gtid_current_pos'
  else sql "$1" "SELECT REPLACE(@@gtid_executed, '\n', '')"; fi
}

wait_for() { # server, position
  local answer
  [ -n "$2" ] || return 0
  if [ "$kind" = mariadb ]; then answer=$(sql "$1" "SELECT MASTER_GTID_WAIT('$2', 60)")
  else answer=$(sql "$1" "SELECT WAIT_FOR_EXECUTED_GTID_SET('$2', 60)"); fi
  [ "$answer" = 0 ] || die "server $1 did not reach $2 in a minute"
}

# Stops receiving, applies what was received, prints the position.
apply_received() { # server
  local position
  if [ "$kind" = mariadb ]; then
    sql "$1" 'STOP SLAVE IO_THREAD'
    position=$(mariadb --no-defaults -uroot -S "$dir/$1/sock" -e 'SHOW SLAVE STATUS\G' | sed -n 's/^ *Gtid_IO_Pos: //p')
  else
    sql "$1" 'STOP REPLICA IO_THREAD'
    position=$(sql "$1" "SELECT REPLACE(received_transaction_set, '\n', '') FROM performance_schema.replication_connection_status")
  fi
  wait_for "$1" "$position"
  gtid "$1"
}

make_primary() { # server
  local old s
  old=$(primary)
  if [ "$kind" = mariadb ]; then sql "$1" 'STOP SLAVE; RESET SLAVE ALL'
  else sql "$1" 'STOP REPLICA; RESET REPLICA ALL'; fi
  # The server's clock, on the same connection: starting a client takes longer than a proxy may need to notice.
  echo "writable_at $(sql "$1" 'SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS UNSIGNED); SET GLOBAL read_only = 0')000"
  echo "$1" >"$dir/primary"
  # A lost primary stays as it is; one that was made read-only follows.
  for s in $(replicas); do
    if [ "$s" != "$old" ] || [ "${2:-}" = planned ]; then follow "$s" "$1"; fi
  done
}

next() { local s; for s in $(replicas); do echo "$s"; return; done; die "no replica is running"; }

start() { # replicas, server options…
  local i
  mkdir -p "$dir"
  printf '%s\n' "${@:2}" | grep . >"$dir/options" || true
  "$here/server.sh" template "$kind"
  echo "$kind" >"$dir/kind"
  echo 0 >"$dir/primary"
  for i in $(seq 0 "$1"); do
    mkdir -p "$dir/$i"
    free_port >"$dir/$i/port"
    spawn "$i" $((i + 1)) "$([ "$i" = 0 ] && echo primary || echo replica)"
  done
  for i in $(seq 0 "$1"); do wait_ready "$i"; done
  for i in $(replicas); do follow "$i" 0; done
}

switchover() { # server
  sql "$(primary)" "SET GLOBAL $([ "$kind" = mariadb ] || echo super_)read_only = 1"
  wait_for "$1" "$(gtid "$(primary)")"
  make_primary "$1" planned
}

promote() { # server
  local s position
  for s in $(replicas); do apply_received "$s" >"$dir/$s/position"; done
  for s in $(replicas); do
    position=$(cat "$dir/$s/position")
    if [ -n "$position" ] && [ "$position" != "$(cat "$dir/$1/position")" ]; then
      follow "$1" "$s" # semi-sync promises that one replica has a write, not that this one has it
      wait_for "$1" "$position"
    fi
  done
  make_primary "$1"
}

end() { # server, signal
  local pid
  pid=$(running "$1") || return 0
  "$here/signal.sh" "$2" "$pid" 2>/dev/null || true
}

stop() {
  local s _
  for s in $(servers); do end "$s" KILL; done
  for s in $(servers); do
    for _ in $(seq 50); do running "$s" >/dev/null || break; sleep 0.05; done
  done
  rm -rf "$dir"
}

rejoin() { # server
  local port
  port=$(port_of "$1")
  end "$1" KILL
  sleep 0.2
  rm -rf "${dir:?}/$1"
  mkdir -p "$dir/$1"
  echo "$port" >"$dir/$1/port"
  spawn "$1" $((100 + RANDOM)) replica # a new identity, or it would skip the events of its former life
  wait_ready "$1"
  follow "$1" "$(primary)"
}

config() { # rw, ro, http
  local s
  printf '[[listeners]]\nname = "rw"\naddress = "127.0.0.1:%s"\nmode = "primary"\n\n' "$1"
  printf '[[listeners]]\nname = "ro"\naddress = "127.0.0.1:%s"\nmode = "replica"\n\n' "$2"
  printf '[admin]\nhttp = "127.0.0.1:%s"\n\n[discovery]\nkind = "static"\n' "$3"
  # No [[users]]: the proxy finds the accounts in the servers' tables.
  printf '\n[monitor]\nuser = "monitor"\npassword = "monitor"\n'
  for s in $(servers); do
    printf '\n[[discovery.servers]]\nname = "db-%s"\naddress = "127.0.0.1:%s"\n' "$s" "$(port_of "$s")"
  done
}

[ $# -ge 2 ] || { sed -n '2,12s/^# //p' "$0"; exit 2; }
verb=$1 dir=$2
if [ "$verb" = start ]; then kind=${3:-mariadb}; else kind=$(cat "$dir/kind") || die "no cluster in $dir"; fi
case $verb in
  start) start "${4:-2}" "${@:5}" ;;
  switchover | promote) "$verb" "${3:-$(next)}" ;;
  kill) end "$3" KILL ;;
  freeze) end "$3" STOP ;;
  thaw) end "$3" CONT ;;
  rejoin) rejoin "$3" ;;
  port) port_of "${3:-$(primary)}" ;;
  primary) primary ;;
  config) config "$3" "$4" "$5" ;;
  stop) stop ;;
  *) die "unknown: $verb" ;;
esac
