#!/bin/bash
# The entry point of a pod: runs the server, and beside it what forms the replication group the first time, and lets the server join the
# group whenever it is out of it.
# env: POD_NAME, ROOT_PASSWORD, REPLICATOR_PASSWORD, MEMBERS (the addresses of all pods, comma-separated), and those of mysql.sh
set -uo pipefail
scripts=$(dirname "$0")

ask() { timeout "${LIMIT:-5}" mysql --no-defaults -uroot -p"$ROOT_PASSWORD" --connect-timeout=2 --batch --skip-column-names "$@" 2>/dev/null; }
here() { ask -S /run/mysqld/mysqld.sock -e "$1"; }
# The server's state in the group.
state="SELECT COALESCE((SELECT member_state FROM performance_schema.replication_group_members WHERE member_id = @@server_uuid), 'OFFLINE')"

# (A client that ends in the middle would leave the switch on that lets a server begin a group.)
join() { # 1: begins the group
  LIMIT=120 here "STOP GROUP_REPLICATION;
    CHANGE REPLICATION SOURCE TO SOURCE_USER = 'kbreplicator', SOURCE_PASSWORD = '$REPLICATOR_PASSWORD' FOR CHANNEL 'group_replication_recovery';
    SET GLOBAL group_replication_bootstrap_group = $1; START GROUP_REPLICATION; SET GLOBAL group_replication_bootstrap_group = 0"
}

# True if this server begins the group: no other has more, and none of a lower number has as much.
begins() {
  local member other mine
  mine=$(here "SELECT REPLACE(@@gtid_executed, '\n', '')") || return 1
  for member in ${MEMBERS//,/ }; do
    other=$(ask -h "$member" -e "SELECT REPLACE(@@gtid_executed, '\n', '')") || return 1
    [ "$(here "SELECT GTID_SUBSET('$other', '$mine')")" = 1 ] || return 1
    [[ "${member%%.*}" < $POD_NAME ]] && [ "$(here "SELECT GTID_SUBSET('$mine', '$other')")" = 1 ] && return 1
  done
  return 0
}

look() {
  local member said answered=0
  said=$(here "$state") || return
  case $said in ONLINE* | RECOVERING*) return ;; esac
  for member in ${MEMBERS//,/ }; do
    said=$(ask -h "$member" -e "$state") || continue
    answered=$((answered + 1))
    case $said in ONLINE*) echo "joins the group"; join 0; return ;; esac
  done
  if [ "$answered" = "$(tr ',' '\n' <<<"$MEMBERS" | grep -c .)" ] && begins; then echo "begins the group"; join 1; fi
}

(while sleep 1; do look; done) &
exec bash "$scripts/mysql.sh"
