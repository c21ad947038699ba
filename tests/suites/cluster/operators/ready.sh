#!/bin/bash
# Ready: the server answers, and if it replicates, both threads run. (Before it was configured, it is ready, too.)
# (A client of a frozen server would outlive the probe, and containerd waits for it.)
status=$(timeout --signal=KILL 2 mariadb --no-defaults -uroot -p"$ROOT_PASSWORD" -S /run/mysqld/mysqld.sock -E -e 'SHOW SLAVE STATUS') || exit 1
[ -z "$status" ] || [ "$(grep -cE 'Slave_(IO|SQL)_Running: Yes' <<<"$status")" = 2 ]
