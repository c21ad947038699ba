#!/usr/bin/env bash
# MySQL 9.7 from Debian unstable, independent of the machine's packages: its packages and all their libraries are
# unpacked into a folder of their own and run with that folder's loader. Needs no root and no chroot; installs nothing.
# usage: mysql97.sh            installs (about 20 s); prints the folder
# Exits 77 with a line "SKIPPED: MySQL 9.7: why" if it is not available here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

root=$CACHE/mysql97
skip() { printf 'SKIPPED: MySQL 9.7: %s\n' "$*" >&2; exit "$SKIPPED"; }

works() { [ -x "$root/bin/mysqld" ] && "$root/bin/mysqld" --no-defaults --version >/dev/null 2>&1; }

mirror() {
  local found
  found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null \
    | grep -E '^(URIs:|deb )' | grep -oE 'https?://[^ ]+' | grep -E '/debian/?$' | head -n1) || true
  printf '%s\n' "${found:-http://deb.debian.org/debian}"
}

# apt with a state of its own, in which nothing is installed: so it fetches every library, too.
private_apt() {
  apt-get -q -o Dir::State="$work/state" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
    -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none -o Acquire::Retries=3 \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
    -o APT::Sandbox::User="$(id -un)" "$@"
}

fetch() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -e "$keyring" ] || skip "no $keyring to verify Debian unstable with"
  mkdir -p "$work"/{state/lists/partial,cache/archives/partial}
  : >"$work/status"
  printf 'deb [signed-by=%s] %s sid main\n' "$keyring" "$(mirror)" >"$work/sources.list"
  quiet private_apt update || skip "Debian unstable's package lists cannot be fetched from $(mirror)"
  quiet private_apt -y --no-install-recommends --download-only install mysql-server-core mysql-client-core \
    || skip "Debian unstable's packages cannot be fetched"
}

unpack() {
  local deb
  mkdir -p "$work/root"
  for deb in "$work"/cache/archives/*.deb; do
    case ${deb##*/} in perl* | libperl*) continue ;; esac # only for MySQL's maintenance scripts
    dpkg -x "$deb" "$work/root"
  done
  rm -rf "$work"/root/usr/share/{doc,man,locale}
}

# Commands that use the folder's own loader and libraries, and find the server's files wherever the folder stands.
wrap() {
  local bin
  mkdir -p "$work/root/bin"
  for bin in sbin/mysqld bin/mysql bin/mysqldump bin/mysqladmin; do
    [ -x "$work/root/usr/$bin" ] || continue
    cat >"$work/root/bin/${bin##*/}" <<'EOF'
#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
for loader in "$here"/usr/lib64/ld-linux*.so.? "$here"/usr/lib/ld-linux*.so.?; do [ -x "$loader" ] && break; done
for libs in "$here"/usr/lib/*-linux-gnu; do [ -d "$libs" ] && break; done
EOF
    # shellcheck disable=SC2016  # for the wrapper to expand
    printf 'exec "$loader" --library-path "$libs" "$here/usr/%s" "$@"\n' "$bin" >>"$work/root/bin/${bin##*/}"
    chmod +x "$work/root/bin/${bin##*/}"
  done
}

mkdir -p "$CACHE"
exec 9>"$CACHE/mysql97.lock"
flock 9
if works; then say "MySQL: $("$root/bin/mysqld" --no-defaults --version | sed 's/.*Ver //') is there"; exit 0; fi
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then skip "not a Debian machine"; fi
say "MySQL 9.7: fetching it and its libraries from Debian unstable"
work=$(mktemp -d "$CACHE/mysql97.XXXXXX")
trap 'rm -rf "$work"' EXIT
fetch
unpack
wrap
"$work/root/bin/mysqld" --no-defaults --version >/dev/null 2>&1 || skip "the unpacked server does not run on this machine"
rm -rf "$root"
mv "$work/root" "$root"
say "MySQL: $("$root/bin/mysqld" --no-defaults --version | sed 's/.*Ver //') in $root"
