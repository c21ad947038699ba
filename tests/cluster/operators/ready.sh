#!/bin/bash
# Ready: the server answers, and if it replicates, both threads run. (Before it was configured, it is ready, too.)
status=$(mariadb --no-defaults -uroot -p"$ROOT_PASSWORD" -S /run/mysqld/mysqld.sock -E -e 'SHOW SLAVE STATUS') || exit 1
[ -z "$status" ] || [ "$(grep -cE 'Slave_(IO|SQL)_Running: Yes' <<<"$status")" = 2 ]
