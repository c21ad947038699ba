#!/usr/bin/env bash
# Installs the tools of a release: the standard library for musl, a C compiler for both machines (zig), and what packs.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

ZIG=0.15.2
ZIGBUILD=0.24.1
CRATES=(cargo-auditable@0.7.7 cargo-deb@3.8.0 cargo-generate-rpm@0.21.1 cargo-cyclonedx@0.5.9 cargo-about@0.9.3)

command -v llvm-objcopy >/dev/null || quiet as_root apt-get install -y --no-install-recommends llvm binutils
for arch in $ARCHES; do
  target=$arch-unknown-linux-musl
  [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] || quiet rustup target add "$target"
done

if [ "$(cat "$TOOLS/venv.version" 2>/dev/null)" != "$ZIG $ZIGBUILD" ]; then
  say "installing zig $ZIG, the C compiler for both machines"
  python3 -m venv --help >/dev/null 2>&1 || quiet as_root apt-get install -y --no-install-recommends python3-venv
  rm -rf "$TOOLS/venv"
  hash -r
  python3 -m venv "$TOOLS/venv"
  quiet "$TOOLS/venv/bin/pip" install "ziglang==$ZIG" "cargo-zigbuild==$ZIGBUILD"
  echo "$ZIG $ZIGBUILD" >"$TOOLS/venv.version"
fi

for crate in "${CRATES[@]}"; do
  name=${crate%@*} features=()
  # Without it the crate installs no program, and cargo calls that success.
  [ "$name" != cargo-about ] || features=(--features cli)
  if [ ! -x "$TOOLS/bin/$name" ] || [ "$(cat "$TOOLS/$name.version" 2>/dev/null)" != "$crate" ]; then
    say "compiling $crate (a minute or two)"
    CARGO_TARGET_DIR=$TOOLS/target CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
      quiet cargo install --locked --force --root "$TOOLS" "${features[@]}" "$crate"
    [ -x "$TOOLS/bin/$name" ] || die "cargo installed no $name"
    echo "$crate" >"$TOOLS/$name.version"
  fi
done
rm -rf "$TOOLS/target"
