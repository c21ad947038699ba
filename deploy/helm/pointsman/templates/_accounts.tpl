{{- /*
The accounts that each operator makes, with the Secret and the key of their passwords: user, Secret, key. The Secret's name
may hold the cluster's name. An operator that is not here leaves the Secret's name to its user. `user` is an account for
applications; `administrator` is the monitor, if it is not named and the monitor is root.
*/ -}}
{{- define "pointsman.operatorAccounts" -}}
{{- $c := .Values.cluster -}}
{{- $component := dig "discovery" "component" "mysql" .Values.config -}}
{{- $root := dict "user" "root" "key" "password" -}}
{{- $accounts := dict
  "mariadb-operator" (dict "monitor" (merge (dict "secret" (printf "%s-root" $c)) $root))
  "mariadb-operator-galera" (dict "monitor" (merge (dict "secret" (printf "%s-root" $c)) $root))
  "oracle-innodbcluster" (dict "monitor" (dict "user" "root" "secret" (printf "%s-cluster-secret" $c) "key" "rootPassword"))
  "radondb" (dict
    "monitor" (dict "user" "radondb_metrics" "secret" (printf "%s-secret" $c) "key" "metrics-password")
    "user" (dict "user" "radondb_usr" "secret" (printf "%s-secret" $c) "key" "mysql-password"))
  "percona-ps" (dict
    "monitor" (dict "user" "monitor" "secret" (printf "%s-secrets" $c) "key" "monitor")
    "administrator" (dict "user" "root" "secret" (printf "%s-secrets" $c) "key" "root"))
  "percona-pxc" (dict
    "monitor" (dict "user" "monitor" "secret" (printf "%s-secrets" $c) "key" "monitor")
    "administrator" (dict "user" "root" "secret" (printf "%s-secrets" $c) "key" "root"))
  "moco" (dict
    "monitor" (dict "user" "moco-readonly" "secret" (printf "moco-%s" $c) "key" "READONLY_PASSWORD")
    "user" (dict "user" "moco-writable" "secret" (printf "moco-%s" $c) "key" "WRITABLE_PASSWORD"))
  "kubeblocks" (dict
    "monitor" (dict "user" "kbprobe" "secret" (printf "%s-%s-account-kbprobe" $c $component) "key" "password")
    "administrator" (merge (dict "secret" (printf "%s-%s-account-root" $c $component)) $root))
  "kubedb" (dict "monitor" (merge (dict "secret" (printf "%s-auth" $c)) $root))
-}}
{{- $known := get $accounts .Values.preset | default dict -}}
{{- /* Its add-on for MariaDB makes no account for probes. */ -}}
{{- if and (eq .Values.preset "kubeblocks") (hasPrefix "mariadb" $component) -}}{{- $_ := set $known "monitor" $known.administrator -}}{{- end -}}
{{- with include "pointsman.mariadbRoot" . | fromJson -}}
{{- $_ := set $known "monitor" (mustMergeOverwrite (dict) $known.monitor .) -}}
{{- end -}}
{{- $known | toJson -}}
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

{{- /* The monitor account and the users as they are in effect: JSON of {monitor: account, users: [account …]}. */ -}}
{{- define "pointsman.accounts" -}}
{{- if include "pointsman.static" . -}}
{{- if eq .Values.passwords "watched" -}}{{- fail "static servers have no namespace whose Secrets could be watched: leave passwords as mounted" -}}{{- end -}}
{{- else -}}
{{- if not .Values.preset -}}{{- fail "set preset: whose pods are the servers? values.yaml names them" -}}{{- end -}}
{{- if not (or .Values.cluster (eq .Values.preset "custom")) -}}{{- fail "set cluster: the name of the operator's resource" -}}{{- end -}}
{{- end -}}
{{- $known := include "pointsman.operatorAccounts" . | fromJson -}}
{{- $secret := .Values.monitor.secret -}}
{{- $monitor := $known.monitor -}}
{{- $user := $known.user -}}
{{- $administrator := $known.administrator -}}
{{- if .Values.monitor.user -}}
{{- if not $secret -}}{{- fail "monitor.user needs monitor.secret: the Secret with its password" -}}{{- end -}}
{{- $monitor = dict "user" .Values.monitor.user "secret" $secret "key" (default "password" .Values.monitor.key) -}}
{{- if not $administrator -}}{{- $administrator = $known.monitor -}}{{- end -}}
{{- else if or $secret (and $monitor .Values.monitor.key) -}}
{{- /* The operator's Secret, under a name or with a key that its user chose. */ -}}
{{- $own := default dict $known.monitor -}}
{{- $given := dict -}}
{{- with $secret -}}{{- $_ := set $given "secret" . -}}{{- end -}}
{{- with .Values.monitor.key -}}{{- $_ := set $given "key" . -}}{{- end -}}
{{- $monitor = mustMergeOverwrite (dict "user" "root" "key" "password") $own $given -}}
{{- if and $secret $user (eq $user.secret (default "" $own.secret)) -}}
{{- $user = mustMergeOverwrite (dict) $user (dict "secret" $secret) -}}
{{- end -}}
{{- if and $secret $administrator (eq $administrator.secret (default "" $own.secret)) -}}
{{- $administrator = mustMergeOverwrite (dict) $administrator (dict "secret" $secret) -}}
{{- end -}}
{{- end -}}
{{- if not $monitor -}}
{{- fail "it is not known where this preset's passwords are: set monitor.user, monitor.secret and monitor.key" -}}
{{- end -}}
{{- if and (not $administrator) (eq $monitor.user "root") -}}{{- $administrator = $monitor -}}{{- end -}}
{{- $users := list -}}
{{- range $given := .Values.users -}}
{{- $its := dict "secret" $given.secret "key" "password" -}}
{{- if not $given.secret -}}
{{- /* Of an account that the operator makes, the name is enough. */ -}}
{{- range $made := list $user $administrator -}}
{{- if $made -}}{{- if eq $made.user $given.name -}}{{- $its = $made -}}{{- end -}}{{- end -}}
{{- end -}}
{{- if not $its.secret -}}{{- fail (printf "users: %s needs secret: the Secret with its password" $given.name) -}}{{- end -}}
{{- end -}}
{{- $options := pick $given "maxConnections" "consistency" "from" "requireTls" "requireCertificate" "requireSubject" "requireIssuer" -}}
{{- $users = append $users (merge (dict "user" $given.name "secret" $its.secret "key" (default $its.key $given.key)) $options) -}}
{{- end -}}
{{- if not (or $users $user) -}}
{{- if $administrator -}}
{{- fail (printf "users is empty, and this operator makes no account for applications: name yours, each with the Secret of its password. Its administrator is used only if you write so: users[0].name=%s" $administrator.user) -}}
{{- end -}}
{{- fail "users is empty: name at least one, with the Secret that holds the password" -}}
{{- end -}}
{{- dict "monitor" $monitor "users" (default (list $user) $users) | toJson -}}
{{- end -}}
