#!/bin/bash
# Alive: the server answers.
mariadb --no-defaults -uroot -p"$ROOT_PASSWORD" -S /run/mysqld/mysqld.sock -e 'SELECT 1' >/dev/null
