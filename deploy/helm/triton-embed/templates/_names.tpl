{{- define "triton-embed.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 49 | trimSuffix "-" -}}
{{- end -}}

{{/* The prefix of all objects; the suffixes have at most 14 characters, and names at most 63. */}}
{{- define "triton-embed.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 49 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "triton-embed.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 49 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 49 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the pods of a component. They cannot be changed once installed.
Arguments: root, component. */}}
{{- define "triton-embed.selector" -}}
app.kubernetes.io/name: {{ include "triton-embed.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of an object. Arguments: root, component. */}}
{{- define "triton-embed.labels" -}}
{{ include "triton-embed.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The reference of an image. Arguments: root, name, image. */}}
{{- define "triton-embed.image" -}}
{{- $default := printf "%s/%s" (trimSuffix "/" .root.Values.image.registry) .name -}}
{{- $repository := default $default .image.repository -}}
{{- $tag := default .root.Chart.AppVersion .root.Values.image.tag -}}
{{- if .image.digest -}}
{{- printf "%s:%s@%s" $repository $tag .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository $tag -}}
{{- end -}}
{{- end -}}

{{- define "triton-embed.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "triton-embed.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "triton-embed.claimName" -}}
{{- default (printf "%s-models" (include "triton-embed.fullname" .)) .Values.models.claim.existing -}}
{{- end -}}

{{- define "triton-embed.keysSecretName" -}}
{{- if .Values.auth.create -}}
{{- printf "%s-keys" (include "triton-embed.fullname" .) -}}
{{- else -}}
{{- .Values.auth.existingSecret -}}
{{- end -}}
{{- end -}}

{{/* The path of the model repository in a container. */}}
{{- define "triton-embed.repository" -}}
{{- list "/models" .Values.models.folder | compact | join "/" -}}
{{- end -}}

{{/* The component whose pods run Triton. */}}
{{- define "triton-embed.tritonComponent" -}}
{{- ternary "gateway" "triton" (eq .Values.topology "pod") -}}
{{- end -}}

{{- define "triton-embed.scheme" -}}
{{- ternary "https" "http" (ne .Values.gateway.tlsSecret "") -}}
{{- end -}}
