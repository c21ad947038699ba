#!/usr/bin/env bash
# `make cluster-demo`: a Kubernetes node on this machine, a MariaDB of three pods that an operator keeps, Pointsman from its chart, an
# application that writes through the proxy's Service, and a live table. Ctrl-C ends and removes all of it. In another terminal:
# usage: cluster.sh [run]         the demo
#        cluster.sh switchover    the operator moves the primary to the next pod, planned
#        cluster.sh kill          the primary's pod is deleted, without grace
#        cluster.sh drain         one of the proxy's pods is deleted, as when its node is drained
#        cluster.sh roll          the proxy's pods are replaced, one after the other
#        cluster.sh password      the application's account gets another password
#        cluster.sh certificate   the proxy's ports get another certificate
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=../../tests/setup/lib.sh
. tests/setup/lib.sh
here=$PWD/deploy/demo
cluster=tests/suites/cluster/cluster.sh
operators=$PWD/tests/suites/cluster/operators
space=databases
# No command prompts, or a missing answer would stop the demo.
exec </dev/null

kubectl() { "$cluster" kubectl --namespace "$space" "$@"; }
proxy() { kubectl exec deployment/shop-proxy-pointsman -- pointsman "$@"; }
current() { kubectl get mariadb shop -o 'jsonpath={.status.currentPrimaryPodIndex}'; }
# Runs SQL on the primary, as root, past the proxy.
sql() {
  kubectl exec "shop-$(current)" -- bash -c 'mariadb --no-defaults -uroot -p"$ROOT_PASSWORD" -S /run/mysqld/mysqld.sock -e "$1"' bash "$1"
}
secret() { kubectl create secret generic "$@" --dry-run=client --output=yaml | on_standard_input; }
# `inside` gives a command no standard input of ours.
on_standard_input() {
  local file
  file=$(mktemp "${TMPDIR:-/tmp}/pointsman-demo.XXXX")
  cat >"$file"
  quiet kubectl apply --filename "$file"
  rm -f "$file"
}
certificate() {
  local folder
  folder=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-demo.XXXX")
  quiet openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=shop-proxy-pointsman.$space.svc" \
    -addext "subjectAltName=DNS:shop-proxy-pointsman.$space.svc,DNS:shop-proxy-pointsman" -keyout "$folder/key" -out "$folder/crt"
  kubectl create secret tls shop-proxy-tls --cert="$folder/crt" --key="$folder/key" --dry-run=client --output=yaml | on_standard_input
  rm -rf "$folder"
}

operator() {
  quiet "$cluster" kubectl apply --filename "$PWD/tests/suites/kubernetes/mariadb-crd.yaml"
  quiet kubectl create configmap mariadb-operator --from-file="$operators/mariadb_operator.py" --from-file="$operators/kubernetes.py" \
    --from-file="$operators/servers.py" --from-file="$operators/server.sh" --from-file="$operators/ready.sh" --from-file="$operators/alive.sh"
  quiet kubectl apply --filename "$operators/mariadb-operator.yaml"
}

application() {
  local password
  password=$(openssl rand -hex 12)
  secret shop-app --from-literal=password="$password"
  sql "CREATE DATABASE IF NOT EXISTS shop; CREATE TABLE IF NOT EXISTS shop.orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, placed DATETIME(6));
    CREATE OR REPLACE USER app@'%' IDENTIFIED BY '$password'; GRANT ALL ON shop.* TO app@'%'"
  quiet kubectl create configmap writer --from-file="$here/writer.py"
  quiet kubectl apply --filename "$here/writer.yaml"
}

wait_for_primary() {
  local _
  for _ in $(seq 600); do
    [ -z "$(current 2>/dev/null)" ] || return 0
    sleep 0.2
  done
  kubectl get pods >&2
  die "the operator made no primary"
}

show() {
  local terminal=
  [ ! -t 1 ] || terminal=1
  while :; do
    {
      echo "The pods that the operator made:"
      kubectl get pods --selector app.kubernetes.io/instance=shop --label-columns k8s.mariadb.com/role 2>&1 || true
      echo
      proxy status 2>&1 || true
      echo
      echo "The application: $(kubectl logs deployment/writer --tail=1 2>&1)"
    } >"$screen"
    [ -z "$terminal" ] || printf '\033[H\033[J'
    cat "$screen" "$note"
    [ -n "$terminal" ] || echo
    sleep "$([ -n "$terminal" ] && echo 1 || echo 10)"
  done
}

