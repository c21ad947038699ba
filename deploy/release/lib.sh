# shellcheck shell=bash
# Shared by the scripts that make a release: what is made, where, and with which tools.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source-path=SCRIPTDIR source=../../tests/setup/lib.sh
. tests/setup/lib.sh

# All artefacts, with the file of their checksums.
DIST=${DIST:-$PWD/dist}
# The tools of a release, which nothing else needs.
TOOLS=$CACHE/release
PATH=$TOOLS/bin:$TOOLS/venv/bin:$PATH
# shellcheck disable=SC2034  # used by those who source this
VERSION=$(sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml)
# The machines that there are binaries for: as Rust names them, and as Debian and images do.
ARCHES=${ARCHES:-x86_64 aarch64}

# As Debian and OCI name a machine.
debian_arch() { case $1 in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) die "unknown machine: $1" ;; esac; }

# Where the work of one machine is: its static binary, and what is made of it.
target_of() { echo "${CARGO_TARGET_DIR:-target}/$1-unknown-linux-musl/dist"; }

# Every date in an artefact is this one: the date of the commit. So the same commit gives the same bytes.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
