{{/* Ports are numbers: not every network plugin finds the names of a sidecar's ports. */}}

{{/* Ingress rules for metrics, and for gRPC clients other than the gateways. */}}
{{- define "triton-embed.tritonIngress" -}}
{{- with .Values.networkPolicy.prometheus -}}
- ports:
    - {port: 8002, protocol: TCP}
    - {port: 8004, protocol: TCP}
  from:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- with .Values.networkPolicy.grpcClients }}
- ports:
    - {port: 8001, protocol: TCP}
  from:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Egress rules of every pod: DNS, and those of the user. */}}
{{- define "triton-embed.egress" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- with .Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}
