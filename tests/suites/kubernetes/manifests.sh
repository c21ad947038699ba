#!/usr/bin/env bash
# Checks the chart and the kustomize overlays with a real API server, for each preset: they render, the server accepts them, the
# proxy accepts their configuration, and chart and overlay agree. Prints "ok …" and "FAIL …" lines.
# usage: manifests.sh          env: POINTSMAN  the proxy's binary (default: built here)
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. tests/setup/lib.sh
chart=deploy/helm/pointsman overlays=deploy/kustomize/overlays tools=tests/suites/kubernetes/manifests.py

work=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-manifests.XXXX")
finish() {
  [ -z "${proxy:-}" ] || kill "$proxy" 2>/dev/null || true
  [ ! -e "$work/server/programs" ] || tests/setup/kubernetes.sh stop "$work/server" || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

failures=0
check() { # what, command…: its output is shown only if it fails
  local what=$1
  shift
  if "$@" >"$work/out" 2>&1; then echo "ok $what"
  else
    echo "FAIL $what"
    head -n 20 "$work/out" | sed 's/^/    /'
    failures=$((failures + 1))
  fi
}
refuses() { # words that the error must have, command…
  local words=$1
  shift
  if "$@" >"$work/refused" 2>&1; then echo "accepted: $*"; return 1; fi
  grep -qF -- "$words" "$work/refused" || { cat "$work/refused"; return 1; }
}

kubectl() { tests/setup/kubernetes.sh kubectl "$work/server" "$@"; }
accepted() { kubectl apply --dry-run=server -f "$1"; } # file
as_json() { kubectl create --dry-run=client -o json -f "$1" >"$1.json"; } # manifests: FILE.json beside it

# The volume of a rendered Deployment as the kubelet would fill it, then the proxy's own check of what is in it.
config_is_valid() { # manifests, folder to fill
  as_json "$1" && python3 "$tools" volume "$1.json" "$2" && "$pointsman" check --config "$2/pointsman.toml"
}

template() { # values…
  "$programs/helm" template shop-proxy "$chart" --skip-tests --namespace databases --kube-version 1.36 --api-versions monitoring.coreos.com/v1 "$@"
}
rendered() { template "${@:2}" >"$1"; } # file, values…

# What an operator's user writes: whose pods, and the probes' account where the operator makes none, or none of a known Secret.
values_of() { # preset
  values=(--set "preset=$1" --set cluster=my-cluster)
  case $1 in
    bitpoke) values+=(--set monitor.secret=my-cluster-secret --set monitor.key=ROOT_PASSWORD) ;;
    bitnami) values+=(--set monitor.secret=my-cluster-mysql --set monitor.key=mysql-root-password) ;;
    canonical | custom) values+=(--values "tests/suites/kubernetes/$1.yaml") ;;
  esac
}

