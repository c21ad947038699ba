#!/usr/bin/env bash
# Plays scenes.py on a node of its own, and removes the node. usage: run.sh [--built] [--home-made|--moco|--kubeblocks|--innodbcluster|--radondb] [SCENE …|--short]
#   --built: only if the node's programs are there already (they take five minutes to build)
# env: POINTSMAN  the proxy's binary (default: the release's static one, built here)
# Exits 77 with a line "SKIPPED: cluster: why" where no node can run.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
skip() { printf 'SKIPPED: cluster: %s\n' "$*" >&2; exit "$SKIPPED"; }
# Another one may be somebody's demo.
export POINTSMAN_CLUSTER=${POINTSMAN_CLUSTER:-${TMPDIR:-/tmp}/pointsman-cluster-tests}
why=$("$here/cluster.sh" may 2>&1) || skip "${why#== }"
if [ "${1:-}" = --built ]; then
  shift
  "$here/../../setup/node-build.sh" --there >/dev/null 2>&1 || skip "the node's programs are not built here; tests/setup/node-build.sh builds them"
fi
trap '"$here/cluster.sh" down' EXIT
trap 'exit 130' INT TERM
"$here/cluster.sh" up
"$here/cluster.sh" image database proxy
if [ "${1:-}" = --moco ]; then
  built=$("$here/../../setup/moco-build.sh") || exit $?
  say "MOCO's programs are in $built"
  "$here/cluster.sh" image mysql moco moco-agent
elif [ "${1:-}" = --kubeblocks ]; then
  built=$("$here/../../setup/kubeblocks-build.sh") || exit $?
  say "KubeBlocks' programs are in $built"
  "$here/cluster.sh" image mysql kubeblocks kubeblocks-tools
elif [ "${1:-}" = --innodbcluster ] || [ "${1:-}" = --radondb ]; then
  "$here/cluster.sh" image mysql
fi
python3 -uB "$here/scenes.py" "$@"
