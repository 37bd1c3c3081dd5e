{{/* Seconds that Triton needs after SIGTERM: 10 to finish requests and 5 to unload its models. */}}
{{- define "triton-embed.tritonStopSeconds" -}}15{{- end -}}

{{/* terminationGracePeriodSeconds of a component's pods: preStop, drain, and 15 s for what follows.
Arguments: root, component. */}}
{{- define "triton-embed.graceSeconds" -}}
{{- $config := get .root.Values .component -}}
{{- $stop := include "triton-embed.tritonStopSeconds" .root | int -}}
{{- $needed := add $config.preStopSeconds 15 -}}
{{- if eq .component "triton" -}}
{{- $needed = add $needed $stop -}}
{{- else -}}
{{- $needed = add $needed (default 25 $config.settings.drain_seconds) -}}
{{- if eq .root.Values.topology "pod" -}}
{{- $needed = add $needed $stop -}}
{{- end -}}
{{- end -}}
{{- if kindIs "invalid" $config.terminationGracePeriodSeconds -}}
{{- $needed -}}
{{- else if lt (int $config.terminationGracePeriodSeconds) (int $needed) -}}
{{- fail (printf "%s.terminationGracePeriodSeconds is %d, but the pods need %d s to finish their requests: set it to at least that, or leave it out" .component (int $config.terminationGracePeriodSeconds) (int $needed)) -}}
{{- else -}}
{{- int $config.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}
