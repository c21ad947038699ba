#!/usr/bin/env bash
# Starts one database server on loopback. Tests, demo and benchmark all run servers with these settings.
# usage: server.sh run mariadb|mysql PORT DIR SERVER_ID primary|replica [SERVER OPTION …]
#          in the foreground, in place of this shell; if DIR/data is missing, it is made from a template. A replica only
#          starts read-only: the caller must configure its source. root has no password on DIR/sock.
#        server.sh template mariadb|mysql    makes the template now (takes seconds; otherwise the first run makes it)
# Accounts: app/app (all on `test` and `sbtest`), super/super, monitor/monitor, repl/repl.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin

daemon() {
  case $1 in
    mariadb) command -v mariadbd || die "no mariadbd: run tests/setup/deps.sh" ;;
    mysql) echo "$CACHE/mysql97/bin/mysqld" ;;
    *) die "server kind is mariadb or mysql, not '$1'" ;;
  esac
}

# Small and quick to start and to write: data survives a crash of the process, not of the machine.
settings() { # kind
  [ "$(id -u)" != 0 ] || echo --user=root
  cat <<'EOF'
--innodb-buffer-pool-size=64M
--innodb-flush-log-at-trx-commit=2
--innodb-doublewrite=OFF
--innodb-use-native-aio=OFF
--sync-binlog=0
--max-allowed-packet=256M
--max-connections=500
--table-open-cache=400
--back-log=1000
--skip-name-resolve
--local-infile=ON
--character-set-server=utf8mb4
EOF
  case $1 in
    mariadb) printf '%s\n' --innodb-log-file-size=48M --performance-schema=OFF --innodb-purge-threads=1 ;;
    mysql)
      local usr=$CACHE/mysql97/usr
      printf '%s\n' --basedir="$usr" --plugin-dir="$usr/lib/mysql/plugin" --lc-messages-dir="$usr/share/mysql" \
        --character-sets-dir="$usr/share/mysql/charsets" --innodb-redo-log-capacity=64M --performance-schema=ON --mysqlx=OFF --secure-file-priv=
      # 280 MB a server instead of 480
      printf '%s\n' --innodb-log-buffer-size=4M --table-definition-cache=400 --performance-schema-digests-size=500 \
        --performance-schema-events-{statements,stages,transactions,waits}-history-long-size=100 \
        --performance-schema-max-thread-instances=600 --performance-schema-error-size=100
      ;;
  esac
}

replication() { # kind, server id, role
  printf '%s\n' --server-id="$2" --log-bin=binlog --relay-log=relay
  case $1 in
    mariadb)
      printf '%s\n' --binlog-format=ROW --log-slave-updates=ON --gtid-strict-mode=ON --rpl-semi-sync-master-enabled=ON --rpl-semi-sync-slave-enabled=ON \
        --rpl-semi-sync-master-wait-point=AFTER_SYNC --rpl-semi-sync-master-wait-no-slave=OFF --rpl-semi-sync-master-timeout=5000
      [ "$3" = primary ] || echo --read-only=ON
      ;;
    mysql)
      printf '%s\n' --log-replica-updates=ON --gtid-mode=ON --enforce-gtid-consistency=ON --plugin-load-add=semisync_source.so \
        --plugin-load-add=semisync_replica.so --rpl-semi-sync-source-enabled=ON --rpl-semi-sync-replica-enabled=ON \
        --rpl-semi-sync-source-wait-point=AFTER_SYNC --rpl-semi-sync-source-wait-no-replica=OFF --rpl-semi-sync-source-timeout=5000
      [ "$3" = primary ] || printf '%s\n' --read-only=ON --super-read-only=ON
      ;;
  esac
}

accounts() { # kind: what goes behind CREATE USER … IDENTIFIED BY is the server's own default plugin
  local extra='GRANT REPLICATION CLIENT, SLAVE MONITOR ON *.* TO monitor@"%"; GRANT SELECT ON mysql.proc TO monitor@"%"; GRANT SELECT ON mysql.func TO monitor@"%"; GRANT SELECT ON mysql.global_priv TO monitor@"%";'
  [ "$1" = mariadb ] || extra='GRANT REPLICATION CLIENT, REPLICATION SLAVE, SHOW_ROUTINE ON *.* TO monitor@"%"; GRANT SELECT ON performance_schema.* TO monitor@"%"; GRANT SELECT ON mysql.user TO monitor@"%";'
  cat <<EOF
CREATE DATABASE IF NOT EXISTS test;
CREATE DATABASE IF NOT EXISTS sbtest;
CREATE USER app@"%" IDENTIFIED BY "app";
GRANT ALL ON test.* TO app@"%";
GRANT ALL ON sbtest.* TO app@"%";
CREATE USER super@"%" IDENTIFIED BY "super";
GRANT ALL ON *.* TO super@"%" WITH GRANT OPTION;
CREATE USER monitor@"%" IDENTIFIED BY "monitor";
$extra
CREATE USER repl@"%" IDENTIFIED BY "repl";
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO repl@"%";
EOF
}

