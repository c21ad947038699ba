#!/usr/bin/env bash
# Copies the alerts and the dashboard from the chart, so that there is one source of both.
# usage: sync.sh          writes the copies into components/monitoring
#        sync.sh --check  fails if a copy would change
set -euo pipefail
cd "$(dirname "$0")"
chart=../helm/pointsman/files target=components/monitoring

rules() {
  printf '# Made by deploy/kustomize/sync.sh from the chart.\n'
  printf 'apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: pointsman\n'
  printf '  labels: {app.kubernetes.io/name: pointsman, app.kubernetes.io/component: proxy}\n'
  printf 'spec:\n  groups:\n    - name: pointsman\n      rules:\n'
  sed -e 's/\[\[job\]\]/job="pointsman-metrics"/g' -e 's/^/        /' "$chart/rules.yaml"
}

if [ "${1:-}" = --check ]; then
  cmp "$chart/dashboard.json" "$target/dashboard.json"
  diff <(rules) "$target/prometheusrule.yaml"
else
  cp "$chart/dashboard.json" "$target/dashboard.json"
  rules >"$target/prometheusrule.yaml"
fi
