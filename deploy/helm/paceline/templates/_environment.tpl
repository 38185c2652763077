{{/* Values that cannot hold together end the rendering with a sentence. */}}
{{- define "paceline.check" -}}
{{- $v := .Values -}}
{{- if and $v.valkey.enabled (or $v.state.url $v.broker.url) -}}
{{- fail "valkey.enabled: state.url or broker.url is set as well; keep the trial's server, or yours" -}}
{{- end -}}
{{- if not $v.secret.name -}}
{{- fail "secret.name: is empty; name the Secret that holds PACELINE_SECRET_KEY under the key secret-key" -}}
{{- end -}}
{{- if $v.autoscaling.enabled -}}
{{- if gt ($v.autoscaling.min | int) ($v.autoscaling.max | int) -}}
{{- fail (printf "autoscaling.min: %v is more than autoscaling.max, %v; exchange the two" $v.autoscaling.min $v.autoscaling.max) -}}
{{- end -}}
{{- if and (eq $v.autoscaling.scaler "metrics-api") (not $v.exporter.enabled) -}}
{{- fail "autoscaling.scaler: metrics-api asks the exporter, which is off; set exporter.enabled, or use the scaler prometheus" -}}
{{- end -}}
{{- if and (eq $v.autoscaling.scaler "prometheus") (not $v.autoscaling.prometheusAddress) -}}
{{- fail "autoscaling.prometheusAddress: is empty; name the Prometheus that scrapes the exporter" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Files of the Secret that a program mounts: a JSON list. Given: root, program. */}}
{{- define "paceline.files" -}}
{{- $v := .root.Values -}}
{{- $files := list -}}
{{- if has .program (list "workers" "hooks") }}{{ $files = append $files (dict "key" $v.secret.secretKey "path" "secret-key") }}{{ end -}}
{{- if not $v.valkey.enabled -}}
{{- if not $v.state.url }}{{ $files = append $files (dict "key" $v.secret.stateUrl "path" "state-url") }}{{ end -}}
{{- if and $v.secret.brokerUrl (not $v.broker.url) }}{{ $files = append $files (dict "key" $v.secret.brokerUrl "path" "broker-url") }}{{ end -}}
{{- end -}}
{{ $files | toJson }}
{{- end }}

{{/* Variables of a program. Given: root, program. */}}
{{- define "paceline.env" -}}
{{- $v := .root.Values -}}
{{- $files := include "paceline.files" . | fromJsonArray -}}
{{- $mounted := list -}}
{{- range $files }}{{ $mounted = append $mounted .path }}{{ end -}}
{{- $state := $v.state.url -}}
{{- if $v.valkey.enabled }}{{ $state = include "paceline.valkey" .root }}{{ end -}}
{{- if $state }}
- {name: PACELINE_STATE_URL, value: {{ $state | quote }}}
{{- else }}
- {name: PACELINE_STATE_URL_FILE, value: /run/secrets/paceline/state-url}
{{- end }}
{{- if $v.broker.url }}
- {name: PACELINE_BROKER_URL, value: {{ $v.broker.url | quote }}}
{{- else if has "broker-url" $mounted }}
- {name: PACELINE_BROKER_URL_FILE, value: /run/secrets/paceline/broker-url}
{{- else if $state }}
- {name: PACELINE_BROKER_URL, value: {{ $state | quote }}}
{{- else }}
- {name: PACELINE_BROKER_URL_FILE, value: /run/secrets/paceline/state-url}
{{- end }}
{{- if has "secret-key" $mounted }}
- {name: PACELINE_SECRET_KEY_FILE, value: /run/secrets/paceline/secret-key}
{{- end }}
{{- range $variable, $value := dict
    "PACELINE_API_BASE" $v.settings.apiBase
    "PACELINE_NAMESPACE" $v.settings.namespace
    "PACELINE_HTTP_DEADLINE" $v.settings.httpDeadline
    "PACELINE_CAPACITY" $v.settings.capacity
    "PACELINE_RETENTION" $v.settings.retention
    "PACELINE_RECONCILE_GRACE" $v.settings.reconcileGrace
    "PACELINE_HISTORY_KEPT" $v.settings.historyKept
    "PACELINE_BROKER_OPTIONS" $v.settings.brokerOptions
    "PACELINE_OPT_OUT_WORDS" $v.settings.optOutWords
    "PACELINE_OPT_IN_WORDS" $v.settings.optInWords
    "PACELINE_ALLOW_VOLATILE" $v.settings.allowVolatile
    "PACELINE_ASSUME_DURABLE" $v.settings.assumeDurable
    "PACELINE_WAIT_REPLICAS" $v.settings.waitReplicas
    "PACELINE_SHARDS" $v.settings.shards
    "PACELINE_ENCRYPT_PAYLOADS" $v.settings.encryptPayloads
    "PACELINE_PAYLOAD_KEY" $v.settings.payloadKey
    "PACELINE_LOG_FORMAT" $v.settings.logFormat }}
{{- if not (kindIs "invalid" $value) }}
- {name: {{ $variable }}, value: {{ if kindIs "string" $value }}{{ $value | quote }}{{ else }}{{ $value | toJson | quote }}{{ end }}}
{{- end }}
{{- end }}
- {name: PACELINE_METRICS_ADDRESS, value: {{ $v.bindAddress | quote }}}
- {name: PACELINE_METRICS_PORT, value: "9808"}
- {name: PACELINE_EXPORTER_PORT, value: "9809"}
- {name: PACELINE_RECEIPTS_ADDRESS, value: {{ $v.bindAddress | quote }}}
- {name: PACELINE_RECEIPTS_PORT, value: "9810"}
{{- with $v.pod.env }}
{{ toYaml . }}
{{- end }}
{{- end }}
