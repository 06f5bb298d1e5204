// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
	"vworkspace.io/fleet/e2e/testbed"
)

var seed = flag.Uint64("pods.seed", uint64(time.Now().UnixNano()), "what decides which executor dies when")

// executorsDie: Velero, Argo, Flux and VolSync work on all spokes, and their pods are killed at random moments. Every Operation ends, none has a second
// Backup or Workflow begun, and whatever did not survive says so and can be done again.
func executorsDie(t *testing.T) {
	volumesEverywhere(t)
	vaultsEverywhere(t)
	booksEverywhere(t)
	shopsEverywhere(t)
	begun := made(t)
	round := func(n int, version string) map[string]*opsv1alpha1.Operation {
		name := func(what string) string { return fmt.Sprintf("%s-%d", what, n) }
		return map[string]*opsv1alpha1.Operation{
			"ReplicationSource": saveVolumes(name("volumes")), "Backup": saveVaults(name("vaults")),
			"Workflow": book(name("books"), "patience"), "HelmRelease": shops(name("shops"), opsv1alpha1.TypeUpgrade, fmt.Sprintf(`{"targetVersion": %q}`, version)),
		}
	}
	first := round(1, "1.2.0")
	for _, op := range first {
		create(t, fleet.Hub, op)
	}
	backupsBegin(t, begun)
	kill(t, 8)
	for _, kind := range slices.Sorted(maps.Keys(first)) {
		ends(t, first[kind])
		// Argo and VolSync take up what they find. Velero calls a Backup failed that it finds at work when it starts; Flux may find a release half upgraded.
		survived(t, first[kind], kind == "Workflow" || kind == "ReplicationSource")
	}
	for what, n := range made(t) {
		if n -= begun[what]; n != 1 {
			t.Errorf("%d of %s were made, want 1", n, what)
		}
	}
	for _, spoke := range fleet.Spokes {
		for _, namespace := range kindfleet.ExecutorNamespaces() {
			if err := fleet.Ready(t.Context(), spoke, namespace); err != nil {
				t.Fatal(err)
			}
		}
	}
	second := round(2, "1.3.0")
	maps.DeleteFunc(second, func(kind string, _ *opsv1alpha1.Operation) bool {
		return first[kind].Status.Phase == opsv1alpha1.PhaseSucceeded
	})
	for _, op := range second {
		create(t, fleet.Hub, op)
	}
	for _, op := range second {
		succeeds(t, fleet.Hub, op)
	}
}

// backupsBegin waits until every spoke has another Backup than before, and all have begun. What Velero has let out of its queue and not begun when it dies is
// forgotten: see docs/reference/engines/velero.md.
func backupsBegin(t *testing.T, before map[string]int) {
	t.Helper()
	eventually(t, "the Backups to begin", func(ctx context.Context) string {
		for _, spoke := range fleet.Spokes {
			n := 0
			all, err := testbed.Everything(ctx, spoke.Config)
			if err != nil {
				return err.Error()
			}
			for name, o := range all {
				if o.GetKind() != "Backup" {
					continue
				}
				n++
				if started, _, _ := unstructured.NestedString(o.Object, "status", "startTimestamp"); started == "" {
					return name + " has not begun"
				}
			}
			if n == before["Backup on "+spoke.Name] {
				return "there is none on " + spoke.Name
			}
		}
		return ""
	})
}

// survived holds that an Operation has succeeded, or where it need not, that it says on which cluster it failed and why.
func survived(t *testing.T, op *opsv1alpha1.Operation, must bool) {
	t.Helper()
	s := op.Status
	t.Logf("%s: %s/%s: %s %+v", op.Name, s.Phase, s.Reason, s.Message, s.Failures)
	if s.Phase == opsv1alpha1.PhaseSucceeded {
		return
	}
	if must {
		t.Errorf("Operation %s is %s/%s: %s", op.Name, s.Phase, s.Reason, s.Message)
	}
	if len(s.Failures) == 0 {
		t.Errorf("Operation %s does not say where it failed", op.Name)
	}
	for _, f := range s.Failures {
		if f.Message == "" {
			t.Errorf("Operation %s does not say why it failed on %s", op.Name, f.Name)
		}
	}
}

// kill the pods of an executor so many times, one after the other.
func kill(t *testing.T, times int) {
	t.Helper()
	t.Logf("-pods.seed=%d", *seed)
	random := rand.New(rand.NewPCG(*seed, 0))
	namespaces := kindfleet.ExecutorNamespaces()
	for range times {
		select {
		case <-t.Context().Done():
			return
		case <-time.After(time.Second + time.Duration(random.Int64N(int64(5*time.Second)))):
		}
		spoke := fleet.Spokes[random.IntN(len(fleet.Spokes))]
		namespace := namespaces[random.IntN(len(namespaces))]
		var pods corev1.PodList
		k := connect(t, spoke)
		if err := k.List(t.Context(), &pods, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		for i := range pods.Items {
			if err := client.IgnoreNotFound(k.Delete(t.Context(), &pods.Items[i], client.GracePeriodSeconds(0))); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("killed %d pods of %s on %s", len(pods.Items), namespace, spoke.Name)
	}
}

// ends waits until an Operation of the hub has ended, however.
func ends(t *testing.T, op *opsv1alpha1.Operation) {
	t.Helper()
	k := connect(t, fleet.Hub)
	eventually(t, "Operation "+op.Name+" to end", func(ctx context.Context) string {
		if err := k.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return err.Error()
		}
		if s := op.Status; !s.Phase.Terminal() {
			return fmt.Sprintf("it is %s/%s: %s", s.Phase, s.Reason, s.Message)
		}
		return ""
	})
}

// made counts the objects that are made for one run, by kind and spoke.
func made(t *testing.T) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, spoke := range fleet.Spokes {
		for _, o := range everything(t, spoke) {
			if slices.Contains([]string{"Backup", "Workflow"}, o.GetKind()) {
				n[o.GetKind()+" on "+spoke.Name]++
			}
		}
	}
	return n
}
