// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Manifest of an object as a person would write it: without a status, and without what Go's types write where nothing was said, such as maxFailures: 0.
func Manifest(object runtime.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	delete(content, "status")
	if metadata, ok := content["metadata"].(map[string]any); ok {
		delete(metadata, "creationTimestamp")
	}
	if spec, ok := content["spec"].(map[string]any); ok {
		for name, value := range spec {
			if name != "parameters" && name != "selector" && empty(value) {
				delete(spec, name)
			}
		}
	}
	return &unstructured.Unstructured{Object: content}, nil
}

// empty tells whether a value says nothing, and takes out of an object what does.
func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == "" || v == "0s"
	case int64:
		return v == 0
	case bool:
		return !v
	case map[string]any:
		for name, inner := range v {
			if empty(inner) {
				delete(v, name)
			}
		}
		return len(v) == 0
	case []any:
		for _, inner := range v {
			empty(inner)
		}
		return len(v) == 0
	}
	return false
}
