#!/bin/sh
# Sends a signal by name.  signal.sh NAME PID
# With STOP it returns when every thread has stopped: until then a thread on another core may still answer.
set -eu
kill -s "$1" "$2"
[ "$1" = STOP ] || exit 0
tries=0
while [ -n "$(grep -L '^State:[[:space:]]*[TZX]' "/proc/$2/task/"*/status 2>/dev/null)" ]; do
  tries=$((tries + 1))
  [ "$tries" -le 1000 ] || { echo "process $2 does not stop" >&2; exit 1; }
  sleep 0.01
done
