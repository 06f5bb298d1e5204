// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// What an Operation is expanded into was asked for by whoever asked for that one; by nobody where that is not known.
func TestChildHasTheRequester(t *testing.T) {
	for _, by := range []string{"alice", ""} {
		parent := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "vworkspace-agent", Name: "backup", UID: "7d3b4f1e"}}
		if by != "" {
			parent.Annotations = map[string]string{opsv1alpha1.AnnotationRequestedBy: by, opsv1alpha1.AnnotationRequestedByGroups: "staff"}
		}
		got := child(parent, &appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "web"}}).Annotations
		who, written := got[opsv1alpha1.AnnotationRequestedBy]
		_, groups := got[opsv1alpha1.AnnotationRequestedByGroups]
		if who != by || written != (by != "") || groups {
			t.Errorf("requested by %q: the child says %v", by, got)
		}
	}
}
