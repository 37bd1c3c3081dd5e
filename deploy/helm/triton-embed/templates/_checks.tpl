{{/* Reject a value whose objects the cluster does not know. Arguments: root, api, value. */}}
{{- define "triton-embed.needs" -}}
{{- if not (.root.Capabilities.APIVersions.Has .api) -}}
{{- fail (printf "%s needs %s, which this cluster does not have: install its operator first, or with 'helm template' add --api-versions %s" .value .api .api) -}}
{{- end -}}
{{- end -}}
