// SPDX-License-Identifier: Apache-2.0

// Package bench measures the whole road on the embedded fleet. Nothing here asserts a time: the machines are small and noisy.
package bench

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
)

// samples is how many Operations a latency is measured over, when -benchtime does not say otherwise.
const samples = 20

// BenchmarkLatency measures, on one spoke, how long it takes from the creation of an Operation on the hub until its Job exists on the
// spoke, and from the Job's end until the hub's status says Succeeded. Both use the machine's one clock, at the moment that a watch tells.
func BenchmarkLatency(b *testing.B) {
	d, err := demo.Start(b.Context(), demo.Options{Clusters: 2, Screen: demo.NewScreen(os.Stderr, false)})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := d.Down(); err != nil {
			b.Error(err)
		}
	}()
	spoke, err := client.NewWithWatch(d.Fleet.Spokes[0].Config(), client.Options{Scheme: demo.Scheme()})
	if err != nil {
		b.Fatal(err)
	}
	hub, err := client.NewWithWatch(d.Fleet.Hub.Config(), client.Options{Scheme: demo.Scheme()})
	if err != nil {
		b.Fatal(err)
	}
	old := map[types.UID]bool{}
	for b.Loop() {
		var there, back []time.Duration
		for i := range samples + 1 {
			t, r := roundTrip(b, hub, spoke, old)
			if i == 0 {
				continue // the first one pays for informers and connections
			}
			there, back = append(there, t), append(back, r)
		}
		report(b, "create-to-job", there)
		report(b, "job-end-to-hub", back)
	}
}

func report(b *testing.B, what string, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), what+"-p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Milliseconds()), what+"-p95-ms")
}

// roundTrip runs one command on one instance and returns both latencies.
func roundTrip(b *testing.B, hub, spoke client.WithWatch, old map[types.UID]bool) (there, back time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	jobs, err := spoke.Watch(ctx, &batchv1.JobList{}, client.InNamespace(demo.Namespace))
	if err != nil {
		b.Fatal(err)
	}
	defer jobs.Stop()
	ops, err := hub.Watch(ctx, &opsv1alpha1.OperationList{}, client.InNamespace(demo.Namespace))
	if err != nil {
		b.Fatal(err)
	}
	defer ops.Stop()
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "latency-", Namespace: demo.Namespace},
		Spec: opsv1alpha1.OperationSpec{
			TargetRef:  &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "shop-spoke1-a"},
			Type:       opsv1alpha1.TypeRunCommand,
			Engine:     opsv1alpha1.EngineJob,
			Parameters: &runtime.RawExtension{Raw: []byte(`{"image":"registry.example.com/shop:1.0.0"}`)},
		},
	}
	created := time.Now()
	if err := hub.Create(ctx, op); err != nil {
		b.Fatal(err)
	}
	// The watch replays the Jobs of earlier Operations first.
	var job types.UID
	await(ctx, b, jobs, "the Job", func(e watch.Event) bool {
		job = e.Object.(*batchv1.Job).UID
		return !old[job]
	})
	old[job] = true
	there = time.Since(created)
	await(ctx, b, jobs, "the Job's end", func(e watch.Event) bool {
		j := e.Object.(*batchv1.Job)
		return j.UID == job && j.Status.CompletionTime != nil
	})
	finished := time.Now()
	await(ctx, b, ops, "the hub's status", func(e watch.Event) bool {
		o := e.Object.(*opsv1alpha1.Operation)
		return o.UID == op.UID && o.Status.Phase == opsv1alpha1.PhaseSucceeded
	})
	back = time.Since(finished)
	if err := hub.Delete(ctx, op); err != nil {
		b.Fatal(err)
	}
	return there, back
}

func await(ctx context.Context, b *testing.B, w watch.Interface, what string, ok func(watch.Event) bool) {
	b.Helper()
	for {
		select {
		case e, open := <-w.ResultChan():
			if !open {
				b.Fatalf("the watch for %s ended", what)
			}
			if e.Type != watch.Error && ok(e) {
				return
			}
		case <-ctx.Done():
			b.Fatalf("wait for %s: %v", what, ctx.Err())
		}
	}
}
