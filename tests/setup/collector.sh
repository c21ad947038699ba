#!/usr/bin/env bash
# Builds a collector of OpenTelemetry from its Go modules, at the versions of tests/suites/traces/go.mod, and installs the
# instrumented clients of tests/suites/traces/requirements.txt.
# usage: collector.sh    takes minutes the first time only; prints the folder with the programs `collector` and `python`
# Exits 77 with a line "SKIPPED: Collector: why" if they are not available here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
title=Collector
module=$(cd "$(dirname "$0")/../suites/traces" && pwd)
# shellcheck source-path=SCRIPTDIR source=go.sh
. "$(dirname "$0")/go.sh"

works() { [ -x "$1/collector" ]; } # folder

build() { go_build -ldflags "-s -w"; }

folder=$(programs_built)
clients=$CACHE/collector-clients
stamp=$(sha256sum <"$module/requirements.txt")
if [ "$(cat "$clients/stamp" 2>/dev/null)" != "$stamp" ]; then
  rm -rf "$clients"
  python3 -m venv "$clients" || skip "python3 makes no virtual environment"
  quiet "$clients/bin/pip" install -q -r "$module/requirements.txt" || skip "the instrumented clients cannot be installed"
  echo "$stamp" >"$clients/stamp"
fi
printf '#!/bin/sh\nexec "%s" "$@"\n' "$clients/bin/python" >"$folder/python"
chmod +x "$folder/python"
echo "$folder"
