#!/usr/bin/env bash
# A Kubernetes API server with its etcd on loopback: RBAC on, real tokens, no controllers, no scheduler, no kubelet.
# usage: kubernetes.sh start DIR          in the background until `stop`; returns when the server answers /readyz
#        kubernetes.sh kubectl DIR …      runs kubectl as cluster administrator; DIR/admin.kubeconfig is for other clients
#        kubernetes.sh account DIR NS     makes a namespace, and in it the account `pointsman` that may get, list and watch
#                                         pods: DIR/NS.kubeconfig, with its token in DIR/NS.token
#        kubernetes.sh token DIR NS       writes a new token into that file; with `revoke` before it, old tokens stop working
#        kubernetes.sh rights DIR NS give|take    the account's rights on pods
#        kubernetes.sh pod DIR NS NAME IP PORT [LABEL=VALUE …]   makes a running, ready pod with that address
#        kubernetes.sh kill|freeze|thaw|restart DIR   SIGKILL, SIGSTOP, SIGCONT to the API server; restart: on its old port
#        kubernetes.sh compact DIR        etcd forgets all revisions but the last: older watches get 410
#        kubernetes.sh stop DIR           ends both processes and removes DIR
# Exits 77 with a line "SKIPPED: Kubernetes: why" if no API server is available.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)

kubectl() { "$programs/kubectl" --kubeconfig "$dir/admin.kubeconfig" --cache-dir "$dir/kubectl-cache" "$@"; }
port_of() { cat "$dir/$1/port"; }
running() { # etcd, apiserver or hold: its process id, if it is alive and really ours
  local pid
  pid=$(cat "$dir/$1/harness.pid" 2>/dev/null) || return 1
  { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF "$dir/$1" || return 1
  echo "$pid"
}

run() { # etcd or apiserver, command…
  local name=$1
  shift
  "$@" </dev/null >>"$dir/$name/log" 2>&1 &
  echo $! >"$dir/$name/harness.pid"
}

spawn_etcd() {
  local url peer
  url=http://127.0.0.1:$(port_of etcd) peer=http://127.0.0.1:$(cat "$dir/etcd/peer")
  run etcd "$programs/etcd" --data-dir="$dir/etcd/data" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls="$url" --advertise-client-urls="$url" --listen-peer-urls="$peer" \
    --initial-advertise-peer-urls="$peer" --initial-cluster="default=$peer"
}

spawn_apiserver() {
  # Loopback cannot be an endpoint of the Service `kubernetes`: so nobody keeps one.
  run apiserver "$programs/kube-apiserver" --etcd-servers="http://127.0.0.1:$(port_of etcd)" \
    --permit-port-sharing --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$(port_of apiserver)" \
    --cert-dir="$dir/apiserver/certs" --authorization-mode=RBAC --token-auth-file="$dir/apiserver/tokens" \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$dir/apiserver/accounts.key" \
    --service-account-signing-key-file="$dir/apiserver/accounts.key" --service-cluster-ip-range=10.96.0.0/16 \
    --endpoint-reconciler-type=none --watch-cache-sizes=pods#200 --v=1
}

# While the API server is dead nobody else gets its port.
spawn_holder() {
  run hold hold_port "$(port_of apiserver)" "$dir/hold"
}

wait_for() { # etcd or apiserver, command…
  local name=$1 _
  shift
  for _ in $(seq 1200); do
    "$@" >/dev/null 2>&1 && return
    running "$name" >/dev/null || { sleep 0.3; running "$name" >/dev/null || break; }
    sleep 0.1
  done
  tail -n 20 "$dir/$name/log" >&2
  die "$name did not start"
}

kubeconfig() { # name of its file, namespace, how its user logs in
  cat >"$dir/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
current-context: tests
clusters:
- {name: tests, cluster: {server: "https://127.0.0.1:$(port_of apiserver)", certificate-authority: "$dir/apiserver/certs/apiserver.crt"}}
users:
- {name: tests, user: {$3}}
contexts:
- {name: tests, context: {cluster: tests, user: tests, namespace: "$2"}}
END
}

start() {
  local secret
  mkdir -p "$dir"/{etcd,apiserver,hold}
  echo "$programs" >"$dir/programs"
  free_port >"$dir/etcd/port"
  free_port >"$dir/etcd/peer"
  free_port >"$dir/apiserver/port"
  openssl ecparam -name prime256v1 -genkey -noout -out "$dir/apiserver/accounts.key"
  secret=$(openssl rand -hex 16)
  echo "$secret,admin,admin,system:masters" >"$dir/apiserver/tokens"
  chmod 600 "$dir"/apiserver/{accounts.key,tokens}
  kubeconfig admin default "token: $secret"
  spawn_etcd
  wait_for etcd curl -fsS "http://127.0.0.1:$(port_of etcd)/health"
  spawn_holder
  spawn_apiserver
  wait_ready
  # A controller would make these.
  default_account default
}

wait_ready() {
  wait_for apiserver test -s "$dir/apiserver/certs/apiserver.crt"
  wait_for apiserver kubectl get --raw /readyz
}

default_account() { # namespace: pods need it
  kubectl --namespace "$1" create serviceaccount default >/dev/null
}

account() { # namespace
  kubectl create namespace "$1" >/dev/null
  default_account "$1"
  kubectl --namespace "$1" create serviceaccount pointsman >/dev/null
  kubectl --namespace "$1" create role pointsman --verb=get,list,watch --resource=pods >/dev/null
  rights "$1" give
  kubeconfig "$1" "$1" "tokenFile: \"$dir/$1.token\""
  token "$1"
}

rights() { # namespace, give or take
  case $2 in
    give) kubectl --namespace "$1" create rolebinding pointsman --role=pointsman --serviceaccount="$1:pointsman" >/dev/null ;;
    take) kubectl --namespace "$1" delete rolebinding pointsman >/dev/null ;;
    *) die "give or take, not $2" ;;
  esac
}

