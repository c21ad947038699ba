#!/usr/bin/env bash
# `make dist-test`: installs each artefact of dist/ in a fresh root, and runs its main job. Prints "ok …" and "FAIL …" lines, and
# "SKIPPED: …" for what this machine cannot do.
# usage: run.sh [PART …]       archive deb upgrade demo rpm image dockerfile chart again twice; default: all
# env:   DIST  the folder of the artefacts (default: dist)
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. tests/setup/lib.sh
dist=${DIST:-$PWD/dist}
export PATH=$PATH:/usr/sbin:/sbin
version=$(sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml)
[ -e "$dist/SHA256SUMS" ] || die "no $dist/SHA256SUMS: make dist first"
work=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-release.XXXX")
# shellcheck source-path=SCRIPTDIR source=checks.sh
. tests/suites/release/checks.sh
servers=$work/servers
chmod 755 "$work"
pids=()

finish() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait || true
  [ ! -e "$servers/kind" ] || tests/setup/cluster.sh stop "$servers" || true
  mountpoint -q "$work/root/proc" && as_root umount "$work/root/proc" || true
  as_root rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# A root of Debian without anything but its base: each test has a copy.
fresh_root() {
  mountpoint -q "$work/root/proc" && as_root umount "$work/root/proc"
  as_root rm -rf "$work/root"
  debian_root "$work/root"
  as_root mount -t proc proc "$work/root/proc"
}
inside() { as_root chroot "$work/root" "$@"; }

# The servers that the artefacts are tried on, and a configuration with these ports.
rw=$(free_port) ro=$(free_port) http=$(free_port)
configuration() {
  [ -e "$servers/kind" ] || quiet tests/setup/cluster.sh start "$servers" mariadb 1
  tests/setup/cluster.sh config "$servers" "$rw" "$ro" "$http" | sed '0,/^mode = .*/s//mode = "split"/'
}

answers() { # the answer to a query through the proxy
  local _
  for _ in $(seq 100); do
    if [ "$(mariadb --no-defaults --skip-ssl -h127.0.0.1 -P"$rw" -uapp -papp -NBe "$1" 2>"$work/client")" = "$2" ]; then return; fi
    sleep 0.1
  done
  cat "$work/client" "$work/log"
  return 1
}

# Starts the program in the background, as the unit does: with its account, and without systemd. No function of this shell: the
# signal of `end` must reach the program.
root=()
[ "$(id -u)" = 0 ] || root=(sudo -n)
serve() { # command…
  "$@" >"$work/log" 2>&1 &
  pids+=($!)
}
end() {
  local pid=${pids[-1]}
  kill -TERM "$pid" 2>/dev/null || true
  wait "$pid" || true
  unset 'pids[-1]'
}

archive() {
  local arch name began
  for arch in x86_64 aarch64; do
    name=pointsman-$version-linux-$arch
    [ -e "$dist/$name.tar.gz" ] || { echo "SKIPPED: no archive for $arch"; continue; }
    tar -C "$work" -xzf "$dist/$name.tar.gz"
    check "archive $arch: the binary is static" static "$work/$name/pointsman"
    run=()
    if [ "$arch" != "$(uname -m)" ]; then
      command -v "qemu-$arch-static" >/dev/null || quiet as_root apt-get install -y --no-install-recommends qemu-user-static || true
      command -v "qemu-$arch-static" >/dev/null || { echo "SKIPPED: $arch does not run here: no qemu-user-static"; continue; }
      run=("qemu-$arch-static")
    fi
    configuration >"$work/pointsman.toml"
    # The emulator knows no io_uring.
    sed -i '1i io = "epoll"' "$work/pointsman.toml"
    check "archive $arch: --version" grep -x "pointsman $version" <("${run[@]}" "$work/$name/pointsman" --version)
    check "archive $arch: check" "${run[@]}" "$work/$name/pointsman" check --config "$work/pointsman.toml"
    serve "${run[@]}" "$work/$name/pointsman" run --config "$work/pointsman.toml"
    check "archive $arch: a login and a query" answers "SELECT 40 + 2" 42
    end
  done
}
static() { ! readelf --program-headers --dynamic "$1" | grep -E 'INTERP|NEEDED'; }

