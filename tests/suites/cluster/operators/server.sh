#!/bin/bash
# The entry point of a server's pod: makes the data the first time, then runs MariaDB. As in the operator's images, a server that starts
# is writable until the operator says otherwise.
# env: POD_NAME, ROOT_PASSWORD, REPL_PASSWORD, MY_CNF (lines for the server's configuration); /pki: its certificates, with TLS
set -euo pipefail
number=${POD_NAME##*-}
data=/var/lib/mysql/data
mkdir -p /run/mysqld /etc/mysql/conf.d
printf '[mysqld]\n%s\n' "$MY_CNF" >/etc/mysql/conf.d/operator.cnf
options=(--user=root --datadir="$data" --innodb-buffer-pool-size=64M --innodb-log-file-size=48M --skip-name-resolve
  --performance-schema=OFF --character-set-server=utf8mb4)
if [ -d /pki ]; then
  options+=(--ssl-cert=/pki/server-cert/tls.crt --ssl-key=/pki/server-cert/tls.key --ssl-ca=/pki/ca-bundle/ca.crt)
fi
if [ ! -d "$data/mysql" ]; then
  rm -rf "$data.new"
  mariadb-install-db --no-defaults --user=root --datadir="$data.new" --skip-test-db --auth-root-authentication-method=normal >/dev/null
  mariadbd --no-defaults --user=root --datadir="$data.new" --bootstrap <<END
FLUSH PRIVILEGES;
DELETE FROM mysql.global_priv WHERE user <> 'mariadb.sys' AND NOT (user = 'root' AND host = 'localhost');
FLUSH PRIVILEGES;
ALTER USER root@localhost IDENTIFIED BY '$ROOT_PASSWORD';
CREATE USER root@'%' IDENTIFIED BY '$ROOT_PASSWORD';
GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
CREATE USER repl@'%' IDENTIFIED BY '$REPL_PASSWORD';
GRANT REPLICATION SLAVE ON *.* TO repl@'%';
END
  mv "$data.new" "$data"
fi
exec mariadbd --defaults-extra-file=/etc/mysql/conf.d/operator.cnf "${options[@]}" --bind-address="*" --server-id=$((number + 10)) \
  --log-bin=binlog --relay-log=relay --gtid-domain-id=0 --rpl-semi-sync-master-wait-point=AFTER_COMMIT --log-basename=mariadb