# An initialised data folder without a binary log, so that every copy starts from the same empty GTID position.
make_template() { # kind, folder
  local work program options
  work=$(mktemp -d "$CACHE/new-template.XXXXXX")
  # shellcheck disable=SC2064  # this folder, whatever the variable says later
  trap "rm -rf '$work'" EXIT
  export TMPDIR=$work
  program=$(daemon "$1")
  mapfile -t options < <(settings "$1")
  accounts "$1" | tr '\n' ' ' | sed 's/; */;\n/g' >"$work/accounts.sql"
  say "$1: initialising a data folder"
  if [ "$1" = mysql ]; then
    "$program" --no-defaults "${options[@]}" --initialize-insecure --init-file="$work/accounts.sql" \
      --datadir="$work/data" >"$work/log" 2>&1 || { tail "$work/log" >&2; die "mysqld --initialize failed"; }
    rm -f "$work/data/auto.cnf" # the server's uuid: each copy makes its own
  else
    mariadb-install-db --no-defaults ${USER_ROOT:+"$USER_ROOT"} --datadir="$work/data" --skip-test-db --force \
      --auth-root-authentication-method=normal >"$work/log" 2>&1 || { tail "$work/log" >&2; die "mariadb-install-db failed"; }
    { echo "FLUSH PRIVILEGES;"; cat "$work/accounts.sql"; } \
      | "$program" --no-defaults "${options[@]}" --datadir="$work/data" --bootstrap >"$work/log" 2>&1 \
      || { tail "$work/log" >&2; die "creating accounts failed"; }
  fi
  # Most of it is zeros: holes in this copy, and in all copies of it.
  cp -a --sparse=always "$work/data" "$work/sparse"
  rm -rf "$2"
  mv "$work/sparse" "$2"
}

template() { # kind; prints the folder
  local program folder
  program=$(daemon "$1")
  [ -x "$program" ] || die "no $program: run tests/setup/mysql97.sh"
  # A new server version or a change of this script makes a new template.
  folder=$CACHE/template-$1-$({ "$program" --no-defaults --version; cat "$0"; id -u; } | cksum | cut -d' ' -f1)
  mkdir -p "$CACHE"
  exec 9>"$CACHE/template-$1.lock"
  flock 9
  if [ ! -d "$folder" ]; then
    # Another checkout's tests may be copying theirs: only what nobody has used for a day goes.
    find "$CACHE" -maxdepth 1 -name "template-$1-*" -mmin +1440 -exec rm -rf {} +
    make_template "$1" "$folder"
  fi
  touch "$folder"
  exec 9>&-
  echo "$folder"
}

run() { # kind, port, folder, server id, role, options…
  local kind=$1 port=$2 dir=$3 id=$4 role=$5 program from options
  shift 5
  program=$(daemon "$kind")
  if [ ! -d "$dir/data" ]; then
    from=$(template "$kind")
    mkdir -p "$dir"
    cp -a --reflink=auto "$from" "$dir/data.new"
    mv "$dir/data.new" "$dir/data"
  fi
  mapfile -t options < <(settings "$kind"; replication "$kind" "$id" "$role")
  # A server that starts clears its folder of temporary tables: in a common one those of the others, too.
  mkdir -p "$dir/tmp"
  exec "$program" --no-defaults "${options[@]}" --datadir="$dir/data" --tmpdir="$dir/tmp" --bind-address=127.0.0.1 --port="$port" \
    --socket="$dir/sock" --pid-file="$dir/pid" "$@"
}

[ "$(id -u)" != 0 ] || USER_ROOT=--user=root
case ${1:-} in
  run) shift; [ $# -ge 5 ] || die "usage: server.sh run KIND PORT DIR SERVER_ID ROLE [OPTION …]"; run "$@" ;;
  template) template "${2:-}" >/dev/null ;;
  *) sed -n '2,8s/^# //p' "$0"; exit 2 ;;
esac
