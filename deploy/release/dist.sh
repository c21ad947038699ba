#!/usr/bin/env bash
# `make dist`: makes everything that a release publishes, into dist/. About 15 minutes on two cores the first time, of which
# each machine's binary takes four.
# env: ARCHES        the machines (default: x86_64 aarch64)
#      MINISIGN_KEY  a key file of minisign: the checksums are signed with it
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
here=deploy/release

[ -z "$(git status --porcelain 2>/dev/null)" ] || say "the working tree has changes: the artefacts are not those of the commit"
rm -rf "$DIST"
mkdir -p "$DIST" dist/stage
$here/tools.sh
$here/binaries.sh
$here/notices.sh
$here/packages.sh

binaries=()
for arch in $ARCHES; do
  out=$(target_of "$arch")
  binaries+=("$(debian_arch "$arch")=$out/pointsman.stripped")
  name=pointsman-$VERSION-linux-$arch
  rm -rf "dist/stage/$name"
  mkdir -p "dist/stage/$name"
  cp "$out/pointsman.stripped" "dist/stage/$name/pointsman"
  cp LICENSE dist/stage/NOTICES.txt CHANGELOG.md "dist/stage/$name/"
  cp config/pointsman.toml "dist/stage/$name/pointsman.toml.example"
  cp -r dist/stage/man dist/stage/completions dist/stage/demo "dist/stage/$name/"
  tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C dist/stage -c "$name" | gzip -9n >"$DIST/$name.tar.gz"
  gzip -9n <"$out/pointsman.debug" >"$DIST/$name.debug.gz"
done

say "making the image and the chart"
NOTICES=dist/stage/NOTICES.txt python3 -B $here/image.py "$VERSION" "$DIST/pointsman-image-$VERSION.oci.tar" "${binaries[@]}"
python3 -B $here/chart.py "$VERSION" "$DIST"
cp docs/pointsman.schema.json "$DIST/"
# The section of the changelog, without its heading.
awk -v version="$VERSION" '/^## \[/ { on = index($0, "[" version "]"); next } on' CHANGELOG.md >"$DIST/RELEASE-NOTES.md"
[ -s "$DIST/RELEASE-NOTES.md" ] || die "CHANGELOG.md has no section [$VERSION]"

rm -rf dist/stage
(cd "$DIST" && sha256sum -- * >SHA256SUMS)
if [ -n "${MINISIGN_KEY:-}" ]; then minisign -S -s "$MINISIGN_KEY" -m "$DIST/SHA256SUMS"; fi
say "all artefacts:"
ls -l "$DIST" >&2
