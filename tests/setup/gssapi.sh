#!/usr/bin/env bash
# MariaDB's GSSAPI plugins and a Kerberos KDC from Debian, unpacked into a folder of their own: nothing is installed.
# usage: gssapi.sh    prints the folder; its usr/ has the programs, and plugin/ all plugins of the machine's MariaDB server
# Exits 77 with a line "SKIPPED: GSSAPI: why" if they are not available here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

skip() { printf 'SKIPPED: GSSAPI: %s\n' "$*" >&2; exit "$SKIPPED"; }

packages=(mariadb-plugin-gssapi-server mariadb-plugin-gssapi-client krb5-kdc krb5-admin-server krb5-user libkadm5srv-mit12
  libkadm5clnt-mit12 libkdb5-10 libgssrpc4 libverto1 libverto-libev1 libev4 libkrb5-3 libgssapi-krb5-2 libk5crypto3
  libkrb5support0)

for tool in apt-get dpkg dpkg-query mariadbd; do
  PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || skip "no $tool"
done
# The plugins load into this very server.
version=$(dpkg-query -W -f '${Version}' mariadb-server 2>/dev/null) || skip "MariaDB is not Debian's"
root=$CACHE/gssapi-$(printf '%s' "$version" | cksum | cut -d' ' -f1)
mkdir -p "$CACHE"
exec 9>"$CACHE/gssapi.lock"
flock 9
if [ ! -d "$root" ]; then
  say "GSSAPI: fetching MariaDB's plugins and a KDC from Debian"
  work=$(mktemp -d "$CACHE/new-gssapi.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  for package in "${packages[@]}"; do
    case $package in mariadb-*) package=$package=$version ;; esac
    quiet apt-get -q -o APT::Sandbox::User="$(id -un)" download "$package" || skip "Debian's package $package cannot be fetched"
  done
  mkdir root root/plugin
  for deb in *.deb; do dpkg -x "$deb" root; done
  for plugin in /usr/lib/mysql/plugin/*.so root/usr/lib/mysql/plugin/*.so; do cp "$plugin" root/plugin/; done
  cp root/usr/lib/*/libmariadb3/plugin/*.so root/plugin/
  mv root "$root"
fi
echo "$root"
