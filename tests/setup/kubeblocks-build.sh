#!/usr/bin/env bash
# Builds KubeBlocks, an operator for databases, and the agent that it runs beside each server, from its Go module at the version of
# tests/suites/cluster/kubeblocks/go.mod. Nothing of it is changed.
# usage: kubeblocks-build.sh           takes some ten minutes the first time only; prints the folder: the programs, and the chart
#        kubeblocks-build.sh --there   prints the folder without building anything
# Exits 77 with a line "SKIPPED: KubeBlocks: why" if the module is not available here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
title=KubeBlocks
module=$(cd "$(dirname "$0")/../suites/cluster/kubeblocks" && pwd)
# shellcheck source-path=SCRIPTDIR source=go.sh
. "$(dirname "$0")/go.sh"

works() { # folder
  local part
  for part in manager kbagent chart/Chart.yaml; do [ -e "$1/$part" ] || return 1; done
}

build() {
  local name=github.com/apecloud/kubeblocks version folder program
  version=$(sed -n "s|^require $name ||p" "$module/go.mod")
  folder=$(cd "$module" && "$go" mod download -json "$name@$version" 2>/dev/null | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p') || true
  [ -n "$folder" ] || skip "the Go module $name cannot be fetched"
  mkdir -p "$work/bin"
  for program in manager kbagent; do
    (cd "$folder" && GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 quiet nice -n 15 "$go" build -p 2 -mod=readonly -trimpath -buildvcs=false \
      -ldflags="-s -w" -o "$work/bin/$program" "./cmd/$program") || die "KubeBlocks: $program does not build"
  done
  cp -r "$folder/deploy/helm" "$work/bin/chart"
  chmod -R u+w "$work/bin/chart"
}

if [ "${1:-}" = --there ] && ! works "$programs"; then skip "not built yet, see tests/setup/kubeblocks-build.sh"; fi
programs_built
