#!/usr/bin/env bash
# Builds deploy/Dockerfile with buildah, without a daemon and without a registry of images: its base images are made of folders, a
# Debian root with this machine's Rust, and the certificates. Then compares its content with the release's image, and runs a query
# through it. Takes about a quarter of an hour, nearly all of it the compiler.
# env: DIST  the folder of the artefacts (default: dist), for the comparison
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. tests/setup/lib.sh
dist=${DIST:-$PWD/dist}
released=$dist/pointsman-image-$(sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml).oci.tar
work=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-dockerfile.XXXX")
# shellcheck source-path=SCRIPTDIR source=checks.sh
. tests/suites/release/checks.sh
servers=$work/servers
proxy=
# Not as_root: the proxy must be this shell's own child, so that its id is known.
become=()
[ "$(id -u)" = 0 ] || become=(sudo)

finish() {
  [ -z "$proxy" ] || as_root kill -TERM "$proxy" 2>/dev/null || true
  wait || true
  [ ! -e "$servers/kind" ] || tests/setup/cluster.sh stop "$servers" || true
  [ ! -d "$work/storage" ] || buildah_ umount --all >/dev/null 2>&1 || true
  as_root rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Images are plain folders here, and steps run in a chroot: nothing is asked of the kernel that a container would refuse.
buildah_() { as_root buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }

# What the official image of Rust has: Debian, a C compiler, and rustup with a toolchain in /usr/local.
rust_image() {
  local root=$work/rust container
  debian_root "$root"
  reaches_packages "$root"
  as_root chroot "$root" apt-get update -qq
  as_root chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates gcc libc6-dev make
  rustup target add "$(uname -m)-unknown-linux-musl"
  as_root mkdir -p "$root/usr/local/cargo/bin" "$root/usr/local/rustup/toolchains"
  as_root cp -a "$(rustc --print sysroot)" "$root/usr/local/rustup/toolchains/"
  as_root rm -rf "$root"/usr/local/rustup/toolchains/*/share
  as_root cp "$(dirname "$(rustup which cargo)")/../../../settings.toml" "$root/usr/local/rustup/"
  as_root cp -a "${CARGO_HOME:-$HOME/.cargo}/bin/rustup" "$root/usr/local/cargo/bin/"
  for tool in cargo rustc; do as_root ln -s rustup "$root/usr/local/cargo/bin/$tool"; done
  container=$(buildah_ from scratch)
  buildah_ add --quiet "$container" "$root" /
  buildah_ config --env RUSTUP_HOME=/usr/local/rustup --env CARGO_HOME=/usr/local/cargo \
    --env PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah_ commit --quiet --rm "$container" localhost/rust:test
  as_root rm -rf "$root"
}

# What distroless's image has that the proxy uses.
base_image() {
  local root=$work/base container
  mkdir -p "$root/etc/ssl/certs"
  cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  echo "nonroot:x:65532:65532:nonroot:/:/nonexistent" >"$root/etc/passwd"
  echo "nonroot:x:65532:" >"$root/etc/group"
  container=$(buildah_ from scratch)
  buildah_ add --quiet "$container" "$root" /
  buildah_ commit --quiet --rm "$container" localhost/static:test
}

build() {
  buildah_ bud --quiet --isolation chroot --network host --pull-never --layers=false -f deploy/Dockerfile \
    --build-arg BUILD_IMAGE=localhost/rust:test --build-arg BASE_IMAGE=localhost/static:test -t localhost/pointsman:test .
}

same_files() { # the release's image of this machine has these files, too
  python3 -B tests/suites/release/image.py "$released" "$work/released" "$(dpkg --print-architecture)"
  diff <(cd "$work/released" && find . -type f | sort) <(cd "$root" && as_root find . -type f | sort)
}

answers() {
  local _
  for _ in $(seq 100); do
    [ "$(mariadb --no-defaults --skip-ssl -h127.0.0.1 -P"$1" -uapp -papp -NBe "SELECT 40 + 2" 2>/dev/null)" != 42 ] || return 0
    sleep 0.1
  done
  cat "$work/log"
  return 1
}

command -v buildah >/dev/null || quiet as_root apt-get install -y --no-install-recommends buildah
command -v rustup >/dev/null || { echo "SKIPPED: dockerfile: the base image is made of rustup's toolchain, and there is none"; exit 0; }
check "dockerfile: base images" eval "rust_image && base_image"
say "building deploy/Dockerfile (ten minutes)"
check "dockerfile: builds" build
[ "$failures" = 0 ] || die "$failures failed"
container=$(buildah_ from --pull-never localhost/pointsman:test)
root=$(buildah_ mount "$container")
check "dockerfile: the binary is static" bash -c "! as_root ldd '$root/usr/local/bin/pointsman'"
check "dockerfile: has the licences of its crates" grep -q "^== rustls-" "$root/usr/share/doc/pointsman/NOTICES.txt"
if [ -e "$released" ]; then check "dockerfile: the files of the release's image, no others" same_files
else echo "SKIPPED: dockerfile: no $released to compare with"; fi
rw=$(free_port) ro=$(free_port) http=$(free_port)
quiet tests/setup/cluster.sh start "$servers" mariadb 1
as_root mkdir -p "$root/etc/pointsman"
tests/setup/cluster.sh config "$servers" "$rw" "$ro" "$http" | as_root tee "$root/etc/pointsman/pointsman.toml" >/dev/null
"${become[@]}" chroot --userspec=65532:65532 "$root" /usr/local/bin/pointsman run --config /etc/pointsman/pointsman.toml >"$work/log" 2>&1 &
proxy=$!
check "dockerfile: a query through it" answers "$rw"
[ "$failures" = 0 ] || die "$failures failed"
