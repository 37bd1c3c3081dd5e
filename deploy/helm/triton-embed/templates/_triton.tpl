{{/* The container of Triton and its supervisor. */}}
{{- define "triton-embed.tritonContainer" -}}
{{- $config := .Values.triton -}}
{{- $sidecar := eq .Values.topology "pod" -}}
name: triton
image: {{ include "triton-embed.image" (dict "root" . "name" "triton" "image" $config.image) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if $sidecar }}
# A sidecar is stopped after the gateway.
restartPolicy: Always
{{- end }}
command: [triton-embed, serve, --no-gateway]
args:
  - --model-repository
  - {{ include "triton-embed.repository" . }}
  - --wait-for-models
  - --triton-host
  - 0.0.0.0
  - --triton-grpc-port
  - "8001"
  - --triton-metrics-port
  - "8002"
  - --status-port
  - "8004"
{{- with include "triton-embed.env" (dict "settings" $config.settings "extra" $config.extraEnv) }}
env:
  {{- trim . | nindent 2 }}
{{- end }}
ports:
  - name: grpc
    containerPort: 8001
  - name: metrics
    containerPort: 8002
  - name: status
    containerPort: 8004
{{- include "triton-embed.probes" (dict "probes" $config.probes "port" "status" "scheme" "http") }}
{{- if not $sidecar }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ $config.preStopSeconds }}
{{- end }}
resources:
  {{- toYaml $config.resources | nindent 2 }}
securityContext:
  {{- include "triton-embed.containerSecurity" . | nindent 2 }}
volumeMounts:
  - name: models
    mountPath: /models
    readOnly: true
  - name: shared-memory
    mountPath: /dev/shm
  - name: triton-tmp
    mountPath: /tmp
  {{- with $config.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "triton-embed.tritonVolumes" -}}
{{ include "triton-embed.modelsVolume" . }}
- name: shared-memory
  emptyDir:
    medium: Memory
    sizeLimit: {{ .Values.triton.sharedMemory }}
- name: triton-tmp
  emptyDir:
    sizeLimit: 1Gi
{{- with .Values.triton.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
