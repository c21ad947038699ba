{{- /*
The account that the probes use in front of each operator's servers, JSON of {user, secret, key}. An operator that is not here leaves
the Secret's name to its user: then the JSON is empty.
*/ -}}
{{- define "pointsman.operatorMonitor" -}}
{{- $c := .Values.cluster -}}
{{- $component := dig "discovery" "component" "mysql" .Values.config -}}
{{- $monitors := dict
  "mariadb-operator" (dict "user" "root" "secret" (printf "%s-root" $c) "key" "password")
  "mariadb-operator-galera" (dict "user" "root" "secret" (printf "%s-root" $c) "key" "password")
  "oracle-innodbcluster" (dict "user" "root" "secret" (printf "%s-cluster-secret" $c) "key" "rootPassword")
  "radondb" (dict "user" "radondb_metrics" "secret" (printf "%s-secret" $c) "key" "metrics-password")
  "percona-ps" (dict "user" "monitor" "secret" (printf "%s-secrets" $c) "key" "monitor")
  "percona-pxc" (dict "user" "monitor" "secret" (printf "%s-secrets" $c) "key" "monitor")
  "moco" (dict "user" "moco-readonly" "secret" (printf "moco-%s" $c) "key" "READONLY_PASSWORD")
  "kubeblocks" (dict "user" "kbprobe" "secret" (printf "%s-%s-account-kbprobe" $c $component) "key" "password")
  "kubedb" (dict "user" "root" "secret" (printf "%s-auth" $c) "key" "password")
-}}
{{- $known := get $monitors .Values.preset | default dict -}}
{{- /* KubeBlocks' add-on for MariaDB creates no account for probes. */ -}}
{{- if and (eq .Values.preset "kubeblocks") (hasPrefix "mariadb" $component) -}}
{{- $known = dict "user" "root" "secret" (printf "%s-%s-account-root" $c $component) "key" "password" -}}
{{- end -}}
{{- mustMergeOverwrite $known (include "pointsman.mariadbRoot" . | fromJson) | toJson -}}
{{- end -}}

{{- /*
Where mariadb-operator's resource of the cluster says that root's password is: JSON of {secret, key}. Empty where nobody can ask
(helm template, no such resource yet): then the operator's default holds, <cluster>-root with the key password.
*/ -}}
{{- define "pointsman.mariadbRoot" -}}
{{- $named := dict -}}
{{- $asked := and (hasPrefix "mariadb-operator" .Values.preset) (not .Values.monitor.user) (not .Values.monitor.secret) (not .Values.monitor.key) -}}
{{- if and $asked (.Capabilities.APIVersions.Has "k8s.mariadb.com/v1alpha1/MariaDB") -}}
{{- $resource := lookup "k8s.mariadb.com/v1alpha1" "MariaDB" (include "pointsman.clusterNamespace" .) .Values.cluster | default dict -}}
{{- with dig "spec" "rootPasswordSecretKeyRef" dict $resource -}}
{{- if and .name .key -}}{{- $named = dict "secret" .name "key" .key -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $named | toJson -}}
{{- end -}}

{{- /*
The monitor account and the users as they are in effect: JSON of {monitor: account, users: [account …], only: whether nobody else
can log in}. A user without a Secret has settings only, and its password is the servers' affair.
*/ -}}
{{- define "pointsman.accounts" -}}
{{- if include "pointsman.static" . -}}
{{- if eq .Values.passwords "watched" -}}{{- fail "static servers have no namespace whose Secrets could be watched: leave passwords as mounted" -}}{{- end -}}
{{- else -}}
{{- if not .Values.preset -}}{{- fail "set preset: whose pods are the servers? values.yaml names them" -}}{{- end -}}
{{- if not (or .Values.cluster (eq .Values.preset "custom")) -}}{{- fail "set cluster: the name of the operator's resource" -}}{{- end -}}
{{- end -}}
{{- $monitor := include "pointsman.operatorMonitor" . | fromJson -}}
{{- if .Values.monitor.user -}}
{{- if not .Values.monitor.secret -}}{{- fail "monitor.user needs monitor.secret: the Secret with its password" -}}{{- end -}}
{{- $monitor = dict "user" .Values.monitor.user "secret" .Values.monitor.secret "key" (default "password" .Values.monitor.key) -}}
{{- else if or .Values.monitor.secret (and $monitor .Values.monitor.key) -}}
{{- /* The operator's Secret, under a name or with a key that its user chose. */ -}}
{{- $given := dict -}}
{{- with .Values.monitor.secret -}}{{- $_ := set $given "secret" . -}}{{- end -}}
{{- with .Values.monitor.key -}}{{- $_ := set $given "key" . -}}{{- end -}}
{{- $monitor = mustMergeOverwrite (dict "user" "root" "key" "password") $monitor $given -}}
{{- end -}}
{{- if not $monitor -}}
{{- fail "it is not known where this preset's passwords are: set monitor.user, monitor.secret and monitor.key" -}}
{{- end -}}
{{- $sources := dig "credentials" "sources" .Values.credentials.sources .Values.config -}}
{{- $only := eq (toJson $sources) "[\"configuration\"]" -}}
{{- $users := list -}}
{{- range .Values.users -}}
{{- if and $only (not .secret) -}}
{{- fail (printf "users: %s needs secret, the Secret with its password: credentials.sources has only configuration" .name) -}}
{{- end -}}
{{- if and .secret $sources (not (has "configuration" $sources)) -}}
{{- fail (printf "users: %s has a Secret, which nobody would read: add configuration to credentials.sources" .name) -}}
{{- end -}}
{{- $user := pick . "maxConnections" "consistency" "from" "requireTls" "requireCertificate" "requireSubject" "requireIssuer" -}}
{{- $_ := set $user "user" .name -}}
{{- if .secret -}}{{- $user = merge $user (dict "secret" .secret "key" (default "password" .key)) -}}{{- end -}}
{{- $users = append $users $user -}}
{{- end -}}
{{- if and $only (not (or $users .Values.config.users)) -}}
{{- fail "users is empty, and credentials.sources has only configuration: nobody could log in" -}}
{{- end -}}
{{- dict "monitor" $monitor "users" $users "only" $only | toJson -}}
{{- end -}}

{{- /* The accounts whose passwords are in Secrets, the monitor first: a JSON list of {user, secret, key, …}. */ -}}
{{- define "pointsman.withSecrets" -}}
{{- $accounts := include "pointsman.accounts" . | fromJson -}}
{{- $found := list $accounts.monitor -}}
{{- range $accounts.users -}}{{- if .secret -}}{{- $found = append $found . -}}{{- end -}}{{- end -}}
{{- $found | toJson -}}
{{- end -}}
