#!/usr/bin/env bash
# Builds etcd, kube-apiserver, kubectl and helm from their Go modules, at the versions of tests/kubernetes/go.mod.
# usage: kubernetes-build.sh           takes minutes the first time only; prints the folder with the four programs, which
#                                      also has the folder crds: the Prometheus operator's resource definitions
#        kubernetes-build.sh --there   prints the folder without building anything
# Exits 77 with a line "SKIPPED: Kubernetes: why" if the programs are not available here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

module=$(cd "$(dirname "$0")/../kubernetes" && pwd)
skip() { printf 'SKIPPED: Kubernetes: %s\n' "$*" >&2; exit "$SKIPPED"; }

version_of() { # module path: its version in go.mod
  sed -n "s|^[[:space:]]*$1 \(v[0-9][^ ]*\).*|\1|p" "$module/go.mod" | head -n 1
}
kubernetes=$(version_of k8s.io/kubernetes)
programs=$CACHE/kubernetes/$(cat "$module/go.mod" "$module/go.sum" "$0" | sha256sum | cut -c1-16)

works() { # folder
  local program
  for program in etcd kube-apiserver kubectl helm; do [ -x "$1/$program" ] || return 1; done
  [ -e "$1/crds/servicemonitors.yaml" ] && [ -e "$1/crds/prometheusrules.yaml" ]
}

# Go of at least the version that go.mod asks for: the machine's own, or a private copy.
find_go() {
  local wanted
  wanted=$(sed -n 's/^go //p' "$module/go.mod")
  go=$(command -v go || true)
  if [ -n "$go" ]; then
    # Never another tool chain behind our back: what is used is what is asked.
    local has
    has=$(GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null | sed 's/^go//; s/[ -].*//')
    [ "$(printf '%s\n' "$wanted" "${has:-0}" | sort -V | head -n 1)" = "$wanted" ] && return
  fi
  go=$CACHE/go-$toolchain/bin/go
  [ -x "$go" ] || fetch_go
}

# The proxy of modules has the tool chain too, as a module.
toolchain=1.26.4
fetch_go() {
  local machine sum name proxy
  case $(uname -m) in
    x86_64) machine=amd64 sum=0221cfe82f9c88c717677cb5c1f59f598d177cd7eac18c11f90ae29432d356f9 ;;
    aarch64) machine=arm64 sum=546033959cfc917b439851f7bcd64e973dd18e83b1c333c6d609a891ed2b77a6 ;;
    *) skip "no Go here, and none known for $(uname -m)" ;;
  esac
  name=v0.0.1-go$toolchain.linux-$machine
  proxy=$(printf '%s' "${GOPROXY:-https://proxy.golang.org}" | grep -oE 'https?://[^,|]+' | head -n 1) || true
  [ -n "$proxy" ] || skip "no Go here, and GOPROXY names no proxy"
  say "Kubernetes: fetching Go $toolchain"
  curl -fsSL --retry 3 -o "$work/go.zip" "${proxy%/}/golang.org/toolchain/@v/$name.zip" || skip "Go $toolchain cannot be fetched"
  echo "$sum  $work/go.zip" | sha256sum --check --quiet >&2 || skip "Go $toolchain is not what it should be"
  python3 -m zipfile -e "$work/go.zip" "$work/go" || skip "Go $toolchain cannot be unpacked"
  chmod -R a+x "$work/go/golang.org/toolchain@$name"/{bin,pkg/tool}
  rm -rf "$CACHE/go-$toolchain"
  mv "$work/go/golang.org/toolchain@$name" "$CACHE/go-$toolchain"
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
  cd "$module"
  export GOTOOLCHAIN=local GOFLAGS="-mod=readonly -buildvcs=false" GOWORK=off
  quiet "$go" list -deps tool || skip "its Go modules cannot be fetched"
  # Without debugging information; not more than two compilers beside whatever else goes on.
  quiet nice -n 15 "$go" build -p 2 -trimpath -ldflags "-s -w ${stamp[*]}" -o "$work/bin/" tool || die "Kubernetes: the build failed"
  mv "$work/bin/server" "$work/bin/etcd" # its package has no better name
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
mkdir -p "$CACHE/kubernetes"
exec 9>"$CACHE/kubernetes.lock"
flock 9
if ! works "$programs"; then
  work=$(mktemp -d "$CACHE/kubernetes/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  find_go
  began=$SECONDS
  say "Kubernetes: building $kubernetes with $("$go" env GOVERSION), some minutes"
  (build)
  fetch_crds
  # One version is enough.
  find "$CACHE/kubernetes" -mindepth 1 -maxdepth 1 -type d ! -path "$work" -exec rm -rf {} +
  works "$work/bin" || die "Kubernetes: the build made only: $(ls "$work/bin")"
  mv "$work/bin" "$programs"
  say "Kubernetes: built in $((SECONDS - began)) s"
fi
echo "$programs"
