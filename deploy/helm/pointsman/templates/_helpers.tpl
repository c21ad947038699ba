{{- define "pointsman.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pointsman.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: proxy
{{- end -}}

{{- define "pointsman.labels" -}}
{{ include "pointsman.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "pointsman.serviceAccount" -}}
{{- default (include "pointsman.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- /* Where the database's pods are. */ -}}
{{- define "pointsman.clusterNamespace" -}}
{{- default .Release.Namespace .Values.clusterNamespace -}}
{{- end -}}

{{- define "pointsman.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* "yes" where the kubelet can sleep before SIGTERM: the image has no shell to do it with. */ -}}
{{- define "pointsman.preStopSleep" -}}
{{- if and (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) (gt (int .Values.drain.delaySeconds) 0) -}}yes{{- end -}}
{{- end -}}

{{- /* "yes" when something scrapes the HTTP port. */ -}}
{{- define "pointsman.metrics" -}}
{{- if or .Values.serviceMonitor.enabled .Values.prometheusRule.enabled .Values.dashboard.enabled -}}yes{{- end -}}
{{- end -}}

{{- /* Group and plural of the operator's resource, as JSON. */ -}}
{{- define "pointsman.resource" -}}
{{- if hasPrefix "mariadb-operator" .Values.preset -}}
{{- list "k8s.mariadb.com" "mariadbs" | toJson -}}
{{- else if eq .Values.preset "moco" -}}
{{- list "moco.cybozu.com" "mysqlclusters" | toJson -}}
{{- else -}}
{{- fail "rbac.resource: only mariadb-operator's and MOCO's resources are read; leave it out" -}}
{{- end -}}
{{- end -}}

{{- /* "yes" when the servers stand in config.discovery.servers and no pods are watched. */ -}}
{{- define "pointsman.static" -}}
{{- if eq (dig "discovery" "kind" "kubernetes" .Values.config) "static" -}}yes{{- end -}}
{{- end -}}

{{- /* What a ServiceMonitor and a PodMonitor say of the HTTP port. */ -}}
{{- define "pointsman.scrape" -}}
{{- $root := .root -}}
interval: {{ .monitor.interval }}
{{- with .monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .monitor.relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .monitor.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.admin.tokenSecret }}
authorization: {type: Bearer, credentials: {name: {{ . | quote }}, key: {{ $root.Values.admin.tokenKey | quote }}}}
{{- end }}
{{- with $root.Values.admin.tlsSecret }}
scheme: https
tlsConfig:
  ca: {secret: {name: {{ . | quote }}, key: {{ $root.Values.admin.tlsCaKey | quote }}}}
  serverName: {{ default (printf "%s.%s.svc" (include "pointsman.fullname" $root) $root.Release.Namespace) $root.Values.admin.tlsName }}
{{- end }}
{{- end -}}
