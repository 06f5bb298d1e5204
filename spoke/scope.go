// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// scope is where and what a selector may pick.
type scope struct {
	selector *opsv1alpha1.InstanceSelector
	labels   labels.Selector
	// namespaces to look in; empty for every open one, which only an Operation in the agent's own namespace may.
	namespaces []string
	// explicit: the selector names these namespaces, or they are the Operation's own, so one that is not open is an error.
	explicit bool
}

// newScope says what op may select, or what is wrong with the request: the field, and the fix.
func newScope(op *opsv1alpha1.Operation, agentNamespace string) (s scope, wrong string) {
	s = scope{selector: op.Spec.Selector, labels: labels.Everything(), namespaces: op.Spec.Selector.Namespaces, explicit: true}
	if sel := op.Spec.Selector.LabelSelector; sel != nil {
		var err error
		if s.labels, err = metav1.LabelSelectorAsSelector(sel); err != nil {
			return s, "spec.selector.labelSelector: " + err.Error()
		}
	}
	if op.Namespace == agentNamespace {
		s.explicit = len(s.namespaces) > 0
		return s, ""
	}
	for _, ns := range s.namespaces {
		if ns != op.Namespace {
			return s, fmt.Sprintf("spec.selector.namespaces: an Operation in namespace %s selects only there, not in %s; create it in the agent's namespace %s to select across namespaces",
				op.Namespace, ns, agentNamespace)
		}
	}
	s.namespaces = []string{op.Namespace}
	return s, ""
}

// closed says that a namespace which must be looked in is not open, if there is one that is not. open holds every namespace that exists. One
// that does not exist holds nothing that could match, and is no mistake: a fleet Operation names its namespace to clusters that have never
// heard of the application.
func (s scope) closed(open map[string]bool) *blocker {
	if !s.explicit {
		return nil
	}
	var names []string
	for _, ns := range s.namespaces {
		if gated, exists := open[ns]; exists && !gated {
			names = append(names, ns)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return blocked(opsv1alpha1.ReasonNamespaceNotGated, "namespace %s is not open to vWorkspace: label it %s=%s",
		strings.Join(names, ", "), appsv1alpha1.LabelNamespaceGate, appsv1alpha1.NamespaceGated)
}

// pick returns what matches, in an order that does not depend on the cache.
func (s scope) pick(instances []appsv1alpha1.ApplicationInstance, open map[string]bool) []appsv1alpha1.ApplicationInstance {
	var picked []appsv1alpha1.ApplicationInstance
	for _, ai := range instances {
		if s.matches(&ai, open) {
			picked = append(picked, ai)
		}
	}
	slices.SortFunc(picked, func(a, b appsv1alpha1.ApplicationInstance) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return picked
}

// reaches tells whether an instance is one that may be picked, whatever its labels are by now.
func (s scope) reaches(name types.NamespacedName) bool {
	return (len(s.namespaces) == 0 || slices.Contains(s.namespaces, name.Namespace)) &&
		(len(s.selector.Names) == 0 || slices.Contains(s.selector.Names, name.Name))
}

func (s scope) matches(ai *appsv1alpha1.ApplicationInstance, open map[string]bool) bool {
	return open[ai.Namespace] &&
		ai.DeletionTimestamp.IsZero() &&
		s.reaches(client.ObjectKeyFromObject(ai)) &&
		s.labels.Matches(labels.Set(ai.Labels))
}
