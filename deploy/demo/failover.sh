#!/usr/bin/env bash
# `make demo-failover`, `pointsman demo failover`: moves the primary of the running demo, as an operator would.
# env: KILL=1  unplanned: the primary is killed, a replica promoted, and the old primary returns as a replica
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=../../tests/setup/lib.sh
. tests/setup/lib.sh
demo=${POINTSMAN_DEMO:-${TMPDIR:-/tmp}/pointsman-demo}
servers=$demo/servers
cluster=tests/setup/cluster.sh
[ -e "$servers/kind" ] || die "no demo is running: start one by make demo, or by pointsman demo"

old=$($cluster primary "$servers")
if [ "${KILL:-}" = 1 ]; then
  say "killing the primary, db-$old"
  $cluster kill "$servers" "$old"
  $cluster promote "$servers" >/dev/null
else
  say "switching the primary over from db-$old"
  $cluster switchover "$servers" >/dev/null
fi
new=$($cluster primary "$servers")
say "db-$new is the primary"
# Which server does an application reach now?
began=$(date +%s%N)
for _ in $(seq 50); do
  reached=$(mariadb --no-defaults -h127.0.0.1 -P"$(cat "$demo/rw")" -uapp -papp -N -B -e 'SELECT @@port' 2>/dev/null) || reached=
  [ "$reached" != "$($cluster port "$servers")" ] || break
  sleep 0.1
done
took=$((($(date +%s%N) - began) / 1000000))
if [ "$reached" = "$($cluster port "$servers")" ]; then say "applications reach db-$new through the proxy (asked for $took ms)"
else say "applications still do not reach db-$new: the proxy leads to ${reached:-nowhere}"; fi
if [ "${KILL:-}" = 1 ]; then
  sleep 3
  say "db-$old comes back as a replica"
  $cluster rejoin "$servers" "$old"
fi
