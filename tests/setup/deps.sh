#!/usr/bin/env bash
# Installs the Debian packages that the tests, the demo and the benchmark need.
# usage: deps.sh [all|servers]   servers: only MariaDB; all (default): the benchmark's and the clients' tools too
#        deps.sh packages NAME…   these packages
# Needs root or sudo only if something is missing. Leaves no database service running.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# package:command; a package is installed if its command is missing.
servers=(mariadb-server:mariadbd mariadb-client:mariadb)
tools=(sysbench:sysbench haproxy:haproxy python3:python3 python3-venv: curl:curl build-essential:cc
  cmake:cmake pkg-config:pkg-config procps:ps ca-certificates: util-linux:flock openssl:openssl iproute2:ip shellcheck:shellcheck)

has() { # package, command
  if [ -n "$2" ]; then PATH=$PATH:/usr/sbin:/sbin command -v "$2" >/dev/null
  else dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'
  fi
}

# A package's maintainer script must not start a server on the machine's own ports.
without_services() {
  local policy=/usr/sbin/policy-rc.d rc=0 ours=
  if [ ! -e "$policy" ]; then
    ours=1
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod +x "$policy"
  fi
  "$@" || rc=$?
  [ -z "$ours" ] || as_root rm -f "$policy"
  return "$rc"
}

install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "$@"
}

case ${1:-all} in
  servers) want=("${servers[@]}") ;;
  packages) want=("${@:2}") ;;
  *) want=("${servers[@]}" "${tools[@]}") ;;
esac
missing=()
for w in "${want[@]}"; do
  case $w in *:*) tool=${w#*:} ;; *) tool= ;; esac
  has "${w%%:*}" "$tool" || missing+=("${w%%:*}")
done
if [ ${#missing[@]} = 0 ]; then
  say "packages: all there"
  exit 0
fi
command -v apt-get >/dev/null || die "not a Debian machine; please install: ${missing[*]}"
say "packages: installing ${missing[*]}"
# The lists may be missing (containers drop them) or out of date: then ask for them and try again.
if ! without_services install "${missing[@]}" >/dev/null 2>&1; then
  quiet as_root apt-get update -qq -o DPkg::Lock::Timeout=300 || say "apt-get update had errors; going on"
  quiet without_services install "${missing[@]}" || die "apt-get could not install ${missing[*]}"
fi
say "packages: installed"
