#!/usr/bin/env bash
# Builds what stands on a Kubernetes node beside the API server (kubelet, kube-proxy, scheduler, controller manager, CoreDNS) from
# Go modules, at the versions of tests/suites/cluster/node/go.mod.
# usage: node-build.sh           takes some five minutes the first time only; prints the folder with the programs
#        node-build.sh --there   prints the folder without building anything
# Exits 77 with a line "SKIPPED: Node: why" if the programs are not available here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
title=Node
module=$(cd "$(dirname "$0")/../suites/cluster/node" && pwd)
# shellcheck source-path=SCRIPTDIR source=go.sh
. "$(dirname "$0")/go.sh"

works() { # folder
  local program
  for program in kubelet kube-proxy kube-scheduler kube-controller-manager coredns; do [ -x "$1/$program" ] || return 1; done
}

build() {
  local package version minor stamp=()
  version=$(sed -n 's|^[[:space:]]*k8s.io/kubernetes \(v[0-9][^ ]*\).*|\1|p' "$module/go.mod" | head -n 1)
  minor=${version#v1.} minor=${minor%%.*}
  # Built outside of their own tree they would not know their version, and the API server would not believe them.
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    stamp+=(-X "$package.gitVersion=$version" -X "$package.gitMajor=1" -X "$package.gitMinor=$minor")
  done
  # Without debugging information, and without the machine's C library: CoreDNS runs in an image of its own.
  CGO_ENABLED=0 go_build -ldflags "-s -w ${stamp[*]}"
}

if [ "${1:-}" = --there ] && ! works "$programs"; then skip "not built yet, see tests/setup/node-build.sh"; fi
programs_built