finish() {
  trap '' INT TERM
  trap - EXIT
  say "ending the demo"
  "$cluster" down
  rm -f "$screen" "$note"
}

run() {
  "$cluster" may || exit $?
  screen=$(mktemp "${TMPDIR:-/tmp}/pointsman-demo.XXXX") note=$screen.note
  trap finish EXIT
  trap 'exit 0' INT TERM
  say "a Kubernetes node, and its images: half an hour the first time, half a minute from then on"
  "$cluster" up
  "$cluster" image database proxy
  say "the operator, and a MariaDB of three pods"
  quiet "$cluster" kubectl create namespace "$space"
  operator
  quiet kubectl apply --filename "$here/shop.yaml"
  wait_for_primary
  say "Pointsman, from its chart"
  certificate
  quiet "$cluster" helm install shop-proxy "$PWD/deploy/helm/pointsman" --namespace "$space" \
    --set image.repository=docker.io/pointsman-tests/proxy,image.tag=local --set preset=mariadb-operator --set cluster=shop \
    --set tls.secret=shop-proxy-tls --set test.image=docker.io/pointsman-tests/database:local
  quiet kubectl rollout status deployment/shop-proxy-pointsman --timeout=120s
  quiet "$cluster" helm test shop-proxy --namespace "$space" --timeout 120s
  application
  quiet kubectl rollout status deployment/writer --timeout=60s
  cat >"$note" <<END

In another terminal:
  make cluster-demo DO=switchover     the operator moves the primary, planned
  make cluster-demo DO=kill           the primary's pod is deleted, without grace
  make cluster-demo DO=drain          one of the proxy's pods goes
  make cluster-demo DO=roll           the proxy's pods are replaced
  make cluster-demo DO=password       the application's account gets another password
  make cluster-demo DO=certificate    the proxy's ports get another certificate
  $cluster kubectl -n $space get pods
Ctrl-C ends and removes all of it.
END
  show
}

switchover() {
  local next=$((($(current) + 1) % 3)) began=$SECONDS
  say "the primary moves from shop-$(current) to shop-$next"
  quiet kubectl patch mariadb shop --type=merge --patch "{\"spec\": {\"replication\": {\"primary\": {\"podIndex\": $next}}}}"
  until [ "$(current)" = "$next" ]; do
    [ $((SECONDS - began)) -lt 120 ] || die "not within two minutes: $cluster kubectl -n $space logs deployment/mariadb-operator"
    sleep 0.2
  done
  say "the operator is done after $((SECONDS - began)) s (with semi-synchronous replication, its own account waits 10 s for a replica)"
}
kill() {
  say "deleting shop-$(current)"
  kubectl delete pod "shop-$(current)" --grace-period=0 --force 2>/dev/null
}
drain() {
  local pod
  pod=$(kubectl get pods --selector app.kubernetes.io/instance=shop-proxy --output=name | head -n 1)
  kubectl delete "$pod"
}
roll() {
  kubectl rollout restart deployment/shop-proxy-pointsman
  kubectl rollout status deployment/shop-proxy-pointsman --timeout=180s
}
# The account first: who is connected stays so. The application reads its Secret when it starts.
password() {
  local new
  new=$(openssl rand -hex 12)
  sql "ALTER USER app@'%' IDENTIFIED BY '$new'"
  secret shop-app --from-literal=password="$new"
  kubectl rollout restart deployment/writer
  kubectl rollout status deployment/writer --timeout=60s
}

case ${1:-run} in
  run) ;;
  switchover | kill | drain | roll | password | certificate) current >/dev/null 2>&1 || die "no demo runs: make cluster-demo" ;;
esac
case ${1:-run} in
  run | switchover | kill | drain | roll | password | certificate) "${1:-run}" ;;
  *) sed -n '2,11s/^# //p' "$0"; exit 2 ;;
esac
