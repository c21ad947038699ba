#!/usr/bin/env bash
# Builds prometheus and promtool from their Go module, at the version of tests/suites/alerts/go.mod.
# usage: prometheus.sh    takes minutes the first time only; prints the folder with the two programs
# Exits 77 with a line "SKIPPED: Prometheus: why" if they are not available here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
title=Prometheus
module=$(cd "$(dirname "$0")/../suites/alerts" && pwd)
# shellcheck source-path=SCRIPTDIR source=go.sh
. "$(dirname "$0")/go.sh"

works() { [ -x "$1/prometheus" ] && [ -x "$1/promtool" ]; } # folder

# Without the dozens of ways to discover targets, whose modules are most of the work.
build() { go_build -tags remove_all_sd -ldflags "-s -w"; }

programs_built
