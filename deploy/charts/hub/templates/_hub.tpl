{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}

{{- /* What never changes about the pods: a Deployment's selector is immutable. */ -}}
{{- define "hub.selector" -}}
app.kubernetes.io/name: vworkspace-hub
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "hub.labels" -}}
{{ include "hub.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: vworkspace-fleet
{{- end -}}

{{- define "hub.image" -}}
{{- $repository := required "image.repository: say where you pushed the image that `make images` builds, such as registry.example.com/vworkspace-fleet/hub" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* Constraints without a labelSelector are about our own pods. */ -}}
{{- define "hub.spread" -}}
{{- $ours := dict "matchLabels" (include "hub.selector" . | fromYaml) -}}
{{- $constraints := list -}}
{{- range .Values.topologySpreadConstraints -}}
{{- $constraints = append $constraints (set (deepCopy .) "labelSelector" (default $ours .labelSelector)) -}}
{{- end -}}
{{ toYaml $constraints }}
{{- end -}}
