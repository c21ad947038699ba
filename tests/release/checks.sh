# shellcheck shell=bash
# Shared by the tests of a release: a line for each check. The caller has the folder $work.

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
