// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// annotationTouched is changed to have OCM's gRPC server send a work anew.
const annotationTouched = "ops.vworkspace.io/test-touched"

// TestLostChanges: what agents lose of changes that come while they report, and that it comes after all once the work is touched. An agent that comes by the
// API server loses none. One that comes by gRPC loses some, by a race of its own (github.com/open-cluster-management-io/sdk-go issue 232): how many is
// logged, for docs/concepts/beyond-one-hub.md.
func TestLostChanges(t *testing.T) {
	if !*long {
		t.Skip("SKIPPED: it takes some minutes; say -transport.long")
	}
	both(t, func(t *testing.T, w way) {
		const n = 150
		works, round := make([]*workv1.ManifestWork, n), time.Now().Unix()
		for i := range works {
			works[i] = w.create(t, fmt.Sprintf("lost-%d-%d", round, i), orphan)
		}
		for _, mw := range works {
			w.there(t, mw.Name, "1")
		}
		w.settle(t, works[n-1])
		w.changeWhileTold(t, works)
		lost := w.behind(t, works)
		t.Logf("%d of %d changes were lost", len(lost), n)
		if w.name == byAPIServer && len(lost) > 0 {
			t.Errorf("by the API server nothing may be lost, and %d changes were", len(lost))
		}
		for _, mw := range lost {
			w.tell(t, mw.Name, "Succeeded")
		}
		if deaf := w.behind(t, lost); len(deaf) > 0 {
			heard := 0
			for _, mw := range deaf {
				if phaseOf(mw) == "Succeeded" {
					heard++
				}
			}
			t.Logf("of %d that are behind, the hub has heard the end of %d", len(deaf), heard)
		}
		for _, mw := range lost {
			w.touch(t, mw)
		}
	})
}

// changeWhileTold changes what each work brings as soon as the hub has heard something of it: the agent is about to note that it has told.
func (w way) changeWhileTold(t *testing.T, works []*workv1.ManifestWork) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	events, err := w.hub.Watch(ctx, &workv1.ManifestWorkList{}, client.InNamespace(w.cluster.Name))
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	for i, mw := range works {
		w.tell(t, mw.Name, "Running")
		await(ctx, t, events, func(e watch.Event) bool {
			heard, ok := e.Object.(*workv1.ManifestWork)
			if !ok || heard.Name != mw.Name || phaseOf(heard) != "Running" {
				return false
			}
			works[i] = heard
			return true
		})
		w.resend(t, works[i], "2")
	}
}

// touch a work, again and again, until what it brings is on the cluster, and what the cluster told has been heard.
func (w way) touch(t *testing.T, mw *workv1.ManifestWork) {
	t.Helper()
	touches, next := 0, time.Now()
	eventually(t, "what "+mw.Name+" brings, and its end", func(ctx context.Context) (bool, string) {
		if err := w.hub.Get(ctx, client.ObjectKeyFromObject(mw), mw); err != nil {
			return false, err.Error()
		}
		cm := &corev1.ConfigMap{}
		if err := w.spoke.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: mw.Name}, cm); err != nil {
			return false, err.Error()
		}
		if cm.Data["sent"] == "2" && phaseOf(mw) == "Succeeded" {
			return true, ""
		}
		if time.Now().After(next) {
			touches, next = touches+1, time.Now().Add(5*time.Second)
			change := client.MergeFrom(mw.DeepCopy())
			mw.Annotations = map[string]string{annotationTouched: strconv.Itoa(touches)}
			if err := w.hub.Patch(ctx, mw, change); err != nil {
				return false, err.Error()
			}
		}
		return false, fmt.Sprintf("%v, %q", cm.Data, phaseOf(mw))
	})
	t.Logf("%s was touched %d times", mw.Name, touches)
}

// behind are the works whose agents have not applied what they bring now, after long enough.
func (w way) behind(t *testing.T, works []*workv1.ManifestWork) (behind []*workv1.ManifestWork) {
	t.Helper()
	enough := time.Now().Add(10 * time.Second)
	eventually(t, "the agent to apply all, or time to pass", func(ctx context.Context) (bool, string) {
		behind = nil
		for _, mw := range works {
			if err := w.hub.Get(ctx, client.ObjectKeyFromObject(mw), mw); err != nil {
				return false, err.Error()
			}
			if c := meta.FindStatusCondition(mw.Status.Conditions, workv1.WorkApplied); c == nil || c.ObservedGeneration != mw.Generation {
				behind = append(behind, mw)
			}
		}
		return len(behind) == 0 || time.Now().After(enough), ""
	})
	return behind
}
