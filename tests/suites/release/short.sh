#!/usr/bin/env bash
# What a release is made of, without the builds of `make dist`: what can be tried with a program of this machine, in a minute. Prints
# "ok …", "FAIL …" and "SKIPPED …" lines.
# usage: short.sh        env: POINTSMAN  the proxy's binary (default: target/debug/pointsman)
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. tests/setup/lib.sh
program=$(realpath "${POINTSMAN:-target/debug/pointsman}")
version=$(sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml)
work=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-release.XXXX")
# shellcheck source-path=SCRIPTDIR source=checks.sh
. tests/suites/release/checks.sh
demo=

finish() {
  [ -z "$demo" ] || { kill -TERM "$demo" 2>/dev/null && wait "$demo"; } || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

manual() {
  local page
  mkdir -p "$work/man"
  "$program" man "$work/man"
  for page in run check status tap top explain demo completions; do test -s "$work/man/pointsman-$page.1"; done
  grep -q 'pointsman-run(1)\|pointsman\\-run(1)' "$work/man/pointsman.1"
}

completions() {
  "$program" completions bash >"$work/bash"
  "$program" completions zsh >"$work/zsh"
  "$program" completions fish >"$work/fish"
  bash -n "$work/bash"
  # shellcheck disable=SC2016
  bash -c '. "$1"; COMP_WORDS=(pointsman ch) COMP_CWORD=1; _pointsman pointsman ch pointsman; [[ " ${COMPREPLY[*]} " == *" check "* ]]' _ "$work/bash"
  grep -q '^#compdef pointsman' "$work/zsh"
  grep -q '^complete -c pointsman' "$work/fish"
}

# What a package installs says what to fill in, and is accepted.
first_configuration() { "$program" check --config deploy/package/pointsman.toml 2>&1 | grep "discovery.servers: the list is empty"; }

package_scripts() {
  local script
  for script in deploy/package/debian/* deploy/package/rpm/*; do sh -n "$script"; done
}

same_twice() { # command with a folder at its end, that folder
  SOURCE_DATE_EPOCH=86400 "$@" "$work/first"
  sleep 1.1
  SOURCE_DATE_EPOCH=86400 "$@" "$work/second"
  diff -r "$work/first" "$work/second"
}
chart() { mkdir -p "$1" && python3 -B deploy/release/chart.py "$version" "$1"; }
image() {
  mkdir -p "$1"
  CA_CERTIFICATES=LICENSE NOTICES=LICENSE python3 -B deploy/release/image.py "$version" "$1/image.tar" "amd64=$work/stand-in" "arm64=$work/stand-in"
}
image_unpacks() {
  python3 -B tests/suites/release/image.py "$work/first/image.tar" "$work/root" arm64
  cmp "$work/root/usr/local/bin/pointsman" "$work/stand-in"
}

# The first stage of deploy/Dockerfile up to its first build: cargo must accept what is there by then. (dockerfile.sh builds all of it.)
image_manifest() {
  local line paths
  mkdir -p "$work/stage/src"
  touch "$work/stage/src/main.rs" "$work/stage/src/lib.rs"
  while read -r line; do
    case $line in
      *"cargo build"*) break ;;
      "COPY "*)
        read -ra paths <<<"${line#COPY }"
        (cp -r "${paths[@]:0:${#paths[@]}-1}" "$work/stage/")
        ;;
      "RUN sed "*) (cd "$work/stage" && bash -c "${line#RUN }") ;;
    esac
  done <deploy/Dockerfile
  # Without compiling anything: cargo reads the whole manifest before it looks for the binary.
  { cargo build --locked --offline --bin no-such-name --manifest-path "$work/stage/Cargo.toml" 2>&1 || true; } | tee /dev/stderr \
    | grep -q "no bin target named .no-such-name."
}

exposure() { systemd-analyze security --offline=true --threshold=20 deploy/pointsman.service; }

# From the command to a change of the primary that applications follow.
watches_a_failover() {
  local _
  export POINTSMAN_DEMO=$work/demo
  "$program" demo >"$work/demo.log" 2>&1 &
  demo=$!
  for _ in $(seq 600); do
    if grep -q "Ctrl-C ends everything" "$work/demo.log"; then break; fi
    kill -0 "$demo" 2>/dev/null || { cat "$work/demo.log"; return 1; }
    sleep 0.1
  done
  timeout 60 "$program" demo failover
  kill -TERM "$demo"
  wait "$demo" || true
  demo=
  ! test -e "$work/demo"
}

check "manual pages" manual
check "completions" completions
check "a package's configuration" first_configuration
check "the packages' scripts" package_scripts
check "the chart has the same bytes twice" same_twice chart
printf 'a program' >"$work/stand-in"
rm -rf "$work/first" "$work/second"
check "the image has the same bytes twice" same_twice image
check "the image unpacks" image_unpacks
check "cargo accepts what deploy/Dockerfile gives it" image_manifest
if command -v systemd-analyze >/dev/null; then check "the unit's exposure is at most 2.0" exposure
else echo "SKIPPED the unit's exposure: no systemd-analyze"; fi
check "pointsman demo, and a change of the primary" watches_a_failover
[ "$failures" = 0 ] || die "$failures failed"
