{{- /* A value as TOML. Numbers come as floats from YAML, whatever they were. */ -}}
{{- define "pointsman.tomlValue" -}}
{{- if kindIs "string" . -}}{{ toJson . }}
{{- else if kindIs "bool" . -}}{{ . }}
{{- else if kindIs "slice" . -}}[{{ range $i, $v := . }}{{ if $i }}, {{ end }}{{ include "pointsman.tomlValue" $v }}{{ end }}]
{{- else -}}{{ . | int64 }}
{{- end -}}
{{- end -}}

{{- /* A table without its heading: first what is no table, then the tables. Takes a list: path, table. */ -}}
{{- define "pointsman.tomlTable" -}}
{{- $path := index . 0 -}}
{{- $table := index . 1 -}}
{{- range $key, $value := $table -}}
{{- if not (or (kindIs "map" $value) (and (kindIs "slice" $value) $value (kindIs "map" (first $value)))) -}}
{{ $key }} = {{ include "pointsman.tomlValue" $value }}
{{ end -}}
{{- end -}}
{{- range $key, $value := $table -}}
{{- $name := ternary $key (printf "%s.%s" $path $key) (empty $path) -}}
{{- if kindIs "map" $value }}
[{{ $name }}]
{{ include "pointsman.tomlTable" (list $name $value) -}}
{{- else if and (kindIs "slice" $value) $value (kindIs "map" (first $value)) -}}
{{- range $value }}
[[{{ $name }}]]
{{ include "pointsman.tomlTable" (list $name .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Where a password stands beside the configuration: relative, for the two are one volume. */ -}}
{{- define "pointsman.passwordFile" -}}
secrets/{{ .secret }}/{{ .key }}
{{- end -}}

{{- /* The key that says where an account's password is: JSON of a table with it. Takes a list: passwords, account. */ -}}
{{- define "pointsman.passwordKey" -}}
{{- $account := index . 1 -}}
{{- if eq (index . 0) "watched" -}}
{{- dict "secret" (printf "%s/%s" $account.secret $account.key) | toJson -}}
{{- else -}}
{{- dict "password_file" (include "pointsman.passwordFile" $account) | toJson -}}
{{- end -}}
{{- end -}}

{{- define "pointsman.toml" -}}
{{- $static := include "pointsman.static" . -}}
{{- $discovery := dict "kind" "kubernetes" -}}
{{- $notify := dict -}}
{{- if $static -}}
{{- $discovery = dict -}}
{{- else -}}
{{- $_ := set $discovery "preset" .Values.preset -}}
{{- if ne .Values.preset "custom" -}}
{{- $_ := set $discovery "cluster" .Values.cluster -}}
{{- end -}}
{{- with .Values.clusterNamespace -}}{{- $_ := set $discovery "namespace" . -}}{{- end -}}
{{- if .Values.rbac.nodes -}}{{- $_ := set $discovery "read_nodes" true -}}{{- end -}}
{{- if .Values.rbac.resource -}}{{- $_ := include "pointsman.resource" . -}}{{- $_ := set $discovery "read_resource" true -}}{{- end -}}
{{- if .Values.rbac.events -}}{{- $_ := set $notify "events" true -}}{{- end -}}
{{- end -}}
{{- $accounts := include "pointsman.accounts" . | fromJson -}}
{{- $users := list -}}
{{- range $accounts.users -}}
{{- $user := dict "name" .user -}}
{{- if .secret -}}{{- $user = merge $user (include "pointsman.passwordKey" (list $.Values.passwords .) | fromJson) -}}{{- end -}}
{{- range $option, $value := omit . "user" "secret" "key" -}}
{{- if $value -}}{{- $_ := set $user (snakecase $option) $value -}}{{- end -}}
{{- end -}}
{{- $users = append $users $user -}}
{{- end -}}
{{- $admin := dict "http" "[::]:9090" -}}
{{- if .Values.admin.tokenSecret -}}{{- $_ := set $admin "token_file" "admin/token" -}}{{- end -}}
{{- if .Values.admin.tlsSecret -}}
{{- $_ := set $admin "tls" (dict "cert_file" "admin/tls.crt" "key_file" "admin/tls.key") -}}
{{- end -}}
{{- with .Values.admin.console.users -}}
{{- $_ := required "admin.console.users needs admin.console.secret, the Secret with their passwords" $.Values.admin.console.secret -}}
{{- $operators := list -}}
{{- range . -}}
{{- $operators = append $operators (dict "name" .name "password_file" (printf "console/%s" (default .name .key))) -}}
{{- end -}}
{{- $_ := set $admin "console" (dict "address" "127.0.0.1:6032" "users" $operators) -}}
{{- end -}}
{{- $delay := ternary 0 (int .Values.drain.delaySeconds) (eq (include "pointsman.preStopSleep" .) "yes") -}}
{{- $header := dict -}}
{{- with .Values.service.proxyProtocolFrom -}}{{- $_ := set $header "proxy_protocol_from" . -}}{{- end -}}
{{- $config := dict
  "listeners" (list
    (merge (dict "name" "rw" "address" "[::]:3306" "mode" "split") $header)
    (merge (dict "name" "ro" "address" "[::]:6447" "mode" "replica") $header))
  "admin" $admin
  "discovery" $discovery
  "monitor" (merge (dict "user" $accounts.monitor.user) (include "pointsman.passwordKey" (list .Values.passwords $accounts.monitor) | fromJson))
  "drain" (dict "delay" (printf "%ds" $delay) "timeout" (printf "%ds" (int .Values.drain.timeoutSeconds)))
  "log" (dict "format" "json")
-}}
{{- with $users -}}{{- $_ := set $config "users" . -}}{{- end -}}
{{- $credentials := dict -}}
{{- with .Values.credentials.sources -}}{{- $_ := set $credentials "sources" . -}}{{- end -}}
{{- if not .Values.credentials.checkClientHost -}}{{- $_ := set $credentials "check_client_host" false -}}{{- end -}}
{{- with $credentials -}}{{- $_ := set $config "credentials" . -}}{{- end -}}
{{- with $notify -}}{{- $_ := set $config "notify" . -}}{{- end -}}
{{- with include "pointsman.serversTls" . | fromJson -}}{{- $_ := set $config "servers_tls" . -}}{{- end -}}
{{- $config = mergeOverwrite $config (deepCopy .Values.config) -}}
{{- with $tls := include "pointsman.clientsTls" . | fromJson -}}
{{- /* A listener of `config.listeners` keeps its own TLS. */ -}}
{{- range $config.listeners -}}{{- if not (hasKey . "tls") -}}{{- $_ := set . "tls" (deepCopy $tls) -}}{{- end -}}{{- end -}}
{{- end -}}
{{- include "pointsman.tomlTable" (list "" $config) | trim }}
{{- end -}}