deb() {
  local file began
  file=$dist/pointsman_${version}_$(dpkg --print-architecture).deb
  fresh_root
  began=$(date +%s%N)
  as_root cp "$file" "$work/root/tmp/pointsman.deb"
  check "deb: installs" inside dpkg --install /tmp/pointsman.deb
  check "deb: its account is there" inside getent passwd pointsman
  check "deb: the configuration is not for everybody" test "$(inside stat -c '%U %G %a' /etc/pointsman/pointsman.toml)" = "root pointsman 640"
  check "deb: check says what to fill in" says_what_to_fill_in
  check "deb: starts as it comes" starts_as_it_comes
  check "deb: the unit's exposure is at most 2.0" exposure
  configuration | as_root tee "$work/root/etc/pointsman/pointsman.toml" >/dev/null
  serve "${root[@]}" chroot --userspec=pointsman:pointsman "$work/root" /usr/bin/pointsman run --config /etc/pointsman/pointsman.toml
  check "deb: a query through the service" answers "SELECT 40 + 2" 42
  echo "   from the .deb to the first query: $((($(date +%s%N) - began) / 1000000)) ms"
  end
  check "deb: completions and manual pages" inside ls /usr/share/bash-completion/completions/pointsman /usr/share/zsh/vendor-completions/_pointsman \
    /usr/share/fish/vendor_completions.d/pointsman.fish
  # dpkg keeps what the administrator changed.
  newer "$file"
  check "deb: upgrades" inside dpkg --install --force-confold /tmp/newer.deb
  check "deb: an upgrade keeps a changed configuration" inside grep -q "port\|address = \"127" /etc/pointsman/pointsman.toml
  check "deb: is removed" inside dpkg --remove pointsman
  check "deb: a removal keeps the configuration" inside test -e /etc/pointsman/pointsman.toml
  check "deb: is purged" inside dpkg --purge pointsman
  check "deb: a purge leaves nothing" nothing_left
}
says_what_to_fill_in() { inside /usr/bin/pointsman check --config /etc/pointsman/pointsman.toml 2>&1 | grep "discovery.servers: the list is empty"; }
starts_as_it_comes() {
  local _
  # In a network of its own, where its ports are free.
  serve "${root[@]}" unshare --net chroot --userspec=pointsman:pointsman "$work/root" /usr/bin/pointsman run --config /etc/pointsman/pointsman.toml
  for _ in $(seq 50); do
    if grep -q 'listens name=.*ro' "$work/log"; then break; fi
    sleep 0.1
  done
  end
  cat "$work/log"
  grep -q 'listens name=.*ro' "$work/log" && grep -q 'discovery.servers: the list is empty' "$work/log"
}
exposure() {
  command -v systemd-analyze >/dev/null || quiet as_root apt-get install -y --no-install-recommends systemd
  systemd-analyze security --offline=true --threshold=20 "$work/root/usr/lib/systemd/system/pointsman.service"
}
newer() { # a package of a later version, with another example in its configuration
  rm -rf "$work/newer"
  dpkg-deb --raw-extract "$1" "$work/newer"
  sed -i "s/^Version: .*/Version: 99.0-1/" "$work/newer/DEBIAN/control"
  echo "# of a later version" >>"$work/newer/etc/pointsman/pointsman.toml"
  dpkg-deb --root-owner-group --build "$work/newer" "$work/newer.deb" >/dev/null
  as_root cp "$work/newer.deb" "$work/root/tmp/newer.deb"
}
nothing_left() {
  ! inside getent passwd pointsman
  ! inside test -e /etc/pointsman
  [ -z "$(as_root find "$work/root" -xdev -path "$work/root/proc" -prune -o -path "$work/root/tmp" -prune -o -iname '*pointsman*' -print)" ]
}

rpm_package() {
  local file
  file=$dist/pointsman-$version-1.$(uname -m).rpm
  command -v rpm >/dev/null || quiet as_root apt-get install -y --no-install-recommends rpm
  mkdir -p "$work/rpm"
  fresh_root
  check "rpm: installs into a root of its own" as_root rpm --root "$work/root" --dbpath /var/lib/rpm --nodeps --ignorearch -i "$file"
  check "rpm: its files are as they were packed" as_root rpm --root "$work/root" --dbpath /var/lib/rpm -V pointsman --nodeps
  check "rpm: the configuration is kept at an upgrade" grep -q '/etc/pointsman/pointsman.toml' <(rpm -qpc "$file" 2>/dev/null)
  check "rpm: --version" grep -x "pointsman $version" <(inside /usr/bin/pointsman --version)
  configuration | as_root tee "$work/root/etc/pointsman/pointsman.toml" >/dev/null
  serve "${root[@]}" chroot --userspec=pointsman:pointsman "$work/root" /usr/bin/pointsman run --config /etc/pointsman/pointsman.toml
  check "rpm: a query through the service" answers "SELECT 40 + 2" 42
  end
  check "rpm: is removed" as_root rpm --root "$work/root" --dbpath /var/lib/rpm --nodeps -e pointsman
  check "rpm: a removal leaves no program" test ! -e "$work/root/usr/bin/pointsman"
}