token() { # namespace
  kubectl --namespace "$1" create token pointsman --duration=1h >"$dir/$1.token.new"
  mv "$dir/$1.token.new" "$dir/$1.token"
}

# Tokens are bound to the account's uid: a new account of the same name knows none of them.
revoke() { # namespace
  kubectl --namespace "$1" delete serviceaccount pointsman >/dev/null
  kubectl --namespace "$1" create serviceaccount pointsman >/dev/null
}

pod() { # namespace, name, ip, port, labels…
  local space=$1 name=$2 ip=$3 port=$4 now
  shift 4
  # On a node, or a deletion would not wait for a kubelet.
  kubectl --namespace "$space" create -f - >/dev/null <<END
apiVersion: v1
kind: Pod
metadata: {name: "$name"}
spec:
  nodeName: node-0
  subdomain: shop-internal
  containers: [{name: mysql, image: mysql, ports: [{name: mysql, containerPort: $port}]}]
END
  [ $# = 0 ] || kubectl --namespace "$space" label pod "$name" "$@" >/dev/null
  now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  kubectl --namespace "$space" patch pod "$name" --subresource=status --type=merge -p "{\"status\": {\"phase\": \"Running\",
    \"podIP\": \"$ip\", \"podIPs\": [{\"ip\": \"$ip\"}], \"conditions\": [
      {\"type\": \"Ready\", \"status\": \"True\", \"lastTransitionTime\": \"$now\"}]}}" >/dev/null
}

end() { # etcd, apiserver or hold, signal
  local pid _
  pid=$(running "$1") || return 0
  "$here/signal.sh" "$2" "$pid" 2>/dev/null || true
  [ "$2" = KILL ] || return 0
  for _ in $(seq 100); do running "$1" >/dev/null || return 0; sleep 0.05; done
  die "$1 does not end"
}

restart() {
  end apiserver KILL
  spawn_apiserver
  wait_ready
}

compact() {
  local url revision
  url=http://127.0.0.1:$(port_of etcd)/v3/kv
  revision=$(curl -fsS -d '{"key": "AA=="}' "$url/range" | grep -oE '"revision":"[0-9]+"' | grep -oE '[0-9]+')
  curl -fsS -d "{\"revision\": \"$revision\", \"physical\": true}" "$url/compaction" >/dev/null
}

[ $# -ge 2 ] || { sed -n '2,14s/^# //p' "$0"; exit 2; }
verb=$1
shift
if [ "$verb" = start ]; then programs=$("$here/kubernetes-build.sh"); mkdir -p "$1"; fi
dir=$(cd "$1" 2>/dev/null && pwd) || die "no API server in $1"
shift
[ "$verb" = start ] || programs=$(cat "$dir/programs") || die "no API server in $dir"
case $verb in
  start) start ;;
  kubectl) kubectl "$@" ;;
  account | rights | pod) "$verb" "$@" ;;
  token)
    if [ "$1" = revoke ]; then shift; revoke "$1"; fi
    token "$1" ;;
  kill) end apiserver KILL ;;
  freeze) end apiserver STOP ;;
  thaw) end apiserver CONT ;;
  restart | compact) "$verb" ;;
  stop)
    end apiserver KILL
    end etcd KILL
    end hold KILL
    rm -rf "$dir" ;;
  *) die "unknown: $verb" ;;
esac
