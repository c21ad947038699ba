#!/bin/bash
# Alive: the server answers.
timeout --signal=KILL 4 mariadb --no-defaults -uroot -p"$ROOT_PASSWORD" -S /run/mysqld/mysqld.sock -e 'SELECT 1' >/dev/null
