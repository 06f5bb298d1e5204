// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// ownedPaths are the fields that an entry of managedFields claims, to the leaves. Items of lists are left out: the list they are in is
// claimed by its own path when it is replaced as a whole, and no field of ours is inside another kind of list.
func ownedPaths(entry metav1.ManagedFieldsEntry) ([]path, error) {
	if entry.FieldsV1 == nil {
		return nil, nil
	}
	var fields map[string]any
	if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
		return nil, fmt.Errorf("read the managedFields of %s: %w", entry.Manager, err)
	}
	return fieldPaths(fields, nil), nil
}

func fieldPaths(fields map[string]any, at path) []path {
	var all []path
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		name, ok := strings.CutPrefix(key, "f:")
		if !ok {
			continue
		}
		below, _ := fields[key].(map[string]any)
		if deeper := fieldPaths(below, at.child(name)); len(deeper) > 0 {
			all = append(all, deeper...)
		} else {
			all = append(all, at.child(name))
		}
	}
	return all
}

// ours are the fields that an earlier Upgrade applied to the object, as they are now. An apply that left them out would remove them: an
// upgrade of the values must not take the version away that an upgrade before had set.
func (o *object) ours() ([]leaf, error) {
	var all []leaf
	for _, entry := range o.managed {
		if entry.Manager != opsv1alpha1.FieldManager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" {
			continue
		}
		paths, err := ownedPaths(entry)
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			value, ok := lookup(o.content, p)
			if !ok {
				continue
			}
			if _, isMap := value.(map[string]any); isMap {
				value = map[string]any{} // the object is ours, what others put into it is not
			}
			all = append(all, leaf{path: p, value: value})
		}
	}
	return all, nil
}

// conflict is an *engines.BlockedError when somebody who would change it back owns one of the fields. Equal values are no conflict.
func (o *object) conflict(wanted []leaf) error {
	for _, entry := range o.managed {
		if !changesBack(entry) {
			continue
		}
		paths, err := ownedPaths(entry)
		if err != nil {
			return err
		}
		for _, l := range wanted {
			if l.holds(o.content) || !slices.ContainsFunc(paths, l.path.overlaps) {
				continue
			}
			return &engines.BlockedError{
				Reason: opsv1alpha1.ReasonFieldConflict,
				Message: fmt.Sprintf("%s of %s %s is owned by %s, which would change it back: change it there, or have %s give up the field",
					l.path, o.kind.Kind, o.name, entry.Manager, entry.Manager),
			}
		}
	}
	return nil
}

// changesBack tells whether an owner keeps applying what it owns. Those who wrote once (operation Update: kubectl edit, a console) do not;
// Argo CD does although it writes that way. Open Cluster Management's work agent applies what the hub wants, and the hub takes an
// upgrade's version over before it applies again (annotation apps.vworkspace.io/upgraded-from).
func changesBack(entry metav1.ManagedFieldsEntry) bool {
	switch {
	case entry.Subresource != "", entry.Manager == opsv1alpha1.FieldManager, strings.HasPrefix(entry.Manager, "work-agent"):
		return false
	case strings.HasPrefix(entry.Manager, "argocd"):
		return true
	}
	return entry.Operation == metav1.ManagedFieldsOperationApply
}
