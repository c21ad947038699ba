#!/usr/bin/env bash
# What the test of the page needs: Debian's chromium, and npm's playwright-core and axe-core in the cache.
# usage: setup.sh    prints the folder with node_modules
# Exits 77 with a line "SKIPPED: page: why" if they are not available here.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. ../../setup/lib.sh

skip() { printf 'SKIPPED: page: %s\n' "$*" >&2; exit "$SKIPPED"; }

for tool in node npm; do command -v "$tool" >/dev/null || skip "no $tool on this machine"; done
../../setup/deps.sh packages chromium:chromium || skip "Debian's chromium cannot be installed"
modules=$CACHE/page
mkdir -p "$modules"
stamp=$(cat package.json package-lock.json | sha256sum | cut -d' ' -f1)
exec 9>"$modules.lock"
flock 9
if [ "$(cat "$modules/stamp" 2>/dev/null)" != "$stamp" ]; then
  cp package.json package-lock.json "$modules/"
  (cd "$modules" && quiet npm ci --ignore-scripts --no-audit --no-fund) || skip "npm cannot install playwright-core and axe-core"
  echo "$stamp" >"$modules/stamp"
fi
echo "$modules"
