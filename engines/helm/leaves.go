// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"maps"
	"slices"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// path to a field, one element a level. Keys may hold dots, so it is not a string.
type path []string

func (p path) child(key string) path { return append(slices.Clip(p), key) }

func (p path) String() string { return strings.Join(p, ".") }

// overlaps tells whether one path leads to or through the other.
func (p path) overlaps(q path) bool {
	n := min(len(p), len(q))
	return slices.Equal(p[:n], q[:n])
}

// leaf is a value at a path. Objects are walked through, unless they are empty; lists are leaves, because they are replaced as a whole.
type leaf struct {
	path  path
	value any
}

// leaves of value below at, in the order of their paths.
func leaves(value any, at path) []leaf {
	object, ok := value.(map[string]any)
	if !ok || len(object) == 0 {
		return []leaf{{path: at, value: value}}
	}
	var all []leaf
	for _, key := range slices.Sorted(maps.Keys(object)) {
		all = append(all, leaves(object[key], at.child(key))...)
	}
	return all
}

// holds tells whether the object has that value there already. An empty object is held by any object.
func (l leaf) holds(object map[string]any) bool {
	got, ok := lookup(object, l.path)
	if !ok {
		return false
	}
	if want, isMap := l.value.(map[string]any); isMap && len(want) == 0 {
		_, ok := got.(map[string]any)
		return ok
	}
	return apiequality.Semantic.DeepEqual(normal(got), normal(l.value))
}

// set puts the value into object, over whatever was in the way.
func (l leaf) set(object map[string]any) {
	for _, key := range l.path[:len(l.path)-1] {
		next, ok := object[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			object[key] = next
		}
		object = next
	}
	object[l.path[len(l.path)-1]] = runtime.DeepCopyJSONValue(l.value)
}

// lookup finds the value at a path.
func lookup(object map[string]any, p path) (any, bool) {
	value, ok, err := unstructured.NestedFieldNoCopy(object, p...)
	return value, ok && err == nil
}

// normal makes numbers comparable: 2 and 2.0 are one value to a chart, and which Go type it is depends on who decoded it.
func normal(value any) any {
	switch v := value.(type) {
	case int64:
		return float64(v)
	case map[string]any:
		m := make(map[string]any, len(v))
		for key := range v {
			m[key] = normal(v[key])
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i := range v {
			l[i] = normal(v[i])
		}
		return l
	default:
		return value
	}
}
