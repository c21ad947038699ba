#!/bin/bash
# The entry point of a pod with MySQL: makes the data the first time, then runs the server, read-only until somebody says otherwise.
# env: POD_NAME, ROOT_PASSWORD, ACCOUNTS (SQL that makes the other accounts), OPTIONS (the server's, without blanks inside),
# READY (a query that gives 1 once the pod may be called ready; default: SELECT 1)
set -euo pipefail
number=${POD_NAME##*-} data=/var/lib/mysql/data
mkdir -p /run/mysqld /var/lib/mysql-files
if [ ! -d "$data/mysql" ]; then
  rm -rf "$data.new"
  cat >/tmp/accounts.sql <<END
ALTER USER root@localhost IDENTIFIED BY '$ROOT_PASSWORD';
CREATE USER root@'%' IDENTIFIED BY '$ROOT_PASSWORD';
GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
$ACCOUNTS
END
  mysqld --no-defaults --user=root --datadir="$data.new" --initialize-insecure --init-file=/tmp/accounts.sql
  # Another one for new data: a server that starts from nothing would leave out what its own number once wrote.
  echo "$((number * 1000000 + $(date +%s) % 1000000 + 1))" >/var/lib/mysql/server-id
  mv "$data.new" "$data"
fi
rm -f /tmp/accounts.sql
# Written once, and never taken back.
(until mysql --no-defaults -uroot -p"$ROOT_PASSWORD" -S /run/mysqld/mysqld.sock --skip-column-names -e "${READY:-SELECT 1}" | grep -qx 1; do
  sleep 0.3
done; touch /run/mysqld/ready) >/dev/null 2>&1 &
# shellcheck disable=SC2086  # one word an option
exec mysqld --no-defaults --user=root --datadir="$data" --socket=/run/mysqld/mysqld.sock --innodb-buffer-pool-size=64M --innodb-redo-log-capacity=64M \
  --skip-name-resolve --super-read-only=ON --mysqlx=OFF --server-id="$(cat /var/lib/mysql/server-id)" --log-bin=binlog --gtid-mode=ON --enforce-gtid-consistency=ON $OPTIONS
