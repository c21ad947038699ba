#!/usr/bin/env bash
# HAProxy in front of the servers of tests/it/faults.rs, as RIVAL: it forwards to the server that is writable, checked twice a second.
# env: SERVERS="host:port …" PORT
set -euo pipefail
PATH=$PATH:/usr/sbin
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-haproxy.XXXX")
trap 'kill "${haproxy:-}" 2>/dev/null || true; rm -rf "$scratch"' EXIT
trap 'exit 143' INT TERM

cat >"$scratch/check" <<'CHECK'
#!/bin/sh
# HAProxy's arguments: its own address and port, the server's address and port.
[ "$(timeout 2 mariadb --no-defaults -h "$3" -P "$4" -umonitor -pmonitor -N -e 'SELECT @@read_only')" = 0 ]
CHECK
chmod +x "$scratch/check"
{
  cat <<EOF
global
  maxconn 2000
  external-check
  insecure-fork-wanted
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
listen mysql
  bind 127.0.0.1:$PORT
  balance first
  option external-check
  external-check path "$PATH"
  external-check command $scratch/check
  default-server check inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
EOF
  number=0
  for server in $SERVERS; do
    echo "  server db-$number $server"
    number=$((number + 1))
  done
} >"$scratch/haproxy.cfg"
haproxy -db -f "$scratch/haproxy.cfg" >"$scratch/log" 2>&1 &
haproxy=$!
wait "$haproxy"
