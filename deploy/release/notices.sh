#!/usr/bin/env bash
# Writes the licence notices of all crates in the binary, and the list of them (SBOM, CycloneDX).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mkdir -p dist/stage "$DIST"
say "collecting the licences of all crates"
quiet cargo about generate --locked --fail -c deploy/release/about.toml -o dist/stage/NOTICES.txt deploy/release/notices.hbs
cp dist/stage/NOTICES.txt "$DIST/NOTICES.txt"

for arch in $ARCHES; do
  quiet cargo cyclonedx --format json --spec-version 1.5 --no-build-deps --target "$arch-unknown-linux-musl" --override-filename pointsman.cdx
  # Without a number by chance, and with the date of the commit.
  python3 - "$SOURCE_DATE_EPOCH" "$PWD" pointsman.cdx.json "$DIST/pointsman-$VERSION-$arch.cdx.json" <<'PYTHON'
import json, sys, time
epoch, here, source, out = sys.argv[1:]
with open(source, encoding="utf-8") as f:
    text = f.read().replace(f"path+file://{here}", "path+file:///pointsman")
bom = json.loads(text)
bom.pop("serialNumber", None)
bom["metadata"]["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(epoch)))
with open(out, "w", encoding="utf-8") as f:
    json.dump(bom, f, indent=1, sort_keys=True)
    f.write("\n")
PYTHON
  # One beside each Cargo.toml of the workspace.
  rm -f pointsman.cdx.json crates/*/pointsman.cdx.json
done
