{{/* The spec of the pod that exports the checkpoints one after the other. */}}
{{- define "triton-embed.exportPod" -}}
{{- $config := .Values.models.export -}}
{{- $part := dict "root" . "config" $config -}}
{{- $image := include "triton-embed.image" (dict "root" . "name" "export" "image" $config.image) -}}
{{- $repository := include "triton-embed.repository" . -}}
{{- include "triton-embed.podSpec" $part }}
restartPolicy: Never
initContainers:
  {{- range $index, $checkpoint := $config.checkpoints }}
  - name: export-{{ $index }}
    image: {{ $image }}
    imagePullPolicy: {{ $.Values.image.pullPolicy }}
    command: [triton-embed, export]
    args:
      - --model-repository
      - {{ $repository }}
      {{- range $option := list "id" "revision" "target" "precision" }}
      {{- with get $checkpoint $option }}
      - {{ if eq $option "id" }}--model-id{{ else }}--{{ $option }}{{ end }}
      - {{ quote . }}
      {{- end }}
      {{- end }}
      {{- range $checkpoint.args }}
      - {{ quote . }}
      {{- end }}
      - --if-needed
      - --
      - {{ quote $checkpoint.source }}
    env:
      - name: TRITON_EMBED_EXPORT_IMAGE
        value: ""
      {{- with $config.tokenSecret.name }}
      - name: HF_TOKEN
        valueFrom:
          secretKeyRef:
            name: {{ . }}
            key: {{ $config.tokenSecret.key }}
      {{- end }}
      {{- with include "triton-embed.env" (dict "settings" dict "extra" $config.extraEnv) }}
      {{- trim . | nindent 6 }}
      {{- end }}
    resources:
      {{- toYaml $config.resources | nindent 6 }}
    securityContext:
      {{- include "triton-embed.containerSecurity" $ | nindent 6 }}
    volumeMounts:
      {{- include "triton-embed.exportMounts" $ | nindent 6 }}
  {{- end }}
containers:
  - name: list
    image: {{ $image }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    command: [triton-embed, list]
    args:
      - --model-repository
      - {{ $repository }}
    resources:
      {{- toYaml $config.resources | nindent 6 }}
    securityContext:
      {{- include "triton-embed.containerSecurity" . | nindent 6 }}
    volumeMounts:
      {{- include "triton-embed.exportMounts" . | nindent 6 }}
volumes:
  {{- include "triton-embed.modelsVolume" . | nindent 2 }}
  - name: checkpoints
    emptyDir:
      sizeLimit: {{ $config.downloadSize }}
  - name: tmp
    emptyDir: {}
  {{- with $config.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
