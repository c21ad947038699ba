#!/usr/bin/env bash
# Builds MOCO, an operator for MySQL, and the agent that it runs beside each server, from their Go modules at the versions of
# tests/suites/cluster/moco/go.mod.
# usage: moco-build.sh           takes some four minutes the first time only; prints the folder: the programs, and the chart
#        moco-build.sh --there   prints the folder without building anything
# Exits 77 with a line "SKIPPED: MOCO: why" if the modules are not available here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
title=MOCO
module=$(cd "$(dirname "$0")/../suites/cluster/moco" && pwd)
# shellcheck source-path=SCRIPTDIR source=go.sh
. "$(dirname "$0")/go.sh"

works() { # folder
  local part
  for part in moco-controller moco-agent moco-init cp chart/Chart.yaml; do [ -e "$1/$part" ] || return 1; done
}

# A copy of a module that can be changed.
copy() { # name
  local version folder
  version=$(sed -n "s|^[[:space:]]*github.com/cybozu-go/$1 ||p" "$module/go.mod")
  folder=$(cd "$module" && "$go" mod download -json "github.com/cybozu-go/$1@$version" 2>/dev/null | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p') || true
  [ -n "$folder" ] || skip "the Go module $1 cannot be fetched"
  cp -r "$folder" "$work/$1"
  chmod -R u+w "$work/$1"
}

# These versions know MySQL 8.0 and 8.4. MySQL 9 has semi-synchronous replication under its new names only, and RESET MASTER and SHOW
# MASTER STATUS not at all. The names are exchanged, and 9.7 is treated as 8.4; nothing else of MOCO is changed.
adapt() {
  grep -rlE --include='*.go' 'semi_?sync_(master|slave)' "$work/moco" "$work/moco-agent" | xargs sed -i \
    -e 's/\([Rr]\)pl_semi_sync_master/\1pl_semi_sync_source/g' -e 's/rpl_semi_sync_slave/rpl_semi_sync_replica/g' \
    -e 's/wait_for_slave_count/wait_for_replica_count/g' -e 's/semisync_master\.so/semisync_source.so/' -e 's/semisync_slave\.so/semisync_replica.so/'
  sed -i 's/case "8\.4":/case "8.4", "9.7":/' "$work"/moco/pkg/{dbop/replication,bkop/status}.go
  sed -i 's/version == "8\.4"/version != "8.0"/' "$work"/moco-agent/server/{mysql_status,initialize}.go
}

compile() { # module, program…
  local name=$1 program
  shift
  for program; do
    (cd "$work/$name" && GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 quiet nice -n 15 "$go" build -p 2 -trimpath -buildvcs=false \
      -ldflags="-s -w" -o "$work/bin/$program" "./cmd/$program") || die "MOCO: $program does not build"
  done
}

build() {
  mkdir -p "$work/bin"
  copy moco
  copy moco-agent
  adapt
  compile moco moco-controller
  compile moco-agent moco-agent moco-init cp
  cp -r "$work/moco/charts/moco" "$work/bin/chart"
}

if [ "${1:-}" = --there ] && ! works "$programs"; then skip "not built yet, see tests/setup/moco-build.sh"; fi
programs_built
