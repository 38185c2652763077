{{/*
One program as a Deployment. Given: root, program, command (empty: the image's own), grace (seconds until SIGKILL), drain (seconds that a
server goes on answering while it leaves its Service), fixed (whether the number of replicas is the chart's).
*/}}
{{- define "paceline.deployment" -}}
{{- $v := .root.Values -}}
{{- $own := index $v .program -}}
{{- $port := get (include "paceline.programs" .root | fromJson) .program -}}
{{- $files := include "paceline.files" . | fromJsonArray -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "paceline.name" .root }}-{{ .program }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "paceline.labels" . | nindent 4 }}
spec:
  {{- if .fixed }}
  replicas: {{ $own.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  # The new Pod is ready before the old one goes.
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels: {{- include "paceline.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "paceline.labels" . | nindent 8 }}
        {{- with $v.pod.labels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $v.pod.annotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      # Variables that Kubernetes makes of Services would have names like ours.
      enableServiceLinks: false
      automountServiceAccountToken: false
      serviceAccountName: {{ $v.pod.serviceAccountName }}
      terminationGracePeriodSeconds: {{ .grace }}
      {{- with $v.image.pullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext: {{- toYaml $v.pod.securityContext | nindent 8 }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "paceline.selector" . | nindent 14 }}
      containers:
        - name: {{ .program }}
          image: {{ include "paceline.image" .root | quote }}
          imagePullPolicy: {{ $v.image.pullPolicy }}
          {{- with .command }}
          command: {{ toJson . }}
          {{- end }}
          env: {{- include "paceline.env" . | trim | nindent 12 }}
          ports:
            - {name: {{ eq .program "gateway" | ternary "http" "metrics" }}, containerPort: {{ $port }}, protocol: TCP}
          # `/healthz`: the process turns. `/readyz`: its servers answer and it takes part. Trouble of a server restarts nothing.
          startupProbe:
            httpGet: {path: /healthz, port: {{ $port }}}
            periodSeconds: 3
            timeoutSeconds: 5
            failureThreshold: 40
          livenessProbe:
            httpGet: {path: /healthz, port: {{ $port }}}
            periodSeconds: 15
            timeoutSeconds: 5
            failureThreshold: 4
          readinessProbe:
            httpGet: {path: /readyz, port: {{ $port }}}
            periodSeconds: 10
            timeoutSeconds: 6
            failureThreshold: 3
          {{- if .drain }}
          lifecycle:
            preStop: {exec: {command: [sleep, "{{ .drain }}"]}}
          {{- end }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          resources: {{- toYaml $own.resources | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- if $files }}
            - {name: secret, mountPath: /run/secrets/paceline, readOnly: true}
            {{- end }}
            {{- with $v.pod.volumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
        {{- if $files }}
        - name: secret
          secret:
            secretName: {{ $v.secret.name }}
            # Whoever the cluster lets the program be can read the files; nobody else is in the container.
            defaultMode: 0444
            items: {{- toYaml $files | nindent 14 }}
        {{- end }}
        {{- with $v.pod.volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $v.pod.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $v.pod.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $v.pod.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $v.pod.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
{{- end }}
