#!/usr/bin/env bash
# The page in a real Chromium, on a real proxy in front of MariaDB servers: see page.js.
# usage: run.sh --binary PROXY [--screenshots FOLDER]    prints "ok …" or "FAIL …" for each test
# Exits 77 with a line "SKIPPED: page: why" if a browser is not available here.
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. tests/setup/lib.sh

[ "${1:-}" = --binary ] || die "usage: run.sh --binary PROXY [--screenshots FOLDER]"
binary=${2:?} shots=
[ "${3:-}" != --screenshots ] || shots=${4:?}
modules=$(tests/suites/page/setup.sh)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-page.XXXX")
pids=()
on_exit() {
  end_processes "${pids[@]}"
  [ ! -e "$scratch/db/kind" ] || tests/setup/cluster.sh stop "$scratch/db" || true
  rm -rf "$scratch"
}
trap on_exit EXIT
trap 'exit 143' TERM INT

tests/setup/cluster.sh start "$scratch/db" mariadb 2
# Two proxies in front of the same servers: one has a token, and drains a server.
proxy() { # name, more configuration below [admin]
  local rw ro http _
  rw=$(free_port) ro=$(free_port) http=$(free_port)
  tests/setup/cluster.sh config "$scratch/db" "$rw" "$ro" "$http" >"$scratch/$1.toml"
  sed -i '0,/^mode = .*/s//mode = "split"/; s/^http = .*/&'"$2"'/' "$scratch/$1.toml"
  # Zones, as a cluster over two data centres has them.
  sed -i '/^name = "db-[01]"/a zone = "east"' "$scratch/$1.toml"
  sed -i '/^name = "db-2"/a zone = "west"' "$scratch/$1.toml"
  [ "$1" = open ] || sed -i '/^name = "db-2"/a drain = true' "$scratch/$1.toml"
  "$binary" run --config "$scratch/$1.toml" >"$scratch/$1.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 300); do
    if curl -fsS -o /dev/null "http://127.0.0.1:$http/readyz" 2>/dev/null; then echo "$rw $http" >"$scratch/$1.ports"; return; fi
    sleep 0.1
  done
  tail -n 20 "$scratch/$1.log" >&2
  die "the proxy did not become ready"
}
proxy open ""
proxy closed '\ntoken = "only-for-tests"'
read -r rw http <"$scratch/open.ports"
read -r _ closed <"$scratch/closed.ports"

# Names and statements of somebody who wants the page to run a script.
root=(mariadb --no-defaults -uroot -S "$scratch/db/$(tests/setup/cluster.sh primary "$scratch/db")/sock")
evil='<img src=x onerror=window.pwned=1>'
"${root[@]}" -e "CREATE DATABASE \`$evil\`; CREATE TABLE \`$evil\`.\`$evil\` (a INT);
  CREATE USER \`$evil\`@'%' IDENTIFIED BY 'evil'; GRANT ALL ON *.* TO \`$evil\`@'%'"
sql() { # account, schema, statements
  mariadb --no-defaults -h127.0.0.1 -P"$rw" -u"$1" -p"${4:-$1}" "$2" --connect-timeout=10 -N -B -e "$3" >/dev/null
}
for _ in $(seq 300); do
  if sql "$evil" "$evil" "INSERT INTO \`$evil\` VALUES (1); SELECT a FROM \`$evil\`" evil 2>/dev/null; then break; fi
  sleep 0.2
done
sql app test "CREATE TABLE IF NOT EXISTS orders (id INT PRIMARY KEY, note VARCHAR(40)); REPLACE INTO orders VALUES (1, 'a')"
# Some traffic, until the end.
while :; do
  sql app test "SELECT note FROM orders WHERE id = 1; SELECT COUNT(*) FROM orders; UPDATE orders SET note = 'b' WHERE id = 1;
    BEGIN; SELECT * FROM orders FOR UPDATE; COMMIT; SELECT GET_LOCK('a', 1); SELECT * FROM missing" 2>/dev/null || true
  sleep 0.2
done &
pids+=($!)

NODE_PATH=$modules/node_modules node tests/suites/page/page.js --open "http://127.0.0.1:$http" --closed "http://127.0.0.1:$closed" \
  --token only-for-tests --profile "$scratch/profile" --cluster "$scratch/db" ${shots:+--screenshots "$shots"}