image() {
  check "image: every blob has its digest, both machines are there, and no shell" \
    python3 -B tests/suites/release/image.py "$dist/pointsman-image-$version.oci.tar" "$work/image" "$(dpkg --print-architecture)"
  configuration | sed 's/127.0.0.1:'"$http"'/0.0.0.0:'"$http"'/' >"$work/pointsman.toml"
  as_root install -D -m 0644 "$work/pointsman.toml" "$work/image/etc/pointsman/pointsman.toml"
  serve "${root[@]}" chroot --userspec=65532:65532 "$work/image" /usr/local/bin/pointsman run --config /etc/pointsman/pointsman.toml
  check "image: a query through its entry point, as its user" answers "SELECT 40 + 2" 42
  end
}

chart() {
  local helm
  mkdir -p "$work/chart"
  tar -C "$work/chart" -xzf "$dist/pointsman-$version.tgz"
  check "chart: is the one of this repository" diff -r deploy/helm/pointsman "$work/chart/pointsman"
  check "chart: the index names it by its digest" grep -q "$(sha256sum <"$dist/pointsman-$version.tgz" | cut -d' ' -f1)" "$dist/index.yaml"
  if helm=$(tests/setup/kubernetes-build.sh --there 2>/dev/null); then
    check "chart: renders with two values" "$helm/helm" template shop-proxy "$dist/pointsman-$version.tgz" --set preset=mariadb-operator --set cluster=shop
  else echo "SKIPPED: helm: not built yet, see tests/setup/kubernetes-build.sh"
  fi
}

# The package is replaced under load, as its script does with systemd: clients that connect, and clients that stay for a while.
upgrade() {
  local file client clients=() connects stays pid successor _
  file=$dist/pointsman_${version}_$(dpkg --print-architecture).deb
  fresh_root
  as_root cp "$file" "$work/root/tmp/pointsman.deb"
  check "upgrade: the package is there" inside dpkg --install /tmp/pointsman.deb
  newer "$file"
  configuration | as_root tee "$work/root/etc/pointsman/pointsman.toml" >/dev/null
  serve "${root[@]}" chroot --userspec=pointsman:pointsman "$work/root" /usr/bin/pointsman run --config /etc/pointsman/pointsman.toml
  check "upgrade: a query before" answers "SELECT 40 + 2" 42
  touch "$work/under-load"
  for client in 1 2 3 4; do
    connects "$work/connects.$client" &
    clients+=($!)
    stays "$work/stays.$client" &
    clients+=($!)
  done
  sleep 2
  check "upgrade: dpkg replaces the program" inside dpkg --install --force-confold /tmp/newer.deb
  pid=$(main_process)
  check "upgrade: the running process hands over" as_root kill -USR2 "$pid"
  # The new process is a child of the old one, as long as that is there.
  successor=
  for _ in $(seq 50); do
    successor=$(pgrep --parent "$pid") && break
    sleep 0.1
  done
  sleep 8
  rm "$work/under-load"
  wait "${clients[@]}" || true
  check "upgrade: another process serves" is_there "$successor"
  connects=$(cat "$work"/connects.* | grep -c ok || true) stays=$(cat "$work"/stays.* | grep -c ok || true)
  echo "   $connects connections and $stays statements of clients that stayed"
  check "upgrade: no connection and no statement failed" no_client_failed
  end
  [ -z "$successor" ] || as_root kill -TERM "$successor" || true
}
is_there() { [ -n "$1" ] && as_root kill -0 "$1"; }
# The program that `serve` started last: behind sudo it is sudo's child.
main_process() {
  if [ "$(id -u)" = 0 ]; then echo "${pids[-1]}"; else pgrep --parent "${pids[-1]}"; fi
}
connects() { # file
  while [ -e "$work/under-load" ]; do
    mariadb --no-defaults --skip-ssl -h127.0.0.1 -P"$rw" -uapp -papp -NBe "SELECT 'ok'" >>"$1" 2>>"$1" || echo "failed" >>"$1"
  done
}
stays() { # file: sessions of two seconds, with a statement every 0.1 s
  local _
  while [ -e "$work/under-load" ]; do
    for _ in $(seq 20); do echo "SELECT 'ok';"; sleep 0.1; done \
      | mariadb --no-defaults --skip-ssl -h127.0.0.1 -P"$rw" -uapp -papp -NB >>"$1" 2>>"$1" || echo "failed" >>"$1"
  done
}
no_client_failed() { ! cat "$work"/connects.* "$work"/stays.* | grep -v '^ok$'; }

