#!/usr/bin/env bash
# A real Kubernetes node on this machine, in namespaces of its own: containerd, kubelet, kube-proxy, the API server, scheduler,
# controller manager and DNS. Needs root, and cgroups of version 1. Nothing of it is outside: it ends with one process.
# usage: cluster.sh up              starts it (programs and images are made once and kept), and returns when DNS answers
#        cluster.sh down            ends and removes it
#        cluster.sh image IMAGE …   makes these images (images.sh) and gives them to it
#        cluster.sh kubectl|helm …  runs this program as administrator
#        cluster.sh inside …        runs a command in its namespaces
#        cluster.sh may             exits with 0 if it can run here
# env: POINTSMAN_CLUSTER  the folder of its state (default /tmp/pointsman-cluster); KUBE_PROXY=iptables: not nftables;
#      IP_FAMILY=6: pods, Services and the node have IPv6 addresses alone
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin:/sbin

may() {
  [ "$(id -u)" = 0 ] || { say "a node needs root"; return 1; }
  [ ! -e /sys/fs/cgroup/cgroup.controllers ] || { say "a node needs cgroups of version 1 here"; return 1; }
  unshare --mount --net --pid --cgroup --fork true || { say "a node needs namespaces of its own"; return 1; }
}

step() { say "$(($(date +%s%3N) - began)) ms: $*"; }

