{{- /* The Secret with the listeners' certificate; empty without one. */ -}}
{{- define "pointsman.tlsSecret" -}}
{{- $made := ternary (printf "%s-tls" (include "pointsman.fullname" .)) "" .Values.tls.certManager.enabled -}}
{{- default $made .Values.tls.secret -}}
{{- end -}}

{{- /* [listeners.tls]: JSON of the table, empty if no value of `tls` is set. */ -}}
{{- define "pointsman.clientsTls" -}}
{{- $tls := dict -}}
{{- with .Values.tls.mode -}}{{- $_ := set $tls "mode" . -}}{{- end -}}
{{- if include "pointsman.tlsSecret" . -}}
{{- $_ := set $tls "cert_file" "clients-tls/tls.crt" -}}
{{- $_ := set $tls "key_file" "clients-tls/tls.key" -}}
{{- end -}}
{{- if .Values.tls.clientCaSecret -}}{{- $_ := set $tls "client_ca_file" "clients-tls/ca.crt" -}}{{- end -}}
{{- /* YAML reads off without quotes as false. */ -}}
{{- if kindIs "bool" .Values.tls.verifyClient -}}{{- $_ := set $tls "verify_client" "off" -}}
{{- else -}}{{- with .Values.tls.verifyClient -}}{{- $_ := set $tls "verify_client" . -}}{{- end -}}
{{- end -}}
{{- $tls | toJson -}}
{{- end -}}