everything=(--values tests/suites/kubernetes/everything.yaml)
chart_checks() {
  local preset variant values
  for preset in $presets; do
    values_of "$preset"
    for variant in plain everything; do
      [ "$variant" = plain ] || values+=("${everything[@]}")
      check "helm lint $preset $variant" "$programs/helm" lint --strict --quiet "$chart" "${values[@]}"
      check "helm template $preset $variant" rendered "$work/$preset-$variant.yaml" "${values[@]}"
      check "server accepts $preset $variant" accepted "$work/$preset-$variant.yaml"
      check "proxy accepts $preset $variant" config_is_valid "$work/$preset-$variant.yaml" "$work/volume-$preset-$variant"
    done
  done
  check "helm refuses an unknown value" refuses replicas template --set preset=moco,cluster=a,replicas=3
  check "helm refuses an unknown preset" refuses preset template --set preset=mocco,cluster=a
  check "helm asks for the preset" refuses "set preset" template --set cluster=a
  check "helm asks for the cluster" refuses "set cluster" template --set preset=moco
  check "helm asks for accounts it cannot know" refuses "set monitor.user" template --set preset=bitnami,cluster=a
  check "no preset needs users" no_users
  check "a user may have settings without a password" settings_alone
  check "only Secrets that are used are mounted or watched" only_used_secrets
  check "the passwords' sources" sources_of_passwords
  check "with the configuration alone somebody must be able to log in" refuses "users is empty" template \
    --set 'preset=moco,cluster=a,credentials.sources={configuration}'
  check "with the configuration alone each user has a Secret" refuses "users: app needs secret" template \
    --set 'preset=moco,cluster=a,credentials.sources={configuration},users[0].name=app'
  check "no Secret that nobody would read" refuses "add configuration" template \
    --set 'preset=moco,cluster=a,credentials.sources={accounts},users[0].name=app,users[0].secret=own'
  check "no key without a Secret" refuses "users" template --set 'preset=moco,cluster=a,users[0].name=app,users[0].key=own'
  check "no unknown source" refuses "credentials/sources" template --set 'preset=moco,cluster=a,credentials.sources={ldap}'
  check "the resource of mariadb-operator is read" reads_resource mariadb-operator mariadbs
  check "the resource of MOCO is read" reads_resource moco mysqlclusters
  check "no other has one to read" refuses "rbac.resource" template --set preset=radondb,cluster=a,rbac.resource=true
  check "changes become Events" tells_events
  check "the resource of mariadb-operator says where root's password is" roots_secret
  check "a preset is known as its operator makes it" python3 "$tools" accounts "$work" deploy/presets.toml
  check "clients are encrypted" clients_are_encrypted
  check "cert-manager issues the certificate" certificate_is_issued
  check "cert-manager needs an issuer" refuses issuerRef.name template --set preset=moco,cluster=a,tls.certManager.enabled=true
  check "own listeners are encrypted" own_listeners_are_encrypted
  check "the CA is mounted" ca_is_mounted
  check "the CA is watched" ca_is_watched
  check "no CA is known of others" refuses "serversTls.caSecret" template --set preset=moco,cluster=a,serversTls.caSecret=operator
  check "the HTTP port is protected" http_is_protected
  check "the console has the mounted passwords" console_has_the_mounted_passwords
  check "pods roll with the configuration" rolls_with_the_configuration
  check "helm template with static servers" rendered "$work/static.yaml" --values tests/suites/kubernetes/static.yaml
  check "proxy accepts static servers" config_is_valid "$work/static.yaml" "$work/volume-static"
  check "static servers need no rights" eval "! grep 'kind: Role' '$work/static.yaml'"
  check "older Kubernetes waits in the proxy" older_waits_in_the_proxy
  check "the commands of the pages install what the server accepts" commands_of_the_pages
  check "the test logs in on both ports, and no Service leads to its pod" test_logs_in
  check "the conventions of charts" conventions
  check "each value has a schema and a comment" python3 "$tools" values "$chart/values.yaml" "$chart/values.schema.json"
}

