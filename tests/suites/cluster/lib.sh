# shellcheck shell=bash
# Where the cluster's parts are, and how a command gets into its namespaces. Sourced by the scripts of this folder.
# shellcheck disable=SC2034  # used by those who source this

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. "$here/../../setup/lib.sh"

# What is kept from one cluster to the next: images, and containerd's copies of them.
KEPT=$CACHE/cluster
# What belongs to the cluster that runs; removed with it.
STATE=${POINTSMAN_CLUSTER:-${TMPDIR:-/tmp}/pointsman-cluster}

# Links to the programs of ../kubernetes and of node/.
programs=$STATE/programs

# A network of its own: none of these addresses is outside (RFC 5737 and RFC 3849 keep the first ones free for examples).
if [ "${IP_FAMILY:-4}" = 6 ]; then
  NODE_IP=2001:db8::1
  NODE_NET=64
  NOWHERE=2001:db8::ffff
  POD_CIDR=fd00:10:244::/64
  SERVICE_CIDR=fd00:10:96::/112
  API_IP=fd00:10:96::1
  DNS_IP=fd00:10:96::a
  ANY=::
  API_HOST=[$NODE_IP]
else
  NODE_IP=198.51.100.1
  NODE_NET=24
  NOWHERE=198.51.100.254
  POD_CIDR=10.244.0.0/24
  SERVICE_CIDR=10.96.0.0/16
  API_IP=10.96.0.1
  DNS_IP=10.96.0.10
  ANY=0.0.0.0
  API_HOST=$NODE_IP
fi

# The process that holds the namespaces: number 1 in them. It does nothing else. With it all of them end.
holder() {
  local pid
  pid=$(cat "$STATE/holder.pid" 2>/dev/null) || return 1
  grep -qz "^$STATE/pause" "/proc/$pid/cmdline" 2>/dev/null || return 1
  echo "$pid"
}

# Runs a command in the cluster's namespaces and cgroups. The working directory is another one there.
inside() {
  local pid
  pid=$(holder) || die "no cluster runs: make cluster"
  (
    while IFS= read -r cgroup; do
      [ ! -d "$cgroup" ] || echo "$BASHPID" >"$cgroup/cgroup.procs"
    done <"$STATE/cgroups"
    exec nsenter --target "$pid" --mount --net --uts --ipc --pid --cgroup -- "$@"
  )
}

kubectl() { inside "$programs/kubectl" --kubeconfig "$STATE/etc/admin.kubeconfig" --cache-dir "$STATE/kubectl-cache" "$@"; }
helm() {
  inside env KUBECONFIG="$STATE/etc/admin.kubeconfig" KUBECACHEDIR="$STATE/kubectl-cache" HELM_CACHE_HOME="$STATE/helm" HELM_CONFIG_HOME="$STATE/helm" \
    HELM_DATA_HOME="$STATE/helm" "$programs/helm" "$@"
}

# Waits until a command succeeds. Says what it waited for if that takes longer than so many seconds.
within() { # seconds, what, command…
  local limit=$1 what=$2 began=$SECONDS
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $((SECONDS - began)) -lt "$limit" ] || die "$what: not within $limit s, see $STATE/log"
    sleep 0.2
  done
}
