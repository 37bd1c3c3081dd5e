{{/* The container of the gateway. */}}
{{- define "triton-embed.gatewayContainer" -}}
{{- $config := .Values.gateway -}}
name: gateway
image: {{ include "triton-embed.image" (dict "root" . "name" "gateway" "image" $config.image) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [triton-embed, gateway]
args:
  - --host
  - 0.0.0.0
  - --port
  - "8000"
  - --triton-address
  # The headless Service has the addresses of all pods.
  - {{ ternary "127.0.0.1:8001" (printf "%s-triton:8001" (include "triton-embed.fullname" .)) (eq .Values.topology "pod") }}
  - --status-port
  - "8004"
  {{- if $config.tlsSecret }}
  - --tls-certificate
  - /tls/tls.crt
  - --tls-key
  - /tls/tls.key
  {{- end }}
{{- $keys := include "triton-embed.keysSecretName" . }}
{{- $env := include "triton-embed.env" (dict "settings" $config.settings "extra" $config.extraEnv) }}
{{- if or $keys $env }}
env:
  {{- if $keys }}
  - name: TRITON_EMBED_API_KEYS
    valueFrom:
      secretKeyRef:
        name: {{ $keys }}
        key: {{ .Values.auth.key }}
  {{- end }}
  {{- with $env }}
  {{- trim . | nindent 2 }}
  {{- end }}
{{- end }}
ports:
  - name: http
    containerPort: 8000
{{- include "triton-embed.probes" (dict "probes" $config.probes "port" "http" "scheme" (include "triton-embed.scheme" .)) }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ $config.preStopSeconds }}
resources:
  {{- toYaml $config.resources | nindent 2 }}
securityContext:
  {{- include "triton-embed.containerSecurity" . | nindent 2 }}
volumeMounts:
  - name: gateway-tmp
    mountPath: /tmp
  {{- if $config.tlsSecret }}
  - name: tls
    mountPath: /tls
    readOnly: true
  {{- end }}
  {{- with $config.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "triton-embed.gatewayVolumes" -}}
- name: gateway-tmp
  emptyDir:
    medium: Memory
    sizeLimit: 64Mi
{{- with .Values.gateway.tlsSecret }}
- name: tls
  secret:
    secretName: {{ . }}
{{- end }}
{{- with .Values.gateway.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
