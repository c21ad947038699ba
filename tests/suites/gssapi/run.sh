#!/usr/bin/env bash
# Logins by GSSAPI pass through the proxy: a KDC, a MariaDB server with the plugin and the proxy, all on loopback.
# usage: run.sh --binary PROXY    prints "ok …" or "FAIL …" for each test
# Exits 77 with a line "SKIPPED: GSSAPI: why" if the programs are not available here.
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. tests/setup/lib.sh

[ "${1:-}" = --binary ] || die "usage: run.sh --binary PROXY"
binary=${2:?}
root=$(tests/setup/gssapi.sh)
libraries=$(echo "$root"/usr/lib/*-linux-gnu)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-gssapi.XXXX")
pids=()
on_exit() {
  end_processes "${pids[@]}"
  rm -rf "$scratch"
}
trap on_exit EXIT

realm=POINTSMAN.TEST principal=mariadb/server failed=0
kdc=$(free_port) db=$(free_port) rw=$(free_port) http=$(free_port)
export KRB5_CONFIG=$scratch/krb5.conf KRB5_KDC_PROFILE=$scratch/kdc.conf KRB5CCNAME=FILE:$scratch/tickets
cat >"$KRB5_CONFIG" <<END
[libdefaults]
 default_realm = $realm
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
[realms]
 $realm = {
  kdc = 127.0.0.1:$kdc
 }
[dbmodules]
 db_module_dir = $libraries/krb5/plugins/kdb
[logging]
 default = STDERR
END
cat >"$KRB5_KDC_PROFILE" <<END
[kdcdefaults]
 kdc_listen = 127.0.0.1:$kdc
 kdc_tcp_listen = 127.0.0.1:$kdc
[realms]
 $realm = {
  database_name = $scratch/principals
  key_stash_file = $scratch/stash
 }
END

kerberos() { LD_LIBRARY_PATH=$libraries "$root/usr/$1" "${@:2}"; }
admin() { quiet kerberos sbin/kadmin.local -q "$1"; }

# Starts a program in the background.
background() { # log, command…
  "${@:2}" >"$scratch/$1.log" 2>&1 &
  pids+=($!)
}

# Runs a command until it succeeds.
until_there() { # what, log, command…
  local _
  for _ in $(seq 1200); do
    if "${@:3}" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  tail -n 20 "$scratch/$2.log" >&2
  die "$1 did not start"
}

quiet kerberos sbin/kdb5_util create -s -P master -r "$realm"
admin "addprinc -pw one app" && admin "addprinc -pw two other"
admin "addprinc -randkey $principal" && admin "ktadd -k $scratch/keytab $principal"
background kdc env LD_LIBRARY_PATH="$libraries" "$root/usr/sbin/krb5kdc" -n
background db tests/setup/server.sh run mariadb "$db" "$scratch/db" 1 primary --plugin-dir="$root/plugin" \
  --plugin-load-add=auth_gssapi.so --gssapi-keytab-path="$scratch/keytab" --gssapi-principal-name="$principal@$realm"
until_there "MariaDB" db mariadb --no-defaults -S "$scratch/db/sock" -uroot -e "SELECT 1"
mariadb --no-defaults -S "$scratch/db/sock" -uroot -e "
  CREATE USER app_gssapi@'%' IDENTIFIED VIA gssapi USING 'app@$realm'; GRANT ALL ON test.* TO app_gssapi@'%';
  CREATE USER other_gssapi@'%' IDENTIFIED VIA gssapi USING 'other@$realm';"
cat >"$scratch/proxy.toml" <<END
[[listeners]]
name = "rw"
address = "127.0.0.1:$rw"
mode = "split"
[admin]
http = "127.0.0.1:$http"
[monitor]
user = "monitor"
password = "monitor"
[discovery]
kind = "static"
[[discovery.servers]]
name = "db-0"
address = "127.0.0.1:$db"
END
# The proxy has no ticket, and needs none.
background proxy env -u KRB5_CONFIG -u KRB5CCNAME "$binary" run --config "$scratch/proxy.toml"
until_there "the proxy" proxy curl -fsS "http://127.0.0.1:$http/readyz"
until_there "the KDC" kdc sh -c "echo one | LD_LIBRARY_PATH='$libraries' '$root/usr/bin/kinit' app"

ticket() { # principal, password
  kerberos bin/kdestroy -q 2>/dev/null || true
  if [ -n "${1:-}" ]; then kerberos bin/kinit "$1" <<<"$2" >/dev/null; fi
}

# Runs statements as a user of GSSAPI: prints what comes, or the error.
ask() { # port, user, SQL
  mariadb --no-defaults --comments --plugin-dir="$root/plugin" -h127.0.0.1 -P"$1" -u"$2" -N -B -e "$3" test 2>&1 || true
}

is() { # name, what comes, a pattern for it
  # shellcheck disable=SC2053  # a pattern
  if [[ $2 == $3 ]]; then echo "ok $1"; else failed=1; printf 'FAIL %s: %s\n' "$1" "$2"; fi
}

ticket app one
is "a ticket is enough on the server itself" "$(ask "$db" app_gssapi 'SELECT CURRENT_USER()')" 'app_gssapi@%'
is "a ticket is enough through the proxy" "$(ask "$rw" app_gssapi 'SELECT CURRENT_USER(), DATABASE(), @@character_set_client')" \
  $'app_gssapi@%\ttest\tutf8mb*'
is "the session keeps its connection" "$(ask "$rw" app_gssapi 'SET @one = CONNECTION_ID(); BEGIN; ROLLBACK; SELECT @one = CONNECTION_ID()')" 1
is "explain names its pin" "$(ask "$rw" app_gssapi '/* pointsman: explain */ SELECT 1')" '*a login that only its client can repeat on the primary*'
is "the pin is counted" "$(curl -fsS "http://127.0.0.1:$http/metrics" | grep 'pins_total{pin="unknown_login"}')" '* [1-9]*'
is "a ticket of somebody else is refused" "$(ask "$rw" other_gssapi 'SELECT 1')" "ERROR 1045*'other_gssapi'@'127.0.0.1'*"
ticket
is "without a ticket nobody logs in" "$(ask "$rw" app_gssapi 'SELECT 1')" 'ERROR*'
is "the accounts with passwords go on" "$(mariadb --no-defaults -h127.0.0.1 -P"$rw" -uapp -papp -N -B -e 'SELECT CURRENT_USER()' 2>&1 || true)" 'app@%'
ticket other two
is "the next ticket counts" "$(ask "$rw" other_gssapi 'SELECT 1')" 'ERROR 1044*'
kerberos bin/kdestroy -q
[ "$failed" = 0 ] || tail -n 20 "$scratch/proxy.log" "$scratch/db.log" >&2
exit "$failed"
