// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"testing"
	"time"

	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	orphan     = workv1.DeletePropagationPolicyTypeOrphan
	foreground = workv1.DeletePropagationPolicyTypeForeground
	// quiet is much longer than an agent takes between two of its controllers' reports.
	quiet = 300 * time.Millisecond
)

// resend what a work brings.
func (w way) resend(t *testing.T, mw *workv1.ManifestWork, sent string) {
	t.Helper()
	change := client.MergeFrom(mw.DeepCopy())
	mw.Spec.Workload.Manifests = work(mw.Namespace, mw.Name, sent, orphan).Spec.Workload.Manifests
	if err := w.hub.Patch(t.Context(), mw, change); err != nil {
		t.Fatalf("change ManifestWork %s: %v", mw.Name, err)
	}
}

// remove a work. Of one whose status has just changed, an agent that comes by gRPC may lose the deletion for as long as it stays connected
// (github.com/open-cluster-management-io/sdk-go issue 232, and docs/concepts/beyond-one-hub.md): settle it first.
func (w way) remove(t *testing.T, mw *workv1.ManifestWork) {
	t.Helper()
	if err := w.hub.Delete(t.Context(), mw); err != nil {
		t.Fatalf("delete ManifestWork %s: %v", mw.Name, err)
	}
}

// settle waits until nothing has been said of some works for quiet.
func (w way) settle(t *testing.T, works ...*workv1.ManifestWork) {
	t.Helper()
	for _, mw := range works {
		since, last := time.Now(), ""
		eventually(t, "nothing new of "+mw.Name, func(ctx context.Context) (bool, string) {
			if err := w.hub.Get(ctx, client.ObjectKeyFromObject(mw), mw); err != nil {
				return false, err.Error()
			}
			if mw.ResourceVersion != last {
				since, last = time.Now(), mw.ResourceVersion
			}
			return time.Since(since) > quiet, last
		})
	}
}

// TestDelivery: what is created, changed and deleted on the hub, with both propagations.
func TestDelivery(t *testing.T) {
	both(t, func(t *testing.T, w way) {
		goes, stays := w.create(t, "goes", foreground), w.create(t, "stays", orphan)
		w.there(t, "goes", "1")
		w.there(t, "stays", "1")
		w.resend(t, goes, "2")
		w.there(t, "goes", "2")
		w.tell(t, "stays", "Running")
		w.told(t, "stays", "Running")
		w.settle(t, goes, stays)
		w.remove(t, goes)
		w.remove(t, stays)
		gone(t, w.hub, goes)
		gone(t, w.hub, stays)
		gone(t, w.spoke, note("goes", ""))
		w.there(t, "stays", "1") // orphaned
	})
}

// TestEndsGone: what happens while the hub's end of the transport, or the cluster's, is gone arrives when it is back, in both directions.
func TestEndsGone(t *testing.T) {
	both(t, func(t *testing.T, w way) {
		server := "hub-ocm-grpc"
		if w.name == byAPIServer {
			server = "hub-kube-apiserver"
		}
		for _, end := range []string{w.cluster.Name + "-klusterlet", server} {
			t.Run(end, func(t *testing.T) { w.withoutEnd(t, end) })
		}
	})
}

// withoutEnd changes everything while a process is gone; where it is the hub itself, only the cluster can.
func (w way) withoutEnd(t *testing.T, name string) {
	end, isHub := fleet.Process(name), name == "hub-kube-apiserver"
	changed, removed := w.create(t, "changed-"+name, foreground), w.create(t, "removed-"+name, foreground)
	w.there(t, changed.Name, "1")
	w.there(t, removed.Name, "1")
	w.tell(t, changed.Name, "Running")
	w.told(t, changed.Name, "Running")
	w.settle(t, changed, removed)
	if err := end.Kill(); err != nil {
		t.Fatal(err)
	}
	w.tell(t, changed.Name, "Succeeded")
	if !isHub {
		w.create(t, "made-"+name, foreground)
		if err := w.hub.Get(t.Context(), client.ObjectKeyFromObject(changed), changed); err != nil {
			t.Fatal(err)
		}
		w.resend(t, changed, "2")
		w.remove(t, removed)
	}
	if err := end.Restart(); err != nil {
		t.Fatal(err)
	}
	w.told(t, changed.Name, "Succeeded")
	if !isHub {
		w.there(t, "made-"+name, "1")
		w.there(t, changed.Name, "2")
		gone(t, w.spoke, note(removed.Name, ""))
		gone(t, w.hub, removed)
	}
}
