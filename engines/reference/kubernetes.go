// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
)

// explained is where kubectl explains the types of Kubernetes that parameters have. A schema says no more of them than that they are
// objects: they are Kubernetes' to describe, and grow with its versions. The engines decode them as strictly as everything else.
var explained = map[string]string{
	"ConfigMapVolumeSource":             "pod.spec.volumes.configMap",
	"EmptyDirVolumeSource":              "pod.spec.volumes.emptyDir",
	"EnvVar":                            "pod.spec.containers.env",
	"LabelSelector":                     "deployment.spec.selector",
	"PersistentVolumeClaimVolumeSource": "pod.spec.volumes.persistentVolumeClaim",
	"ResourceRequirements":              "pod.spec.containers.resources",
	"SecretVolumeSource":                "pod.spec.volumes.secret",
}

// kubernetesSchema is an object for a struct of Kubernetes, and nil for every other type.
func kubernetesSchema(t reflect.Type) *jsonschema.Schema {
	if !isKubernetes(t) {
		return nil
	}
	return &jsonschema.Schema{Type: "object", Title: t.Name(), Description: kubernetesHint(t)}
}

// kubernetesHint says where to look a type of Kubernetes up, also one in a list; empty for other types.
func kubernetesHint(t reflect.Type) string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if !isKubernetes(t) {
		return ""
	}
	path, ok := explained[t.Name()]
	if !ok {
		panic(fmt.Sprintf("reference: say in kubernetes.go where kubectl explains %s", t))
	}
	return fmt.Sprintf("Written as in Kubernetes: `kubectl explain %s`.", path)
}

func isKubernetes(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && strings.HasPrefix(t.PkgPath(), "k8s.io/")
}
