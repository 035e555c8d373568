{{/* The chart's name. */}}
{{- define "clickstream.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Prefix of all object names: at most 40 characters, so that every name made from it has at most 63. */}}
{{- define "clickstream.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "clickstream.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "clickstream.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "clickstream.operatorName" -}}
{{ include "clickstream.fullname" . }}-operator
{{- end }}

{{/* Prefix of the names of objects that no namespace holds: two releases must not meet. */}}
{{- define "clickstream.clusterName" -}}
{{ .Release.Namespace }}-{{ include "clickstream.fullname" . }}
{{- end }}

{{- define "clickstream.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "clickstream.operatorName" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Labels that selectors use: they never change within a release. */}}
{{- define "clickstream.selectorLabels" -}}
app.kubernetes.io/name: {{ include "clickstream.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "clickstream.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "clickstream.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: clickstream
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Reference of an image: list of the root and the image's values. A digest wins over a tag. */}}
{{- define "clickstream.image" -}}
{{- $root := index . 0 }}
{{- $image := index . 1 }}
{{- if eq $image.tag "latest" }}
{{- fail (printf "image %s: the tag `latest` is refused, as it names another image each time: set a version or a digest" $image.repository) }}
{{- end }}
{{- $registry := default $root.Values.image.registry $image.registry }}
{{- $name := ternary (printf "%s/%s" (trimSuffix "/" $registry) $image.repository) $image.repository (ne $registry "") }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name (default $root.Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{/* Whether the cluster knows the kinds of the Prometheus operator. */}}
{{- define "clickstream.hasMonitoring" -}}
{{- if .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}yes{{ end }}
{{- end }}

{{/* Pod Security `restricted`, for pods and for containers. */}}
{{- define "clickstream.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "clickstream.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
