#!/usr/bin/env bash
# Builds etcd, kube-apiserver, kubectl and helm from their Go modules, at the versions of tests/suites/kubernetes/go.mod.
# usage: kubernetes-build.sh           takes minutes the first time only; prints the folder with the four programs, which
#                                      also has the folder crds: the Prometheus operator's resource definitions
#        kubernetes-build.sh --there   prints the folder without building anything
# Exits 77 with a line "SKIPPED: Kubernetes: why" if the programs are not available here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
title=Kubernetes
module=$(cd "$(dirname "$0")/../suites/kubernetes" && pwd)
# shellcheck source-path=SCRIPTDIR source=go.sh
. "$(dirname "$0")/go.sh"

version_of() { # module path: its version in go.mod
  sed -n "s|^[[:space:]]*$1 \(v[0-9][^ ]*\).*|\1|p" "$module/go.mod" | head -n 1
}
kubernetes=$(version_of k8s.io/kubernetes)

works() { # folder
  local program
  for program in etcd kube-apiserver kubectl helm; do [ -x "$1/$program" ] || return 1; done
  [ -e "$1/crds/servicemonitors.yaml" ] && [ -e "$1/crds/prometheusrules.yaml" ]
}

build() {
  local package minor stamp=()
  minor=${kubernetes#v1.} minor=${minor%%.*}
  # Built outside of their own trees they would not know their versions, and what asks for one would believe it.
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    stamp+=(-X "$package.gitVersion=$kubernetes" -X "$package.gitMajor=1" -X "$package.gitMinor=$minor")
  done
  for package in helm.sh/helm/v3/pkg/chartutil helm.sh/helm/v3/pkg/lint/rules; do
    stamp+=(-X "$package.k8sVersionMajor=1" -X "$package.k8sVersionMinor=$minor")
  done
  stamp+=(-X "helm.sh/helm/v3/internal/version.version=$(version_of helm.sh/helm/v3)")
  # Without debugging information.
  go_build -ldflags "-s -w ${stamp[*]}"
  mv "$work/bin/server" "$work/bin/etcd" # its package has no better name
  fetch_crds
}

# Of the Prometheus operator only two files, which its module has among its examples.
prometheus_operator=github.com/prometheus-operator/prometheus-operator@v0.85.0
fetch_crds() {
  local folder kind
  # Outside of any module; the checksum database vouches for it.
  folder=$(cd "$work" && GOTOOLCHAIN=local "$go" mod download -json "$prometheus_operator" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p') || true
  [ -n "$folder" ] || skip "$prometheus_operator cannot be fetched"
  mkdir -p "$work/bin/crds"
  for kind in servicemonitors prometheusrules; do
    install -m 0644 "$folder/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$work/bin/crds/$kind.yaml"
  done
}

if [ "${1:-}" = --there ] && ! works "$programs"; then skip "not built yet, see tests/setup/kubernetes-build.sh"; fi
programs_built
