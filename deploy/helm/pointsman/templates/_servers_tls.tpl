{{- /*
The Secret with the CA of the servers, as it is in effect; empty without one. "operator" is the one that the preset's operator
makes: mariadb-operator's bundle has the old CA, too, while it is replaced.
*/ -}}
{{- define "pointsman.caSecret" -}}
{{- $made := dict
  "mariadb-operator" "%s-ca-bundle"
  "mariadb-operator-galera" "%s-ca-bundle"
  "percona-ps" "%s-ssl"
  "percona-pxc" "%s-ssl"
-}}
{{- if ne .Values.serversTls.caSecret "operator" -}}
{{- .Values.serversTls.caSecret -}}
{{- else if not (hasKey $made .Values.preset) -}}
{{- fail "serversTls.caSecret: it is not known where this preset's CA is: write the Secret's name" -}}
{{- else -}}
{{- printf (get $made .Values.preset) .Values.cluster -}}
{{- end -}}
{{- end -}}

{{- /* [servers_tls]: JSON of the table, empty if nothing is said. */ -}}
{{- define "pointsman.serversTls" -}}
{{- $tls := dict -}}
{{- with .Values.serversTls.mode -}}{{- $_ := set $tls "mode" . -}}{{- end -}}
{{- $ca := include "pointsman.caSecret" . -}}
{{- if and $ca (eq .Values.passwords "watched") -}}
{{- $_ := set $tls "ca_secret" (printf "%s/%s" $ca .Values.serversTls.caKey) -}}
{{- else if $ca -}}
{{- $_ := set $tls "ca_file" "servers-tls/ca.crt" -}}
{{- end -}}
{{- if .Values.serversTls.clientSecret -}}
{{- $_ := set $tls "cert_file" "servers-tls/tls.crt" -}}
{{- $_ := set $tls "key_file" "servers-tls/tls.key" -}}
{{- end -}}
{{- $tls | toJson -}}
{{- end -}}
