#!/usr/bin/env bash
# Tests the README's `helm install` for each preset, as far as possible without a kubelet and a container runtime: on a real API
# server with RBAC, with the pods of that preset's operator, in front of real servers. kubelet.py takes the place of the kubelet for
# the release's pods: their volumes, tokens, variables, accounts and probes, each in namespaces of its own. HAProxy takes the place of
# kube-proxy. A client writes through the Service's address, the primary moves, the release is upgraded and uninstalled.
# Prints "ok …" and "FAIL …" lines. Needs root for the Linux namespaces; all processes in them end with the script.
# usage: install.sh [PRESET …]          env: POINTSMAN  the proxy's binary (default: built here)
#        install.sh --may               exits with 0 if the Linux namespaces are available
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. tests/setup/lib.sh
PATH=$PATH:/usr/sbin:/sbin
apart=(unshare --net --mount --pid --fork --kill-child --mount-proc)

outside() { # presets…
  programs=$(tests/setup/kubernetes-build.sh) || exit $?
  if [ -n "${POINTSMAN:-}" ]; then pointsman=$POINTSMAN
  else
    cargo build --locked --quiet
    pointsman=${CARGO_TARGET_DIR:-target}/debug/pointsman
  fi
  work=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-install.XXXX")
  child=
  trap '[ -z "$child" ] || kill -s KILL "$child" 2>/dev/null || true; rm -rf "$work"' EXIT
  trap 'exit 130' INT TERM
  PATH=$programs:$PATH "${apart[@]}" tests/suites/kubernetes/install.sh --inside "$work" "$(realpath "$pointsman")" "$@" &
  child=$!
  wait "$child"
}

# Two Galera servers. Who joins begins with the data of a cluster of one that ended, or would need all of it.
galera_library=/usr/lib/galera/libgalera_smm.so
galera() {
  local number peers
  for number in 0 1; do
    mkdir -p "$work/galera/$number"
    free_port >"$work/galera/$number/port"
    free_port >"$work/galera/$number/talk"
  done
  echo 0 >"$work/galera/primary"
  peers=127.0.0.1:$(cat "$work/galera/0/talk"),127.0.0.1:$(cat "$work/galera/1/talk")
  galera_server 0 --wsrep-new-cluster
  galera_ready 0
  mariadb-admin --no-defaults -uroot -S "$work/galera/0/sock" shutdown
  wait "$server"
  cp -a "$work/galera/0/data" "$work/galera/1/data"
  rm -f "$work/galera/1/data/"{galera.cache,gvwstate.dat}
  galera_server 0 --wsrep-new-cluster
  galera_ready 0
  galera_server 1
  galera_ready 1
}
galera_server() { # number, options…
  local folder=$work/galera/$1 number=$1
  shift
  PATH=$PWD/tests/setup:$PATH tests/setup/server.sh run mariadb "$(cat "$folder/port")" "$folder" $((number + 1)) primary --wsrep-on=ON \
    --wsrep-provider="$galera_library" --wsrep-cluster-address="gcomm://$peers" --wsrep-node-address=127.0.0.1 \
    --wsrep-provider-options="gmcast.listen_addr=tcp://127.0.0.1:$(cat "$folder/talk");ist.recv_addr=127.0.0.1:$(free_port);gcache.size=16M" \
    --wsrep-node-name="db-$number" --wsrep-sst-method=missed --innodb-autoinc-lock-mode=2 --gtid-strict-mode=OFF \
    --rpl-semi-sync-master-enabled=OFF --rpl-semi-sync-slave-enabled=OFF "$@" >>"$folder/log" 2>&1 &
  server=$!
}
galera_ready() { # number
  local _
  for _ in $(seq 600); do
    mariadb --no-defaults -uroot -S "$work/galera/$1/sock" -N -B -e "SHOW STATUS LIKE 'wsrep_local_state_comment'" 2>/dev/null \
      | grep -q Synced && return
    sleep 0.1
  done
  tail -n 20 "$work/galera/$1/log" >&2
  die "Galera server $1 is no member"
}

# The servers' pods have addresses of their own, with MySQL's port; so has the API server's Service.
forward() {
  local kind number subnet=0
  printf '%s\n' defaults 'mode tcp' 'timeout connect 2s' 'timeout client 300s' 'timeout server 300s' 'retries 0'
  printf '%s\n' 'listen kubernetes' 'bind 10.96.0.1:443' "server s 127.0.0.1:$(cat "$work/server/apiserver/port")"
  ip address add 10.96.0.1/32 dev lo
  for kind in mariadb mysql galera; do
    subnet=$((subnet + 1))
    for number in 0 1 2; do
      [ -e "$work/$kind/$number/port" ] || continue
      printf '%s\n' "listen $kind-$number" "bind 10.244.$subnet.$((10 + number)):3306" \
        "server s 127.0.0.1:$(cat "$work/$kind/$number/port")"
      ip address add "10.244.$subnet.$((10 + number))/32" dev lo
    done
  done
}

inside() { # work, binary, presets…
  local jobs=() job
  work=$1
  # Names of network namespaces stand in /run.
  mount -t tmpfs tmpfs /run
  ip link set lo up
  # With an address of its own, or it takes over one that a pod brings, and the others lose their way for half a minute.
  ip link add cni0 address 02:00:00:00:00:01 type bridge
  ip address add 10.244.0.1/24 dev cni0
  ip link set cni0 up
  tests/setup/kubernetes.sh start "$work/server" &
  jobs+=($!)
  tests/setup/cluster.sh start "$work/mariadb" mariadb 1 &
  jobs+=($!)
  if [ -x "$CACHE/mysql97/bin/mysqld" ]; then
    tests/setup/cluster.sh start "$work/mysql" mysql 1 &
    jobs+=($!)
  else say "no MySQL 9.7 here: MariaDB stands in for it"; fi
  [ ! -e "$galera_library" ] || galera
  for job in "${jobs[@]}"; do wait "$job"; done
  forward >"$work/node.cfg"
  haproxy -db -f "$work/node.cfg" 2>"$work/haproxy.log" &
  export KUBECONFIG=$work/server/admin.kubeconfig HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm
  PYTHONDONTWRITEBYTECODE=1 python3 tests/suites/kubernetes/install.py "$@"
}

case ${1:-} in
  --may)
    [ "$(id -u)" = 0 ] && "${apart[@]}" sh -ec 'mount -t tmpfs tmpfs /run; ip link add cni0 type bridge
      ip netns add pod; ip link add veth0 type veth peer name eth0 netns pod' ;;
  --inside) shift; inside "$@" ;;
  *) outside "$@" ;;
esac