# Each `helm install` of a page, as it is written there, but for the packed chart's name.
commands_of_the_pages() {
  local page command count=0
  for page in README.md docs/install.md docs/kubernetes.md "$chart/README.md"; do
    while read -r command; do
      [ -n "$command" ] || continue
      count=$((count + 1))
      command=${command//pointsman-[0-9].[0-9].[0-9].tgz/$chart}
      echo "$page: $command"
      # shellcheck disable=SC2086  # the words of the command
      "$programs/helm" template ${command#helm install } --skip-tests >"$work/of-a-page.yaml" || return 1
      accepted "$work/of-a-page.yaml" || return 1
    done < <(sed -n '/^helm install/,/[^\\]$/p' "$page" | sed -e ':a' -e '/\\$/N; s/\\\n *//; ta' | sed 's/ *#.*//' | grep '^helm install')
  done
  [ "$count" -ge 3 ]
}

test_logs_in() {
  kubectl --namespace databases create serviceaccount default --dry-run=client -o yaml | kubectl apply -f -
  "$programs/helm" template shop-proxy "$chart" --namespace databases --show-only templates/tests/login.yaml \
    --set preset=mariadb-operator,cluster=shop,service.port=3307 >"$work/login.yaml"
  accepted "$work/login.yaml"
  as_json "$work/login.yaml"
  rendered "$work/service.yaml" --set preset=mariadb-operator,cluster=shop --show-only templates/service.yaml
  as_json "$work/service.yaml"
  python3 "$tools" login "$work/login.yaml.json" "$work/service.yaml.json"
}

conventions() {
  rendered "$work/conventions.yaml" --values tests/suites/kubernetes/conventions.yaml
  grep -q 'kind: PodMonitor' "$work/conventions.yaml"
  # The tests' API server does not know this kind.
  rendered "$work/accepted.yaml" --values tests/suites/kubernetes/conventions.yaml --set podMonitor.enabled=false
  accepted "$work/accepted.yaml"
  as_json "$work/accepted.yaml"
  python3 "$tools" conventions "$work/accepted.yaml.json"
}

# The probes' Secret is the only one, and the file names no user and no source of passwords.
no_users() {
  local preset volume
  for preset in $presets; do
    volume=$work/volume-$preset-plain
    ! grep -E '^\[\[?(users|credentials)' "$volume/pointsman.toml" && [ "$(find "$volume/secrets" -type f | wc -l)" = 1 ] || return 1
  done
}

settings_alone() {
  local volume=$work/volume-settings
  rendered "$work/settings.yaml" --set 'preset=percona-ps,cluster=shop,users[0].name=root,users[0].from={unix}' \
    --set 'users[1].name=app,users[1].maxConnections=7' \
    && config_is_valid "$work/settings.yaml" "$volume" && grep -A1 'name = "root"' "$volume/pointsman.toml" \
    && grep -qx 'from = \["unix"\]' "$volume/pointsman.toml" && grep -qx 'max_connections = 7' "$volume/pointsman.toml" \
    && [ "$(grep -c password_file "$volume/pointsman.toml")" = 1 ]
}

only_used_secrets() {
  local users='users[0].name=moco-writable,users[1].name=app,users[1].secret=own,users[1].key=word'
  rendered "$work/used.yaml" --set "preset=moco,cluster=a,$users" && config_is_valid "$work/used.yaml" "$work/volume-used" \
    && [ "$(cd "$work/volume-used/secrets" && echo */*)" = "moco-a/READONLY_PASSWORD own/word" ] \
    && rendered "$work/used.yaml" --set "preset=moco,cluster=a,passwords=watched,$users" \
    && config_is_valid "$work/used.yaml" "$work/volume-used-watched" && grep -qF 'resourceNames: ["moco-a","own"]' "$work/used.yaml"
}

sources_of_passwords() {
  local volume=$work/volume-sources
  rendered "$work/sources.yaml" --set 'preset=moco,cluster=a,credentials.sources={accounts,learned},credentials.checkClientHost=false' \
    && config_is_valid "$work/sources.yaml" "$volume" && grep -qx 'sources = \["accounts", "learned"\]' "$volume/pointsman.toml" \
    && grep -qx 'check_client_host = false' "$volume/pointsman.toml" \
    && rendered "$work/sources.yaml" --set 'preset=moco,cluster=a,credentials.sources={configuration},users[0].name=app,users[0].secret=own' \
    && config_is_valid "$work/sources.yaml" "$volume-alone"
}

# The Secret of root's password is what the resource says; helm asks the server with --dry-run=server.
mariadb_says() { # Secret, key, further values…
  local secret=$1 key=$2
  shift 2
  KUBECONFIG=$work/server/admin.kubeconfig "$programs/helm" install shop-proxy "$chart" --namespace databases --dry-run=server \
    --set preset=mariadb-operator,cluster=shop "$@" >"$work/root.yaml" || return 1
  grep -qF "name: \"$secret\", items: [{key: \"$key\"" "$work/root.yaml"
}
mariadb_resource() { # Secret, key
  kubectl --namespace databases delete --ignore-not-found mariadbs.k8s.mariadb.com shop >/dev/null
  echo "{\"apiVersion\": \"k8s.mariadb.com/v1alpha1\", \"kind\": \"MariaDB\", \"metadata\": {\"name\": \"shop\"},
    \"spec\": {\"rootPasswordSecretKeyRef\": {\"name\": \"$1\", \"key\": \"$2\"}}}" | kubectl --namespace databases create -f - >/dev/null
}
roots_secret() {
  mariadb_says shop-root password || return 1
  kubectl create -f tests/suites/kubernetes/mariadb-crd.yaml >/dev/null
  kubectl wait --for=condition=Established crd/mariadbs.k8s.mariadb.com --timeout=60s >/dev/null
  mariadb_says shop-root password || return 1
  mariadb_resource shop-root root && mariadb_says shop-root root || return 1
  mariadb_resource mariadb root-password && mariadb_says mariadb root-password || return 1
  # Whoever names one is believed.
  mariadb_says mariadb another --set monitor.secret=mariadb,monitor.key=another \
    && mariadb_says shop-root another --set monitor.key=another
}

reads_resource() { # preset, resource
  rendered "$work/resource.yaml" --set "preset=$1,cluster=my-cluster,rbac.resource=true" && accepted "$work/resource.yaml" \
    && config_is_valid "$work/resource.yaml" "$work/volume-$1-resource" && grep -q 'read_resource = true' "$work/resource.yaml" \
    && grep -A2 "resources: \[$2\]" "$work/resource.yaml" | grep -q 'resourceNames: \["my-cluster"\]'
}

tells_events() {
  rendered "$work/events.yaml" --set preset=moco,cluster=my-cluster,rbac.events=true,config.notify.webhook=http://a/b \
    && accepted "$work/events.yaml" && config_is_valid "$work/events.yaml" "$work/volume-events" \
    && grep -A2 '\[notify\]' "$work/events.yaml" | grep -q 'events = true' && ! grep -q notify "$work/moco-plain.yaml"
}

# The Deployment names the very file that the ConfigMap holds, as the proxy sums it.
rolls_with_the_configuration() {
  local volume=$work/volume-rolls
  rendered "$work/rolls.yaml" --set preset=moco,cluster=a "${everything[@]}" && config_is_valid "$work/rolls.yaml" "$volume" \
    && grep -q "POINTSMAN_CONFIG_SHA256, value: \"$(sha256sum <"$volume/pointsman.toml" | cut -d ' ' -f 1)\"" "$work/rolls.yaml" \
    && rendered "$work/stays.yaml" --set preset=moco,cluster=a,configChange=reload && ! grep -q CONFIG_SHA256 "$work/stays.yaml"
}

http_is_protected() {
  rendered "$work/admin.yaml" --set preset=moco,cluster=a,serviceMonitor.enabled=true,admin.tokenSecret=scrapers,admin.tlsSecret=own \
    && accepted "$work/admin.yaml" && config_is_valid "$work/admin.yaml" "$work/volume-admin" \
    && grep -q 'token_file = "admin/token"' "$work/admin.yaml" && grep -q 'credentials: {name: "scrapers", key: "token"}' "$work/admin.yaml" \
    && grep -q 'serverName: shop-proxy-pointsman.databases.svc' "$work/admin.yaml"
}

console_has_the_mounted_passwords() {
  rendered "$work/console.yaml" --set 'preset=moco,cluster=a,admin.console.users[0].name=operator,admin.console.secret=ops' \
    && accepted "$work/console.yaml" && config_is_valid "$work/console.yaml" "$work/volume-console" \
    && grep -q 'password_file = "console/operator"' "$work/console.yaml" && ! grep -q 'admin.console' "$work/moco-plain.yaml"
}

# On both ports, with the mounted Secrets, and no rights on any.
clients_are_encrypted() {
  local volume=$work/volume-clients
  rendered "$work/clients.yaml" --set preset=moco,cluster=a,tls.mode=required,tls.secret=own,tls.clientCaSecret=cas,tls.verifyClient=required \
    --set 'users[0].name=moco-writable,users[0].requireSubject=/O=Example/CN=app' \
    && accepted "$work/clients.yaml" && config_is_valid "$work/clients.yaml" "$volume" \
    && [ "$(grep -c '^cert_file = "clients-tls/tls.crt"' "$volume/pointsman.toml")" = 2 ] \
    && grep -q 'require_subject = "/O=Example/CN=app"' "$volume/pointsman.toml" \
    && ! grep -q 'resources: \[secrets\]' "$work/clients.yaml" && ! grep -q 'listeners.tls' "$work/moco-plain.yaml"
}

# For the names of the Service, in the Secret that the pods mount.
certificate_is_issued() {
  rendered "$work/issued.yaml" --set 'preset=moco,cluster=a,tls.certManager.enabled=true,tls.certManager.dnsNames={db.example.com}' \
    --set tls.certManager.issuerRef.name=ca,tls.certManager.issuerRef.kind=ClusterIssuer,tls.certManager.issuerRef.group=cert-manager.io \
    && accepted "$work/issued.yaml" && config_is_valid "$work/issued.yaml" "$work/volume-issued" \
    && grep -qF 'secretName: shop-proxy-pointsman-tls' "$work/issued.yaml" && grep -qF 'name: "shop-proxy-pointsman-tls"' "$work/issued.yaml" \
    && grep -q -- '- shop-proxy-pointsman.databases.svc$' "$work/issued.yaml"
}

# Listeners in `config` get the same TLS, unless they have their own.
own_listeners_are_encrypted() {
  local volume=$work/volume-own
  rendered "$work/own.yaml" --set preset=moco,cluster=a,tls.mode=required,tls.verifyClient=false \
    --set 'config.listeners[0].name=a,config.listeners[0].address=[::]:3306,config.listeners[0].mode=primary' \
    --set 'config.listeners[1].name=b,config.listeners[1].address=[::]:6447,config.listeners[1].mode=replica' \
    --set 'config.listeners[1].tls.mode=disabled' \
    && config_is_valid "$work/own.yaml" "$volume" && grep -qx 'mode = "required"' "$volume/pointsman.toml" \
    && [ "$(grep -cx 'verify_client = "off"' "$volume/pointsman.toml")" = 1 ] \
    && grep -qx 'mode = "disabled"' "$volume/pointsman.toml"
}

ca_is_mounted() {
  rendered "$work/ca.yaml" --set preset=mariadb-operator,cluster=shop,serversTls.caSecret=operator,serversTls.clientSecret=own \
    && accepted "$work/ca.yaml" && config_is_valid "$work/ca.yaml" "$work/volume-ca" \
    && grep -q '"shop-ca-bundle"' "$work/ca.yaml" && ! grep -q 'resources: \[secrets\]' "$work/ca.yaml"
}

ca_is_watched() {
  rendered "$work/ca.yaml" --set preset=percona-pxc,cluster=shop,serversTls.caSecret=operator,passwords=watched \
    && accepted "$work/ca.yaml" && config_is_valid "$work/ca.yaml" "$work/volume-ca-watched" \
    && grep -q 'ca_secret = "shop-ssl/ca.crt"' "$work/ca.yaml" && grep -q 'resourceNames: .*"shop-ssl"' "$work/ca.yaml"
}

older_waits_in_the_proxy() {
  rendered "$work/older.yaml" --set preset=moco,cluster=a --kube-version 1.29 && ! grep -q "sleep:" "$work/older.yaml" \
    && grep -q 'delay = "5s"' "$work/older.yaml"
}

overlay_checks() {
  local preset
  for preset in $presets; do
    check "kustomize $preset" eval "kubectl kustomize '$overlays/$preset' >'$work/overlay-$preset.yaml'"
    check "server accepts overlay $preset" accepted "$work/overlay-$preset.yaml"
    check "proxy accepts overlay $preset" config_is_valid "$work/overlay-$preset.yaml" "$work/volume-overlay-$preset"
    check "overlay $preset is as the chart" python3 "$tools" alike "$work/overlay-$preset.yaml.json" "$work/$preset-plain.yaml.json"
  done
  # All components on top of one.
  mkdir -p "$work/kustomize"
  cp -r deploy/kustomize/. "$work/kustomize"
  sed -i 's/^# components:/components:/' "$work/kustomize/overlays/moco/kustomization.yaml"
  # The component tls says in its comment what each listener needs.
  sed -n '/^#   \[listeners.tls\]/,/^#   mode/s/^#   //p' deploy/kustomize/components/tls/kustomization.yaml >"$work/listener-tls"
  sed -i "/^mode = /r $work/listener-tls" "$work/kustomize/overlays/moco/pointsman.toml"
  check "kustomize with all components" eval "kubectl kustomize '$work/kustomize/overlays/moco' >'$work/components.yaml'"
  check "server accepts all components" accepted "$work/components.yaml"
  check "the components allow Events" eval "grep -A2 -- '- events' '$work/components.yaml' | grep -q -- '- create'"
  check "proxy accepts all components" config_is_valid "$work/components.yaml" "$work/volume-components"
  check "the component tls encrypts both ports" eval "[ \$(grep -c '^cert_file = \"clients-tls' '$work/volume-components/pointsman.toml') = 2 ]"
  check "all components are as the chart" python3 "$tools" alike "$work/components.yaml.json" "$work/moco-everything.yaml.json"
  check "alerts and dashboard are the chart's" deploy/kustomize/sync.sh --check
}

who=system:serviceaccount:databases:shop-proxy-pointsman
# The server learns of rights a little after it took them.
may() { # verb, resource
  local _
  for _ in $(seq 300); do
    kubectl --as "$who" --namespace databases auth can-i "$@" && return
    sleep 0.2
  done
  return 1
}

# Passwords through the API: nothing mounted, and rights on these Secrets alone.
watched_passwords() {
  rendered "$work/watched.yaml" --set preset=moco,cluster=my-cluster,passwords=watched || return 1
  config_is_valid "$work/watched.yaml" "$work/volume-watched" && [ ! -e "$work/volume-watched/secrets" ] || return 1
  kubectl apply -f "$work/watched.yaml" || return 1
  may watch secrets/moco-my-cluster || return 1
  refuses no kubectl --as "$who" --namespace databases auth can-i watch secrets/another
}

may_tell_events() { # of the pods' namespace, and read none
  kubectl apply -f "$work/events.yaml" && may create events \
    && refuses no kubectl --as "$who" --namespace databases auth can-i list events
}

# The same rights by the server's own word; the pod under the strictest of the pod security standards.
live_checks() {
  check "watched passwords" watched_passwords
  check "server takes the release" kubectl apply -f "$work/moco-plain.yaml"
  check "the account may watch pods" may watch pods
  check "and no Secrets" refuses no kubectl --as "$who" --namespace databases auth can-i list secrets
  check "and no pods elsewhere" refuses no kubectl --as "$who" --namespace default auth can-i list pods
  check "and change no pods" refuses no kubectl --as "$who" --namespace databases auth can-i patch pods
  check "and tell no Events" refuses no kubectl --as "$who" --namespace databases auth can-i create events
  check "unless they are wanted" may_tell_events
  # Born with its label, which the server would also learn of later.
  echo '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}' \
    | kubectl create -f - >/dev/null
  kubectl --namespace strict create serviceaccount shop-proxy-pointsman >/dev/null
  python3 "$tools" pod "$work/moco-plain.yaml.json" >"$work/pod.json"
  check "the pod is allowed where only restricted ones are" kubectl --namespace strict create --dry-run=server -f "$work/pod.json"
  sed -i 's/"runAsNonRoot": true/"runAsNonRoot": false/' "$work/pod.json"
  check "another is not" refuses "violates PodSecurity" kubectl --namespace strict create --dry-run=server -f "$work/pod.json"
}

database_pod() {
  cat <<'END'
{"apiVersion": "v1", "kind": "Pod",
 "metadata": {"name": "db-0", "labels": {"app.kubernetes.io/name": "mysql", "app.kubernetes.io/instance": "a",
   "app.kubernetes.io/created-by": "moco", "moco.cybozu.com/role": "primary"}},
 "spec": {"nodeName": "node-0", "containers": [{"name": "mysqld", "image": "mysql", "ports": [{"name": "mysql", "containerPort": 1}]}]}}
END
}

# What the alerts and the dashboard ask for, against what a running proxy offers, which watches the API server.
metrics_checks() {
  local http _
  http=$(free_port)
  tests/setup/kubernetes.sh account "$work/server" watched
  printf '%s\n' '[[listeners]]' 'name = "rw"' "address = \"127.0.0.1:$(free_port)\"" 'mode = "split"' '[admin]' \
    "http = \"127.0.0.1:$http\"" '[discovery]' 'kind = "kubernetes"' 'preset = "moco"' 'cluster = "a"' \
    '[monitor]' 'user = "m"' 'password = "m"' >"$work/proxy.toml"
  kubectl --namespace watched create -f "$work/database.json" >/dev/null
  kubectl --namespace watched patch pod db-0 --subresource=status --type=merge \
    -p '{"status": {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}' >/dev/null
  KUBECONFIG=$work/server/watched.kubeconfig "$pointsman" run --config "$work/proxy.toml" >"$work/proxy.log" 2>&1 &
  proxy=$!
  for _ in $(seq 600); do
    curl -fsS "http://127.0.0.1:$http/metrics" 2>/dev/null >"$work/metrics" && grep -q 'server_up{server="db-0"' "$work/metrics" && break
    sleep 0.1
  done
  check "alerts and dashboard ask for metrics that exist" python3 "$tools" metrics "$work/metrics" "$chart"/files/*
}

programs=$(tests/setup/kubernetes-build.sh) || exit $?
export PATH=$programs:$PATH
if [ -n "${POINTSMAN:-}" ]; then pointsman=$POINTSMAN
else
  cargo build --locked --quiet
  pointsman=${CARGO_TARGET_DIR:-target}/debug/pointsman
fi
tests/setup/kubernetes.sh start "$work/server"
kubectl create namespace databases >/dev/null
kubectl create -f "$programs/crds" >/dev/null
kubectl create -f tests/suites/kubernetes/certificate-crd.yaml >/dev/null
kubectl wait --for=condition=Established crd --all --timeout=60s >/dev/null
presets=$(cd "$overlays" && echo *)
chart_checks
overlay_checks
live_checks
database_pod >"$work/database.json"
metrics_checks
[ "$failures" = 0 ]
