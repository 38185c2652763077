{{/* Name of everything in a release: `paceline` where the release is called so. */}}
{{- define "paceline.name" -}}
{{- if contains "paceline" .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-paceline" .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* What tells the Pods of one program apart. Given: root, program. */}}
{{- define "paceline.selector" -}}
app.kubernetes.io/name: paceline
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .program }}
{{- end }}

{{/* Labels of an object. Given: root, program. */}}
{{- define "paceline.labels" -}}
{{ include "paceline.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "paceline.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Address of the trial's own server. */}}
{{- define "paceline.valkey" -}}
redis://{{ include "paceline.name" . }}-valkey:6379/0
{{- end }}

{{/* Programs that run: a JSON object, program to the TCP port that it answers on. */}}
{{- define "paceline.programs" -}}
{{- $programs := dict "workers" 9808 -}}
{{- if .Values.exporter.enabled }}{{ $_ := set $programs "exporter" 9809 }}{{ end -}}
{{- if .Values.receiver.enabled }}{{ $_ := set $programs "receiver" 9810 }}{{ end -}}
{{- if .Values.gateway.enabled }}{{ $_ := set $programs "gateway" 9811 }}{{ end -}}
{{- if .Values.hooks.enabled }}{{ $_ := set $programs "hooks" 9812 }}{{ end -}}
{{ $programs | toJson }}
{{- end }}

{{/* Name of the Prometheus job of a program; rules and dashboards ask for these names. */}}
{{- define "paceline.job" -}}
{{ get (dict "workers" "paceline-worker" "exporter" "paceline-exporter" "receiver" "paceline-receipts" "hooks" "paceline-hooks") . }}
{{- end }}