# A cgroup below our own in each hierarchy.
make_cgroups() {
  local controllers path name mount
  while IFS=: read -r _ controllers path; do
    name=${controllers#name=} mount=/sys/fs/cgroup/${controllers#name=}
    { [ -n "$name" ] && [ -d "$mount" ]; } || continue
    path=$mount${path%/}/$(basename "$STATE")
    mkdir -p "$path"
    if [ "$name" = cpuset ]; then
      # A new one has no processors and takes no process.
      cat "${path%/*}/cpuset.cpus" >"$path/cpuset.cpus"
      cat "${path%/*}/cpuset.mems" >"$path/cpuset.mems"
      echo 1 >"$path/cgroup.clone_children"
    fi
    echo "$path" >>"$STATE/cgroups"
    echo "$name" >>"$STATE/controllers"
  done </proc/self/cgroup
}

# Folders of the machine that programs of a node use. Those that are not there are made for the time.
BESIDE=(/var/lib/cni /var/lib/kubelet /var/log/containers)

make_namespaces() {
  local parent child folder _
  for folder in "${BESIDE[@]}"; do
    [ -d "$folder" ] || { mkdir -p "$folder" && echo "$folder" >>"$STATE/made"; }
  done
  cp "$KEPT/pause" "$STATE/pause"
  (
    while IFS= read -r cgroup; do echo "$BASHPID" >"$cgroup/cgroup.procs"; done <"$STATE/cgroups"
    exec unshare --mount --net --uts --ipc --pid --cgroup --fork --mount-proc --propagation private "$STATE/pause" </dev/null >/dev/null 2>&1
  ) &
  parent=$!
  for _ in $(seq 100); do
    read -r child 2>/dev/null <"/proc/$parent/task/$parent/children" || true
    [ -z "${child:-}" ] || ! grep -qz "^$STATE/pause" "/proc/$child/cmdline" 2>/dev/null || break
    sleep 0.05
  done
  [ -n "${child:-}" ] || die "no namespaces"
  echo "$child" >"$STATE/holder.pid"
  inside bash -euc "$(declare -f furnish); furnish '$STATE' '$NODE_IP' '$DNS_IP' '${BESIDE[*]}' '$NODE_NET' '$NOWHERE'"
}

# The node's mounts and network. What the kubelet would set for the whole machine are files here.
# shellcheck disable=SC2317  # called inside
furnish() { # state, address, DNS, folders, the network's bits, a gateway that is not there
  local name file
  hostname node-0
  umount -l -R /sys/fs/cgroup
  umount -l -R /sys
  mount -t sysfs sysfs /sys
  mount --make-rshared /
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/lock /run/netns /run/sysctl /run/volumes
  mount --bind "$1/volumes" /run/volumes
  # Where programs write whatever they are told.
  for name in $4; do mount -t tmpfs tmpfs "$name"; done
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  while read -r name; do
    mkdir "/sys/fs/cgroup/$name"
    mount -t cgroup -o "$([ "$name" = systemd ] && echo none,name=systemd || echo "$name")" cgroup "/sys/fs/cgroup/$name"
  done <"$1/controllers"
  # Without a default route no socket has an address: a bridge that leads nowhere.
  ip link set lo up
  ip link add node0 type bridge
  # Nobody else can have the address: without asking for duplicates it can be used at once.
  sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 2>/dev/null || true
  ip address add "$2/$5" dev node0
  ip link set node0 up
  ip route add default via "$6" dev node0
  sysctl -qw net.ipv4.ip_forward=1
  sysctl -qw net.ipv6.conf.all.forwarding=1 2>/dev/null || true
  sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true
  for file in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
    name=/run/sysctl/${file##*/}
    cat "/proc/sys/$file" >"$name"
    mount --bind "$name" "/proc/sys/$file"
  done
  : >/run/no-resolv.conf
  printf '127.0.0.1 localhost\n%s node-0\n' "$2" >/run/hosts
  mount --bind /run/hosts /etc/hosts
  printf 'nameserver %s\nsearch svc.cluster.local cluster.local\noptions ndots:5\n' "$3" >/run/resolv.conf
  mount --bind /run/resolv.conf "$(readlink -f /etc/resolv.conf)"
}

configure() {
  local etc=$STATE/etc pki=$STATE/etc/pki
  mkdir -p "$etc/cni"
  PATH=$programs:$PATH "$here/certs.sh" "$etc"
  cat >"$etc/containerd.toml" <<END
version = 2
root = "$KEPT/containerd"
state = "/run/containerd"
[plugins."io.containerd.internal.v1.opt"]
  path = "$STATE/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/pointsman-tests/pause:local"
  # Without CAP_SYS_RESOURCE nobody may lower a score.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$etc/cni"
END
  cat >"$etc/cni/10-pods.conflist" <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_CIDR"}]], "routes": [{"dst": "$ANY/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
  cat >"$etc/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
failCgroupV1: false
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
resolvConf: /run/no-resolv.conf
podLogsDir: $STATE/pods
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $pki/kubelet-server.crt
tlsPrivateKeyFile: $pki/kubelet-server.key
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
shutdownGracePeriod: 0s
END
  # What a network namespace cannot set: zero leaves it alone.
  cat >"$etc/proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: ${KUBE_PROXY:-nftables}
clusterCIDR: $POD_CIDR
hostnameOverride: node-0
clientConnection: {kubeconfig: $etc/proxy.kubeconfig}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
END
}

daemon() { # name, command…
  local name=$1
  shift
  inside "$@" </dev/null >>"$STATE/log/$name.log" 2>&1 &
}

start_daemons() {
  local etc=$STATE/etc pki=$STATE/etc/pki
  # Debian's own shim, should another one be in the path.
  daemon containerd env PATH=/usr/sbin:/usr/bin:/sbin:/bin containerd --config "$etc/containerd.toml"
  daemon etcd "$programs/etcd" --data-dir="$STATE/etcd" --unsafe-no-fsync --log-level=warn --listen-client-urls=http://127.0.0.1:2379 \
    --advertise-client-urls=http://127.0.0.1:2379 --listen-peer-urls=http://127.0.0.1:2380 \
    --initial-advertise-peer-urls=http://127.0.0.1:2380 --initial-cluster=default=http://127.0.0.1:2380
  daemon apiserver "$programs/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --bind-address=$ANY --secure-port=6443 \
    --advertise-address="$NODE_IP" --service-cluster-ip-range="$SERVICE_CIDR" --tls-cert-file="$pki/apiserver.crt" \
    --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" --kubelet-client-certificate="$pki/kubelet-client.crt" \
    --kubelet-client-key="$pki/kubelet-client.key" --kubelet-certificate-authority="$pki/ca.crt" \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-key-file="$pki/accounts.pub" \
    --service-account-signing-key-file="$pki/accounts.key" --authorization-mode=Node,RBAC \
    --enable-admission-plugins=NodeRestriction --allow-privileged=true --profiling=false
  within 60 containerd inside ctr version
  step "containerd answers"
  import pause coredns
  within 120 "the API server" kubectl get --raw /readyz
  step "the API server is ready"
  daemon controller-manager "$programs/kube-controller-manager" --kubeconfig="$etc/controller-manager.kubeconfig" \
    --authentication-kubeconfig="$etc/controller-manager.kubeconfig" --authorization-kubeconfig="$etc/controller-manager.kubeconfig" \
    --service-account-private-key-file="$pki/accounts.key" --root-ca-file="$pki/ca.crt" --cluster-signing-cert-file="$pki/ca.crt" \
    --cluster-signing-key-file="$pki/ca.key" --use-service-account-credentials=true --leader-elect=false --bind-address=127.0.0.1
  daemon scheduler "$programs/kube-scheduler" --kubeconfig="$etc/scheduler.kubeconfig" --leader-elect=false --bind-address=127.0.0.1 \
    --authentication-kubeconfig="$etc/scheduler.kubeconfig" --authorization-kubeconfig="$etc/scheduler.kubeconfig"
  daemon kubelet "$programs/kubelet" --config="$etc/kubelet.yaml" --kubeconfig="$etc/kubelet.kubeconfig" --node-ip="$NODE_IP" \
    --hostname-override=node-0 --root-dir="$STATE/kubelet"
  daemon proxy "$programs/kube-proxy" --config="$etc/proxy.yaml"
  within 90 "the node" kubectl wait --for=condition=Ready node/node-0 --timeout=1s
  step "the node is Ready"
}

# Gives images to containerd, which keeps them from one cluster to the next. Those of servers get the tag `next`, too: a scene changes to it.
import() { # images…
  local archive archives imported name
  archives=$("$here/images.sh" "$@")
  while read -r archive; do
    imported=$KEPT/containerd/imported-$(basename "$archive" .tar)
    if [ ! -e "$imported" ]; then
      quiet inside ctr -n k8s.io images import "$archive"
      rm -f "${imported%-*}"-*
      : >"$imported"
    fi
    case ${archive##*/} in
      database-* | mysql-*)
        name=docker.io/pointsman-tests/$(basename "${archive%-*}")
        quiet inside ctr -n k8s.io images tag --force "$name:local" "$name:next"
        ;;
    esac
  done <<<"$archives"
}

up() {
  local kubernetes node began other
  may || exit "$SKIPPED"
  other=$(cat "$KEPT/state" 2>/dev/null || echo "$STATE")
  ! STATE=$other holder >/dev/null || die "a cluster runs already, in $other: make cluster-down"
  "$here/../../setup/deps.sh" packages containerd:containerd runc:runc containernetworking-plugins: iptables:iptables nftables:nft \
    conntrack:conntrack iproute2:ip util-linux:unshare gcc:gcc libc6-dev: openssl:openssl mmdebstrap:mmdebstrap binutils:strip python3:python3
  kubernetes=$("$here/../../setup/kubernetes-build.sh") || exit $?
  node=$("$here/../../setup/node-build.sh") || exit $?
  "$here/images.sh" pause coredns >/dev/null
  began=$(date +%s%3N)
  rm -rf --one-file-system "$STATE"
  mkdir -p "$STATE"/{log,programs,kubelet,pods,volumes} "$KEPT/containerd"
  trap 'rc=$?; [ $rc = 0 ] || { say "the logs: $STATE.log"; cp -rT "$STATE/log" "$STATE.log"; down; }' EXIT
  # Only one at a time has the images.
  echo "$STATE" >"$KEPT/state"
  ln -s "$kubernetes"/* "$node"/* "$programs/"
  make_cgroups
  make_namespaces
  configure
  start_daemons
  within 60 "the account of pods" kubectl get serviceaccount default
  sed "s/DNS_IP/'$DNS_IP'/" "$here/coredns.yaml" >"$STATE/etc/coredns.yaml"
  quiet kubectl apply -f "$STATE/etc/coredns.yaml"
  within 120 DNS kubectl -n kube-system wait --for=condition=Available deployment/coredns --timeout=1s
  step "DNS answers"
}

down() {
  local pid cgroup _
  if pid=$(holder); then
    kill -s KILL "$pid"
    while [ -e "/proc/$pid" ]; do sleep 0.05; done
  fi
  [ -e "$STATE/cgroups" ] || return 0
  for _ in $(seq 50); do
    while IFS= read -r cgroup; do
      [ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done <"$STATE/cgroups"
    [ -n "$(while IFS= read -r cgroup; do [ ! -d "$cgroup" ] || echo "$cgroup"; done <"$STATE/cgroups")" ] || break
    sleep 0.1
  done
  if [ -e "$STATE/made" ]; then xargs rmdir <"$STATE/made" || true; fi
  rm -rf --one-file-system "$STATE"
  say "the cluster is gone"
}

verb=${1:-}
[ -z "$verb" ] || shift
case $verb in
  up | down | may) "$verb" ;;
  image) import "$@" ;;
  kubectl | helm | inside) "$verb" "$@" ;;
  *) sed -n '2,12s/^# //p' "$0"; exit 2 ;;
esac
