// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// rounds are measured each way, in the order A B B A, after one that is not.
	rounds = 20
	// polled is the half of the interval at which the testbed's agents look at what they do not watch, and so what half of all feedback would take.
	polled = time.Second
)

// TestLatency measures how long a work takes to the cluster, and what changes there to the hub. It fails only where feedback comes no faster than by polling.
func TestLatency(t *testing.T) {
	var watches [2]*stopwatch
	for i, w := range ways(t) {
		watches[i] = &stopwatch{way: w}
	}
	for i := range rounds/2 + 1 {
		for j, s := range [4]*stopwatch{watches[0], watches[1], watches[1], watches[0]} {
			s.round(t, fmt.Sprintf("latency-%d-%d", i, j), i > 0)
		}
	}
	for _, s := range watches {
		t.Logf("%-10s to the cluster %s; to the hub %s", s.name, spread(s.there), spread(s.back))
		if m := median(s.back); m >= polled {
			t.Errorf("by %s, half of all feedback takes %s or more: is it polled? Watched fields come in a tenth of that", s.name, m)
		}
	}
}

// stopwatch of one way.
type stopwatch struct {
	way
	there, back []time.Duration
}

// round sends a note and tells of it; counted says whether the times are kept.
func (s *stopwatch) round(t *testing.T, name string, counted bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	onSpoke, err := s.spoke.Watch(ctx, &corev1.ConfigMapList{}, client.InNamespace(metav1.NamespaceDefault), client.MatchingFields{"metadata.name": name})
	if err != nil {
		t.Fatal(err)
	}
	defer onSpoke.Stop()
	onHub, err := s.hub.Watch(ctx, &workv1.ManifestWorkList{}, client.InNamespace(s.cluster.Name), client.MatchingFields{"metadata.name": name})
	if err != nil {
		t.Fatal(err)
	}
	defer onHub.Stop()

	begun := time.Now()
	s.create(t, name, foreground)
	await(ctx, t, onSpoke, func(watch.Event) bool { return true })
	there := time.Since(begun)
	await(ctx, t, onHub, func(e watch.Event) bool { // what was applied, and that it has no phase yet
		work, ok := e.Object.(*workv1.ManifestWork)
		return ok && len(work.Status.ResourceStatus.Manifests) > 0 && len(work.Status.ResourceStatus.Manifests[0].Conditions) > 2
	})
	begun = time.Now()
	s.tell(t, name, "Running")
	await(ctx, t, onHub, func(e watch.Event) bool {
		work, ok := e.Object.(*workv1.ManifestWork)
		return ok && phaseOf(work) == "Running"
	})
	back := time.Since(begun)
	if counted {
		s.there, s.back = append(s.there, there), append(s.back, back)
	}
}

// await an event.
func await(ctx context.Context, t *testing.T, w watch.Interface, ok func(watch.Event) bool) {
	t.Helper()
	for {
		select {
		case e, open := <-w.ResultChan():
			if !open || e.Type == watch.Error {
				t.Fatalf("the watch ended: %+v", e.Object)
			}
			if ok(e) {
				return
			}
		case <-ctx.Done():
			t.Fatal("nothing came:", context.Cause(ctx))
		}
	}
}

func median(all []time.Duration) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

func spread(all []time.Duration) string {
	all = slices.Sorted(slices.Values(all))
	return fmt.Sprintf("%s (p50 of %d), %s to %s", median(all).Round(time.Millisecond), len(all),
		all[0].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond))
}
