// SPDX-License-Identifier: Apache-2.0

package page

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// CheckFragment of a manifest: a field that its kind does not know is an error, and without a kind all that is not YAML.
func CheckFragment(kind, text string) error {
	var object any = &map[string]any{}
	if kind != "" {
		var err error
		if object, err = newOf(kind); err != nil {
			return err
		}
	}
	raw, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return fmt.Errorf("fragment: %w", err)
	}
	strict, err := json.UnmarshalStrict(raw, object)
	if err := errors.Join(append(strict, err)...); err != nil {
		return fmt.Errorf("fragment: %w", err)
	}
	return nil
}

func newOf(kind string) (runtime.Object, error) {
	known := map[string]bool{}
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1alpha1.AddToScheme, opsv1alpha1.AddToScheme, scheme.AddToScheme} {
		if err := add(s); err != nil {
			return nil, err
		}
	}
	for gvk := range s.AllKnownTypes() {
		if gvk.Kind == kind {
			return s.New(gvk)
		}
		if ours(gvk) {
			known[gvk.Kind] = true
		}
	}
	return nil, fmt.Errorf("fragment: kind %q is not known; ours are %s", kind, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
}

func ours(gvk schema.GroupVersionKind) bool { return strings.HasSuffix(gvk.Group, "vworkspace.io") }
