// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
)

// What the API server refuses for a while, as it does while a CRD is being deleted, is tried again soon, though no watch tells when.
func TestRefusedForAWhile(t *testing.T) {
	ns := gatedNamespace(t)
	var refused atomic.Int32
	faults.inject(t, ns, func(verb string, obj client.Object) error {
		if verb != "apply" {
			return nil
		}
		refused.Add(1)
		return apierrors.NewForbidden(helmv2.GroupVersion.WithResource("helmreleases").GroupResource(), obj.GetName(), errors.New("it is terminating"))
	})
	ai := managed(ns, "web")
	create(t, ai)
	isReady(t, ai, metav1.ConditionFalse, appsv1alpha1.ReasonNotApplied)
	if !strings.Contains(ai.Status.ReadyMessage, "it is terminating") {
		t.Errorf("message is %s", ai.Status.ReadyMessage)
	}
	// More often than by what the agent writes itself.
	eventually(t, func() string {
		if n := refused.Load(); n < 7 {
			return fmt.Sprintf("it was tried %d times", n)
		}
		return ""
	})
	faults.heal(ns)
	isReady(t, ai, metav1.ConditionUnknown, appsv1alpha1.ReasonProgressing)
}

// A HelmRelease of the same name that somebody else made is not taken over.
func TestReleaseOfSomebodyElse(t *testing.T) {
	ns := gatedNamespace(t)
	hr := &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}, Spec: helmv2.HelmReleaseSpec{
		Interval: metav1.Duration{Duration: 1e9}, ChartRef: &helmv2.CrossNamespaceSourceReference{Kind: "OCIRepository", Name: "theirs"}}}
	create(t, hr)
	ai := managed(ns, "web")
	create(t, ai)
	isReady(t, ai, metav1.ConditionFalse, appsv1alpha1.ReasonFieldConflict)
	if reload(t, hr); len(hr.OwnerReferences) > 0 || hr.Spec.ChartRef.Name != "theirs" {
		t.Errorf("it was changed: %+v", hr)
	}
	if err := k8s.Delete(t.Context(), ai); err != nil {
		t.Fatal(err)
	}
	gone(t, ai)
	reload(t, hr)
}

// A change that arrives when its HelmRelease is gone does not make it anew, and one that arrives when another has been made does not undo that: what is
// there is looked into first.
func TestLateChange(t *testing.T) {
	for name, meanwhile := range map[string]func(t *testing.T, hr *helmv2.HelmRelease) error{
		"it is gone":     func(t *testing.T, hr *helmv2.HelmRelease) error { return k8s.Delete(t.Context(), hr.DeepCopy()) },
		"it has changed": func(t *testing.T, hr *helmv2.HelmRelease) error { return touch(t, hr.DeepCopy()) },
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			ns := gatedNamespace(t)
			ai := managed(ns, "web")
			create(t, ai)
			hr := helmReleaseOf(t, ai)
			install(t, hr, "1.0.0+0123456789ab")
			isReady(t, ai, metav1.ConditionTrue, appsv1alpha1.ReasonInstalled)
			arrived := faults.late(t, ns, 1, func() error { return meanwhile(t, hr) })
			patch(t, ai, func() { ai.Spec.Values.Inline.Raw = []byte(`{"replicas":9}`) })
			eventually(t, func() string {
				now := &helmv2.HelmRelease{}
				if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(hr), now); err != nil {
					return err.Error()
				}
				if v := now.Spec.Values; v == nil || !strings.Contains(string(v.Raw), `"replicas":9`) {
					return "the release is not as it should be"
				}
				return ""
			})
			if arrived() {
				t.Error("the change that was late was applied")
			}
		})
	}
}
