{{/* Parts of the spec of a pod that all pods share. Arguments: root, config. */}}
{{- define "triton-embed.podSpec" -}}
serviceAccountName: {{ include "triton-embed.serviceAccountName" .root }}
automountServiceAccountToken: false
# A Service named triton-embed would set variables that look like our settings.
enableServiceLinks: false
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .config.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .config.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .config.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Placement of the pods of a Deployment. Arguments: root, component, config. */}}
{{- define "triton-embed.placement" -}}
{{- with .config.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
topologySpreadConstraints:
  {{- if kindIs "slice" .config.topologySpreadConstraints }}
  {{- toYaml .config.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "triton-embed.selector" . | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end -}}

{{- define "triton-embed.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Environment variables. Arguments: settings (a map of our settings), extra (a map of variables). */}}
{{- define "triton-embed.env" -}}
{{- range $name, $value := .settings }}
- name: TRITON_EMBED_{{ upper $name }}
  {{- if kindIs "slice" $value }}
  value: {{ join "," $value | quote }}
  {{- else if kindIs "float64" $value }}
  value: {{ ternary (toString (int64 $value)) (toString $value) (eq (floor $value) $value) | quote }}
  {{- else }}
  value: {{ toString $value | quote }}
  {{- end }}
{{- end }}
{{- range $name, $value := .extra }}
- name: {{ $name }}
  {{- if kindIs "map" $value }}
  valueFrom:
    {{- toYaml $value | nindent 4 }}
  {{- else }}
  value: {{ toString $value | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Probes of a container. Arguments: probes, port, scheme. */}}
{{- define "triton-embed.probes" -}}
{{- range $name := list "startup" "readiness" "liveness" }}
{{- $probe := get $.probes $name }}
{{ $name }}Probe:
  httpGet:
    path: {{ $probe.path | quote }}
    port: {{ $.port }}
    scheme: {{ upper $.scheme }}
  {{- omit $probe "path" | toYaml | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The volume of the model repository. */}}
{{- define "triton-embed.modelsVolume" -}}
- name: models
  {{- if eq .Values.models.source "image" }}
  image:
    reference: {{ .Values.models.image.reference | quote }}
    pullPolicy: {{ .Values.models.image.pullPolicy }}
  {{- else }}
  persistentVolumeClaim:
    claimName: {{ include "triton-embed.claimName" . }}
  {{- end }}
{{- end -}}

{{- define "triton-embed.exportMounts" -}}
- name: models
  mountPath: /models
- name: checkpoints
  mountPath: /checkpoints
- name: tmp
  mountPath: /tmp
{{- with .Values.models.export.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The components that have a Deployment, separated by spaces. */}}
{{- define "triton-embed.components" -}}
{{- ternary "gateway" "gateway triton" (eq .Values.topology "pod") -}}
{{- end -}}

{{/* The maximum replicas of a component. Argument: the component's values. */}}
{{- define "triton-embed.maxReplicas" -}}
{{- ternary .replicas .autoscaling.maxReplicas (eq .autoscaling.mode "none") -}}
{{- end -}}
