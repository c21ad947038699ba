# shellcheck shell=bash
# Builds programs from the tools of a Go module, once for each version, into the cache. A script that sources this has set
# `title` and `module`, the folder with go.mod; it defines `works FOLDER`, which says whether all programs are there, and
# `build`, which makes them in $work/bin. It ends with `programs_built`.
# shellcheck disable=SC2154

family=${title,,}
sources() {
  cat "$module/go.mod" "$module/go.sum" "$0" "${BASH_SOURCE[0]}"
  find "$module" -name '*.go' -print0 | sort -z | xargs -0 -r cat
}
# shellcheck disable=SC2034  # used by those who source this
programs=$CACHE/$family/$(sources | sha256sum | cut -c1-16)

skip() { printf 'SKIPPED: %s: %s\n' "$title" "$*" >&2; exit "$SKIPPED"; }

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

# The proxy of modules has the tool chain too, as a module. As new as the newest go.mod here asks for.
toolchain=1.26.8
fetch_go() {
  local machine sum name proxy
  case $(uname -m) in
    x86_64) machine=amd64 sum=30c2b1bf7dcc88d3eb0a1364e47ddd9128edb3110a30e8a0ef61cd5856b31de7 ;;
    aarch64) machine=arm64 sum=02b36b6787b3ac767668f630e2998df45a3b1f9ffee08d1bf3ef6487cd658d99 ;;
    *) skip "no Go here, and none known for $(uname -m)" ;;
  esac
  name=v0.0.1-go$toolchain.linux-$machine
  proxy=$(printf '%s' "${GOPROXY:-https://proxy.golang.org}" | grep -oE 'https?://[^,|]+' | head -n 1) || true
  [ -n "$proxy" ] || skip "no Go here, and GOPROXY names no proxy"
  say "fetching Go $toolchain"
  curl -fsSL --retry 3 -o "$work/go.zip" "${proxy%/}/golang.org/toolchain/@v/$name.zip" || skip "Go $toolchain cannot be fetched"
  echo "$sum  $work/go.zip" | sha256sum --check --quiet >&2 || skip "Go $toolchain is not what it should be"
  python3 -m zipfile -e "$work/go.zip" "$work/go" || skip "Go $toolchain cannot be unpacked"
  chmod -R a+x "$work/go/golang.org/toolchain@$name"/{bin,pkg/tool}
  rm -rf "$CACHE/go-$toolchain"
  mv "$work/go/golang.org/toolchain@$name" "$CACHE/go-$toolchain"
}

# Builds the module's tools; the arguments are further ones of `go build`.
go_build() (
  cd "$module" || exit
  export GOTOOLCHAIN=local GOFLAGS="-mod=readonly -buildvcs=false" GOWORK=off
  quiet "$go" list -deps tool || skip "its Go modules cannot be fetched"
  # Not more than two compilers beside whatever else goes on.
  quiet nice -n 15 "$go" build -p 2 -trimpath "$@" -o "$work/bin/" tool || die "$title: the build failed"
)

# Prints the folder of the programs. Builds them first if they are not there, which takes minutes.
programs_built() {
  mkdir -p "$CACHE/$family"
  exec 9>"$CACHE/$family.lock"
  flock 9
  if ! works "$programs"; then
    work=$(mktemp -d "$CACHE/$family/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    find_go
    local began=$SECONDS
    say "$title: building it with $("$go" env GOVERSION), some minutes"
    (build)
    # One version is enough.
    find "$CACHE/$family" -mindepth 1 -maxdepth 1 -type d ! -path "$work" -exec rm -rf {} +
    works "$work/bin" || die "$title: the build made only: $(ls "$work/bin")"
    mv "$work/bin" "$programs"
    say "$title: built in $((SECONDS - began)) s"
  fi
  echo "$programs"
}
