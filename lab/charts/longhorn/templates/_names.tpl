{{- define "longhorn.image" -}}
{{ .Values.image.longhorn.manager.repository }}:{{ .Values.image.longhorn.manager.tag }}
{{- end -}}
{{- define "longhorn.labels" -}}
app.kubernetes.io/name: longhorn
helm.sh/chart: longhorn-{{ .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion }}
{{- end -}}