# From the package to a change of the primary, in a root that has nothing else: apt brings MariaDB.
demo() {
  local began up file ready=
  file=$dist/pointsman_${version}_$(dpkg --print-architecture).deb
  fresh_root
  reaches_packages "$work/root"
  as_root cp "$file" "$work/root/tmp/pointsman.deb"
  began=$(date +%s)
  if ! quiet inside apt-get update -qq; then echo "SKIPPED: demo: apt does not reach Debian's packages in a fresh root"; return; fi
  check "demo: apt installs it with MariaDB" inside env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    /tmp/pointsman.deb mariadb-server mariadb-client
  up=$(date +%s)
  serve "${root[@]}" chroot "$work/root" /usr/bin/env HOME=/root /usr/bin/pointsman demo
  for _ in $(seq 600); do
    if grep -q "Ctrl-C ends everything" "$work/log"; then ready=1; break; fi
    sleep 0.1
  done
  check "demo: the proxy is up" test -n "$ready"
  check "demo: the primary moves, and applications follow" inside /usr/bin/env HOME=/root timeout 60 /usr/bin/pointsman demo failover
  echo "   from the .deb: $((up - began)) s until it is installed with MariaDB, $(($(date +%s) - up)) s more until the failover is seen"
  end
  check "demo: nothing runs on" nothing_runs_on
}
nothing_runs_on() { cat "$work/log"; ! pgrep --list-full mariadbd | grep pointsman-demo; }

# Prints lines like these checks'.
dockerfile() { tests/suites/release/dockerfile.sh || failures=$((failures + 1)); }

# The same commit gives the same bytes: what can be made again within a second is.
again() {
  local epoch
  mkdir -p "$work/again"
  epoch=$(date +%s --date="$(sed -n 's/^  "generated": "\(.*\)",/\1/p' "$dist/index.yaml")")
  SOURCE_DATE_EPOCH=$epoch python3 -B deploy/release/chart.py "$version" "$work/again"
  check "again: the chart has the same bytes" cmp "$work/again/pointsman-$version.tgz" "$dist/pointsman-$version.tgz"
}

# Makes the whole release once more, from a clone in another folder with nothing compiled, and compares every artefact. Takes as
# long as `make dist` the first time.
twice() {
  local copy=$work/twice arch arches=() sums name
  for arch in x86_64 aarch64; do
    if [ -e "$dist/pointsman-$version-linux-$arch.tar.gz" ]; then arches+=("$arch"); fi
  done
  git clone -q . "$copy"
  say "making the release again in $copy (15 minutes on two cores)"
  if ! quiet env -u DIST -u MINISIGN_KEY ARCHES="${arches[*]}" CARGO_TARGET_DIR="$copy/target" "$copy/deploy/release/dist.sh"; then
    check "twice: the release is made again" false
    return
  fi
  sums=$dist/SHA256SUMS
  while read -r _ name; do
    check "twice: $name has the same bytes" cmp "$copy/dist/$name" "$dist/$name"
  done <"$sums"
  check "twice: there are no other artefacts" diff <(awk '{print $2}' "$copy/dist/SHA256SUMS") <(awk '{print $2}' "$sums")
}

check "checksums" bash -c "cd '$dist' && sha256sum --check --quiet SHA256SUMS"
for part in "${@:-all}"; do
  case $part in
    all) archive; deb; upgrade; demo; rpm_package; image; dockerfile; chart; again; twice ;;
    rpm) rpm_package ;;
    archive | deb | upgrade | demo | image | dockerfile | chart | again | twice) "$part" ;;
    *) die "unknown part: $part" ;;
  esac
done
[ "$failures" = 0 ] || die "$failures failed"
