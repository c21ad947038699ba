#!/usr/bin/env bash
# Makes the .deb and the .rpm of each machine, from the binaries of binaries.sh and the notices of notices.sh.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

stage=$PWD/dist/stage
runs=$(target_of "$(uname -m)")/pointsman.stripped
[ -x "$runs" ] || die "no binary of this machine: binaries.sh makes it"
rm -rf "$stage/man" "$stage/completions" "$stage/demo"
mkdir -p "$stage/man" "$stage/completions" "$DIST"

"$runs" man "$stage/man"
"$runs" completions bash >"$stage/completions/pointsman"
"$runs" completions zsh >"$stage/completions/_pointsman"
"$runs" completions fish >"$stage/completions/pointsman.fish"
# Without the instructions for an installation by hand.
sed -e '1,/^$/d' -e 's,/usr/local/bin,/usr/bin,' deploy/pointsman.service >"$stage/pointsman.service"

# `pointsman demo` runs these.
for file in deploy/demo/demo.sh deploy/demo/failover.sh tests/setup/lib.sh tests/setup/deps.sh tests/setup/cluster.sh tests/setup/server.sh tests/setup/signal.sh; do
  install -D -m 0755 "$file" "$stage/demo/$file"
done
cp deploy/package/pointsman.toml LICENSE CHANGELOG.md "$stage/"
cp config/pointsman.toml "$stage/pointsman.toml.example"

for arch in $ARCHES; do
  say "packing the .deb and the .rpm for $arch"
  cp "$(target_of "$arch")/pointsman.stripped" "$stage/pointsman"
  chmod 755 "$stage/pointsman"
  # An .rpm has the files' own dates.
  find "$stage" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  target=$arch-unknown-linux-musl
  quiet cargo deb --no-build --no-strip --locked --target "$target" --deb-revision 1 \
    --output "$DIST/pointsman_${VERSION}_$(debian_arch "$arch").deb"
  quiet cargo generate-rpm --target "$target" --arch "$arch" --source-date "$SOURCE_DATE_EPOCH" \
    --payload-compress zstd --output "$DIST/pointsman-$VERSION-1.$arch.rpm"
done
rm "$stage/pointsman"
