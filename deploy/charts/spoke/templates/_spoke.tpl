{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}

{{- /* What never changes about the pods: a Deployment's selector is immutable. */ -}}
{{- define "spoke.selector" -}}
app.kubernetes.io/name: vworkspace-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "spoke.labels" -}}
{{ include "spoke.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: vworkspace-fleet
{{- end -}}

{{- define "spoke.image" -}}
{{- $repository := required "image.repository: say where you pushed the image that `make images` builds, such as registry.example.com/vworkspace-fleet/spoke" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* Constraints without a labelSelector are about our own pods. */ -}}
{{- define "spoke.spread" -}}
{{- $ours := dict "matchLabels" (include "spoke.selector" . | fromYaml) -}}
{{- $constraints := list -}}
{{- range .Values.topologySpreadConstraints -}}
{{- $constraints = append $constraints (set (deepCopy .) "labelSelector" (default $ours .labelSelector)) -}}
{{- end -}}
{{ toYaml $constraints }}
{{- end -}}

{{- /* The profiles that the agent may use: the engines', and those that the cluster's owner names. */ -}}
{{- define "spoke.profiles" -}}
{{ concat (list "helm" "helmhookjob" "job" "velero" "volsync" "workflow") .Values.profiles.extra | uniq | toJson }}
{{- end -}}

{{- define "spoke.accounts" -}}
{{- range $i, $profile := include "spoke.profiles" . | fromJsonArray }}
{{- if $i }}
{{ end }}- vworkspace-{{ $profile }}
{{- end }}
{{- end -}}

{{- define "spoke.roles" -}}
{{- range $i, $profile := include "spoke.profiles" . | fromJsonArray }}
{{- if $i }}
{{ end }}- vworkspace-profile-{{ $profile }}
{{- end }}
{{- end -}}
