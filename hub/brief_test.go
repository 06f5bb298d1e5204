// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestBriefly: a write whose answer nobody wants is stored in full, and answered by metadata alone; what went wrong with it is told as ever. Without the
// wish, and with a configuration that Brief has not seen, the answer is the object.
func TestBriefly(t *testing.T) {
	f := newBareFleet(t, 1)
	plain, err := client.New(apiConfig, client.Options{Scheme: NewScheme()})
	f.must(err)
	config := rest.CopyConfig(apiConfig)
	Brief(config)
	brief, err := client.New(config, client.Options{Scheme: NewScheme()})
	f.must(err)
	work := func(name string) *workv1.ManifestWork {
		w := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: f.clusters[0], Name: name}}
		w.Spec.DeleteOption = &workv1.DeleteOption{PropagationPolicy: workv1.DeletePropagationPolicyTypeOrphan}
		return w
	}

	short := work("short")
	f.must(brief.Create(briefly(f.ctx), short))
	if short.UID != "" {
		t.Error("the whole object was in the answer")
	}
	stored := &workv1.ManifestWork{}
	f.must(api.Get(f.ctx, client.ObjectKeyFromObject(work("short")), stored))
	if stored.Spec.DeleteOption == nil {
		t.Errorf("what is stored is not what was sent: %+v", stored.Spec)
	}
	if err := brief.Create(briefly(f.ctx), work("short")); !apierrors.IsAlreadyExists(err) {
		t.Errorf("a second one: %v, want that it exists", err)
	}

	for name, c := range map[string]client.Client{"full": brief, "unaware": plain} {
		ctx := f.ctx
		if name == "unaware" {
			ctx = briefly(ctx)
		}
		w := work(name)
		f.must(c.Create(ctx, w))
		if w.UID == "" {
			t.Errorf("%s: the answer is not the object", name)
		}
	}
}
