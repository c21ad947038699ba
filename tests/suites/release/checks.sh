# shellcheck shell=bash
# Shared by the tests of a release: a line for each check, and roots to install into. The caller has the folder $work.

: "${work:?}"
failures=0

check() { # what, command…: its output is shown only if it fails
  local what=$1
  shift
  if "$@" >"$work/out" 2>&1; then echo "ok $what"
  else
    echo "FAIL $what"
    tail -n 30 "$work/out" | sed 's/^/    /'
    failures=$((failures + 1))
  fi
}

# A root of Debian without anything but its base, packed once.
debian_root() { # folder
  local base=$CACHE/release-root.tar
  if [ ! -e "$base" ]; then
    say "making a root of Debian (a minute, once)"
    command -v mmdebstrap >/dev/null || quiet as_root apt-get install -y --no-install-recommends mmdebstrap
    quiet mmdebstrap --variant=minbase "$(. /etc/os-release && echo "$VERSION_CODENAME")" "${base%.tar}.new.tar"
    mv "${base%.tar}.new.tar" "$base"
  fi
  mkdir -p "$1"
  as_root tar -C "$1" -xf "$base"
}

# Gives a root the machine's own ways to Debian's packages and other registries.
reaches_packages() { # folder
  as_root cp --dereference /etc/resolv.conf "$1/etc/resolv.conf"
  as_root cp -r /etc/apt/. "$1/etc/apt/"
  as_root cp -r /usr/share/keyrings/. "$1/usr/share/keyrings/"
  if [ -d /usr/local/share/ca-certificates ]; then as_root cp -r /etc/ssl "$1/etc/"; fi
}
