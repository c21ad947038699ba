#!/usr/bin/env bash
# Builds the static binary of each machine in $ARCHES, and puts its symbols into a file of their own. The list of all crates
# is in the binary (`cargo audit bin` reads it).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# The same bytes wherever the source and the compiler's files are.
home=${CARGO_HOME:-$HOME/.cargo}
flags="--remap-path-prefix=$PWD=/pointsman --remap-path-prefix=$home=/cargo --remap-path-prefix=$(rustc --print sysroot)=/rust"
c_flags="-ffile-prefix-map=$PWD=/pointsman -ffile-prefix-map=$home=/cargo"

for arch in $ARCHES; do
  target=$arch-unknown-linux-musl
  out=$(target_of "$arch")
  say "building the static binary for $arch (4 minutes on two cores)"
  under=${target//-/_}
  # On aarch64 the kernel's pages have 4, 16 or 64 KiB. jemalloc runs on pages up to the size that it was built for.
  env "CARGO_TARGET_${under^^}_RUSTFLAGS=-C target-feature=+crt-static $flags" "CFLAGS_$under=$c_flags" \
    JEMALLOC_SYS_WITH_LG_PAGE="$([ "$arch" = aarch64 ] && echo 16 || echo 12)" \
    cargo auditable zigbuild --locked --profile dist --bin pointsman --target "$target"
  llvm-objcopy --only-keep-debug "$out/pointsman" "$out/pointsman.debug"
  llvm-objcopy --strip-all --keep-section=.dep-v0 "$out/pointsman" "$out/pointsman.stripped"
  ! readelf --program-headers --dynamic "$out/pointsman.stripped" | grep -E 'INTERP|NEEDED' || die "$arch: the binary is not static"
  say "$arch: $(stat -c %s "$out/pointsman.stripped") bytes, $(gzip -9 <"$out/pointsman.stripped" | wc -c) compressed"
done
