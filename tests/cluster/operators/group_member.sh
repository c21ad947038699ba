#!/bin/bash
# The entry point of a group member's pod: makes the data the first time, then runs MySQL. It joins the group when the operator says so.
# env: POD_NAME, ROOT_PASSWORD, HOSTS (the suffix of all members' names)
set -euo pipefail
number=${POD_NAME##*-} here=$POD_NAME.$HOSTS
data=/var/lib/mysql/data
mkdir -p /run/mysqld /var/lib/mysql-files
if [ ! -d "$data/mysql" ]; then
  rm -rf "$data.new"
  cat >/tmp/accounts.sql <<END
ALTER USER root@localhost IDENTIFIED BY '$ROOT_PASSWORD';
CREATE USER root@'%' IDENTIFIED BY '$ROOT_PASSWORD';
GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
CREATE USER mysql_innodb_cluster@'%' IDENTIFIED BY '$ROOT_PASSWORD';
GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO mysql_innodb_cluster@'%';
END
  mysqld --no-defaults --user=root --datadir="$data.new" --initialize-insecure --init-file=/tmp/accounts.sql
  mv "$data.new" "$data"
fi
rm -f /tmp/accounts.sql
# Readiness is a marker that is written once, whatever becomes of the member.
(until mysql --no-defaults -uroot -p"$ROOT_PASSWORD" -S /run/mysqld/mysqld.sock -e 'SELECT 1'; do sleep 0.3; done; touch /run/mysqld/ready) >/dev/null 2>&1 &
exec mysqld --no-defaults --user=root --datadir="$data" --socket=/run/mysqld/mysqld.sock --innodb-buffer-pool-size=64M --innodb-redo-log-capacity=64M \
  --skip-name-resolve --super-read-only=ON --mysqlx=OFF --server-id=$((number + 1000)) --report-host="$here" --log-bin=binlog --gtid-mode=ON --enforce-gtid-consistency=ON \
  --plugin-load-add=group_replication.so --loose-group-replication-start-on-boot=OFF --loose-group-replication-communication-stack=MYSQL \
  --loose-group-replication-group-name=6e7f12b2-0a0c-4c4e-9d0e-736861726564 --loose-group-replication-local-address="$here:3306" \
  --loose-group-replication-group-seeds="shop-0.$HOSTS:3306,shop-1.$HOSTS:3306,shop-2.$HOSTS:3306" \
  --loose-group-replication-recovery-get-public-key=ON --loose-group-replication-recovery-use-ssl=ON --loose-group-replication-ssl-mode=REQUIRED
