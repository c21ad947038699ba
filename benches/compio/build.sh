#!/usr/bin/env bash
# Builds a proxy whose io_uring is driven by compio (compio-driver) in place of the crate `uring`, to compare both. Prints its path.
# usage: POINTSMAN=$(benches/compio/build.sh) PAGE= benches/run.sh drivers   and the same without POINTSMAN for the proxy as it is
# That proxy is for measurements alone: it does not notice a client that hangs up behind bytes that nobody reads (POLLRDHUP, for
# which compio cannot wait).
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/compio
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-compio.XXXX")
trap 'rm -rf "$scratch"' EXIT
git ls-files -z Cargo.toml Cargo.lock .cargo src uring benches tests/*.rs | xargs -0 cp --parents -t "$scratch"
cp benches/compio/*.rs "$scratch/uring/src/"
cd "$scratch"
sed -i '/^io-uring = /d' uring/Cargo.toml
sed -i '/^#\[cfg(test)\]$/d; /^mod tests;$/d' uring/src/lib.rs
cargo add -q -p pointsman-uring compio-driver@0.12.5 compio-buf@0.8.3 >&2
CARGO_TARGET_DIR=$target cargo build --profile dist >&2
echo "$target/dist/pointsman"
