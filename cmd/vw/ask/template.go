// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"slices"
	"strings"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Candidates are the templates of a type that a namespace may use, of an engine when one is named, and for the engines that the instances advertise, as far as
// they are known and say the same. They are in the order of their names.
func Candidates(all []opsv1alpha1.OperationTemplate, namespace string, t opsv1alpha1.OperationType, engine opsv1alpha1.OperationEngine,
	instances []appsv1alpha1.ApplicationInstance,
) []opsv1alpha1.OperationTemplate {
	if engine == "" {
		engine = advertised(t, instances)
	}
	var found []opsv1alpha1.OperationTemplate
	for _, template := range all {
		spec := &template.Spec
		if spec.Type == t && (engine == "" || spec.Engine == engine) && (len(spec.AllowedNamespaces) == 0 || slices.Contains(spec.AllowedNamespaces, namespace)) {
			found = append(found, template)
		}
	}
	slices.SortFunc(found, func(a, b opsv1alpha1.OperationTemplate) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// advertised is the engine that all instances advertise for a type; empty when they differ, or one leaves it to its chart.
func advertised(t opsv1alpha1.OperationType, instances []appsv1alpha1.ApplicationInstance) opsv1alpha1.OperationEngine {
	var one opsv1alpha1.OperationEngine
	for i := range instances {
		engine := opsv1alpha1.OperationEngine(instances[i].Annotations[t.Capability()])
		if engine == "" || instances[i].ChartMayAdvertise() || one != "" && engine != one {
			return ""
		}
		one = engine
	}
	return one
}

// Names of templates.
func Names(templates []opsv1alpha1.OperationTemplate) []string {
	names := make([]string, len(templates))
	for i := range templates {
		names[i] = templates[i].Name
	}
	return names
}
