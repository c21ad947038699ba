#!/usr/bin/env bash
# Makes the images that the cluster's pods run, each from a folder, and keeps them. usage: images.sh [proxy]
#   pause, coredns   always
#   database         MariaDB's packages of Debian, Python, and the stand-in operators of this folder
#   mysql            MySQL's packages of Debian unstable, as MOCO runs them
#   moco, moco-agent the operator, and its agent
#   kubeblocks, kubeblocks-tools  the operator, and its agent
#   proxy            the image of the release; with POINTSMAN=BINARY that binary, with the libraries that it needs
# Prints the archives, one a line.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
node=$("$here/../../setup/node-build.sh")
images=$KEPT/images
mkdir -p "$images"

# An archive is made once for what it is made from.
image() { # name, key, folder or tar, configuration
  local name=docker.io/pointsman-tests/$1:local out
  out=$images/$1-$(printf '%s %s %s' "$name" "$2" "${4:-}" | sha256sum | cut -c1-16).tar
  if [ ! -e "$out" ]; then
    rm -f "$images/$1-"*.tar
    python3 -B "$here/image.py" "$name" "$3" "$out" "${4:-}"
  fi
  echo "$out"
}
key_of() { sha256sum "$@" | sha256sum | cut -c1-16; }

scratch=$(mktemp -d "$images/scratch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

pause() {
  mkdir -p "$scratch/pause"
  gcc -O2 -static -s -o "$scratch/pause/pause" "$here/pause.c"
  install -m 0755 "$scratch/pause/pause" "$KEPT/pause"
  image pause "$(key_of "$here/pause.c")" "$scratch/pause" '{"Entrypoint": ["/pause"], "User": "65535"}'
}

coredns() {
  mkdir -p "$scratch/coredns"
  cp "$node/coredns" "$scratch/coredns/"
  image coredns "$(basename "$node")" "$scratch/coredns" '{"Entrypoint": ["/coredns"]}'
}

# A Debian system with these packages, as a tar file in $root. It is installed once.
debian() { # name, release, packages, further command on the folder "$1"
  local hook='rm -rf "$1"/var/lib/mysql "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/usr/share/doc "$1"/usr/share/man'
  root=$images/root-$1-$(printf '%s %s %s' "$2" "$3" "${4:-}" | sha256sum | cut -c1-16).tar
  if [ ! -e "$root" ]; then
    say "installing ${3%%,*} into an image of the servers: a minute or two"
    rm -f "$images/root-$1-"*.tar
    # A mirror of Debian unstable may be some days old.
    quiet mmdebstrap --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include="$3" \
      --customize-hook="$hook" ${4:+--customize-hook="$4"} "$2" "${root%.tar}.new.tar"
    mv "${root%.tar}.new.tar" "$root"
  fi
}

database() {
  local root
  # shellcheck disable=SC1091  # of the machine
  debian database "$(. /etc/os-release && echo "$VERSION_CODENAME")" mariadb-server,mariadb-client,python3,python3-pymysql,python3-cryptography
  image database "$(basename "$root")" "$root" '{"Cmd": ["bash"]}'
}

mysql() {
  local root
  # MOCO's own images have the server in /usr/local/mysql.
  # shellcheck disable=SC2016  # for mmdebstrap to expand
  debian mysql sid mysql-server-core,mysql-client-core 'rm -rf "$1"/usr/local/mysql && ln -s /usr "$1"/usr/local/mysql'
  image mysql "$(basename "$root")" "$root" '{"Entrypoint": ["mysqld"]}'
}

moco() {
  local built
  built=$("$here/../../setup/moco-build.sh")
  mkdir -p "$scratch/moco"
  cp "$built/moco-controller" "$scratch/moco/"
  image moco "$(basename "$built")" "$scratch/moco" '{"Entrypoint": ["/moco-controller"], "User": "10000:10000"}'
}

moco-agent() {
  local built
  built=$("$here/../../setup/moco-build.sh")
  mkdir -p "$scratch/moco-agent/bin"
  cp "$built/moco-agent" "$built/moco-init" "$scratch/moco-agent/"
  cp "$built/cp" "$scratch/moco-agent/bin/"
  image moco-agent "$(basename "$built")" "$scratch/moco-agent" '{"Entrypoint": ["/moco-agent"], "User": "10000:10000"}'
}

kubeblocks() {
  local built
  built=$("$here/../../setup/kubeblocks-build.sh")
  mkdir -p "$scratch/kubeblocks"
  cp "$built/manager" "$scratch/kubeblocks/"
  image kubeblocks "$(basename "$built")" "$scratch/kubeblocks" '{"Entrypoint": ["/manager"], "User": "65532:65532"}'
}

# The agent copies itself beside the server with `cp`.
kubeblocks-tools() {
  local built program
  built=$("$here/../../setup/kubeblocks-build.sh")
  quiet "$here/../../setup/deps.sh" packages busybox-static:busybox
  mkdir -p "$scratch/kubeblocks-tools/bin"
  cp "$built/kbagent" "$(command -v busybox)" "$scratch/kubeblocks-tools/bin/"
  for program in cp true; do ln "$scratch/kubeblocks-tools/bin/busybox" "$scratch/kubeblocks-tools/bin/$program"; done
  image kubeblocks-tools "$(basename "$built")" "$scratch/kubeblocks-tools" '{"Entrypoint": ["/bin/kbagent"], "User": "65532:65532"}'
}

proxy() {
  local binary library out
  if [ -z "${POINTSMAN:-}" ]; then
    quiet env ARCHES="$(uname -m)" "$here/../../../deploy/release/tools.sh"
    say "building the release's static binary: some minutes, unless it is there"
    quiet env ARCHES="$(uname -m)" "$here/../../../deploy/release/binaries.sh"
    binary=$(. "$here/../../../deploy/release/lib.sh" && cd "$here/../../.." && realpath "$(target_of "$(uname -m)")/pointsman.stripped")
  else binary=$(realpath "$POINTSMAN")
  fi
  out=$scratch/proxy
  mkdir -p "$out"/{usr/local/bin,etc/ssl/certs,tmp}
  cp "$binary" "$out/usr/local/bin/pointsman"
  strip "$out/usr/local/bin/pointsman" 2>/dev/null || true
  cp -L /etc/ssl/certs/ca-certificates.crt "$out/etc/ssl/certs/"
  printf 'root:x:0:0:root:/:/nonexistent\nnonroot:x:65532:65532:nonroot:/:/nonexistent\n' >"$out/etc/passwd"
  # A binary of the tests is linked with the C library.
  for library in $(ldd "$binary" 2>/dev/null | grep -oE '/[^ ]+'); do
    mkdir -p "$out$(dirname "$library")"
    cp -L "$library" "$out$library"
  done
  image proxy "$(key_of "$binary")" "$out" \
    '{"Entrypoint": ["/usr/local/bin/pointsman"], "Cmd": ["run", "--config", "/etc/pointsman/pointsman.toml"], "User": "65532:65532"}'
}

for what; do "$what"; done
