{{/*
The objects are the files of deploy/kubernetes, read as they stand (the chart holds them by a link, its package a copy). What
kustomize does to them there is done here by these templates; a test holds both results equal.
*/}}

{{/* The objects of the files in `files` as {"objects": […]}. */}}
{{- define "routerdc.read" -}}
{{- $objects := list -}}
{{- range $file := .files -}}
  {{- range $text := splitList "\n---\n" ($.root.Files.Get $file | required (printf "the chart has no file %s" $file)) -}}
    {{- $objects = append $objects (fromYaml $text) -}}
  {{- end -}}
{{- end -}}
{{- toYaml (dict "objects" $objects) -}}
{{- end -}}

{{/* `over` laid over `under` as kustomize's patches are: lists of things with names are merged by name, those of `over` first; others replaced. */}}
{{- define "routerdc.merge" -}}
{{- $merged := deepCopy .under -}}
{{- range $key, $over := .over -}}
  {{- $under := get $merged $key -}}
  {{- if and (kindIs "map" $under) (kindIs "map" $over) -}}
    {{- $_ := set $merged $key (include "routerdc.merge" (dict "under" $under "over" $over) | fromYaml) -}}
  {{- else if and (kindIs "slice" $under) (kindIs "slice" $over) (has $key (list "containers" "initContainers" "env" "volumes" "volumeMounts")) -}}
    {{- $by := ternary "mountPath" "name" (eq $key "volumeMounts") -}}
    {{- $list := list -}}
    {{- $names := list -}}
    {{- range $one := $over -}}
      {{- $names = append $names (get $one $by) -}}
      {{- range $other := $under -}}
        {{- if eq (get $one $by) (get $other $by) -}}
          {{- $one = include "routerdc.merge" (dict "under" $other "over" $one) | fromYaml -}}
        {{- end -}}
      {{- end -}}
      {{- $list = append $list $one -}}
    {{- end -}}
    {{- range $under -}}
      {{- if not (has (get . $by) $names) -}}{{- $list = append $list . -}}{{- end -}}
    {{- end -}}
    {{- $_ := set $merged $key $list -}}
  {{- else -}}
    {{- $_ := set $merged $key $over -}}
  {{- end -}}
{{- end -}}
{{- toYaml $merged -}}
{{- end -}}

{{/* An object of this release: namespace, labels, and of workloads images, pull rules and users. Prints it. */}}
{{- define "routerdc.print" -}}
{{- $object := .object -}}
{{- $values := .root.Values -}}
{{- if ne $object.kind "PriorityClass" -}}
  {{- $_ := set $object.metadata "namespace" .root.Release.Namespace -}}
{{- end -}}
{{- $labels := dict "app.kubernetes.io/part-of" "routerdc" -}}
{{- $_ := set $object.metadata "labels" (merge (default dict $object.metadata.labels) $labels) -}}
{{- if eq $object.kind "Deployment" -}}
  {{- $_ := set $object.spec.template.metadata "labels" (merge $object.spec.template.metadata.labels $labels) -}}
  {{- $pod := $object.spec.template.spec -}}
  {{- $tag := $values.image.tag | default .root.Chart.AppVersion -}}
  {{- $tensorrt := eq $values.engine "tensorrt" -}}
  {{- $images := dict
    "routerdc-gateway" (printf "%srouterdc-gateway:%s" $values.image.registry $tag)
    "routerdc-triton" (printf "%srouterdc-triton-%s:%s" $values.image.registry (ternary "gpu" "cpu" $tensorrt) $tag)
    "routerdc-exporter" (printf "%srouterdc-exporter:%s%s" $values.image.registry $tag (ternary "-tensorrt" "" $tensorrt))
    "envoyproxy/envoy" "envoyproxy/envoy:v1.40.0" -}}
  {{- range $container := concat (default list $pod.initContainers) $pod.containers -}}
    {{- $_ := set $container "image" (get $images $container.image) -}}
    {{- with $values.image.pullPolicy -}}
      {{- $_ := set $container "imagePullPolicy" . -}}
    {{- end -}}
  {{- end -}}
  {{- with $values.image.pullSecrets -}}
    {{- $secrets := list -}}
    {{- range . -}}{{- $secrets = append $secrets (dict "name" .) -}}{{- end -}}
    {{- $_ := set $pod "imagePullSecrets" $secrets -}}
  {{- end -}}
  {{- if $values.openshift -}}
    {{- $_ := set $pod "securityContext" (omit $pod.securityContext "runAsUser" "runAsGroup" "fsGroup") -}}
  {{- end -}}
{{- end }}
---
{{ toYaml $object }}
{{- end -}}
