// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/hub/odoo/wire"
	"vworkspace.io/fleet/placement"
)

const (
	benchClusters = 10_000
	// answers is how long the played Odoo takes for an answer.
	answers = 200 * time.Millisecond
	// lasts is how long the clusters take to finish, one after the other.
	lasts = time.Minute
)

// BenchmarkTenThousandClusters: the clusters of one Operation finish within a minute, and the hub stores their results as it does (a chunk when it is complete, or every
// ten seconds). It measures how long after the end Odoo, which takes 200 ms for each answer, has heard of the end and of every cluster; how many events a second it heard
// when they were all there at once; and the floor, which is the same events by the client alone. Memory is that of the process, without what the fake Odoo keeps.
func BenchmarkTenThousandClusters(b *testing.B) {
	for _, c := range []struct {
		name string
		over time.Duration
	}{{"within a minute", lasts}, {"at once", 0}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				tenThousand(b, c.over)
			}
		})
	}
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			floor(b)
		}
	})
}

func tenThousand(b *testing.B, over time.Duration) {
	bed := connected(b)
	bed.eventually("the ControlPlane to be connected", func() string {
		if cp := bed.readControlPlane(bed.id); cp.Status.LastContact == nil {
			return "it has not answered"
		}
		return ""
	})
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: bed.id, Name: "everywhere", Finalizers: []string{opsv1alpha1.ReportFinalizer}},
		Spec: opsv1alpha1.OperationSpec{
			Type: opsv1alpha1.TypeBackup, Engine: opsv1alpha1.EngineVelero,
			Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}, Selector: &opsv1alpha1.InstanceSelector{},
		},
	}
	bed.must(api.Create(bed.ctx, op))
	bed.fake.SetFaults(func(controlplane.Request) *controlplane.Fault { return &controlplane.Fault{AnswerLatency: answers} })
	before := heapInUse()
	f := &finishing{bed: bed, op: op, kept: map[int]int{}}
	f.status(func(now time.Time) { op.Transition(now).Run("RollingOut", "planned for 10000 clusters") })
	begun := time.Now()
	hubWrites := time.NewTicker(time.Second) // the status, at most so often
	defer hubWrites.Stop()
	for done := 0; done < benchClusters; {
		if over > 0 {
			<-hubWrites.C
		}
		if done = benchClusters; over > 0 {
			done = min(benchClusters, int(time.Since(begun)*benchClusters/over))
		}
		f.keep(done, done == benchClusters)
	}
	f.status(func(now time.Time) { op.Transition(now).Succeed("AllSucceeded", "10000 of 10000 clusters succeeded") })
	ended := time.Now()
	during := heapInUse()
	bed.must(bed.fake.Wait(bed.ctx, func() bool { return bed.fake.EventCount() >= benchClusters+2 }))
	took := time.Since(ended)
	b.ReportMetric(took.Seconds(), "s-after-end")
	if over == 0 {
		b.ReportMetric(benchClusters/time.Since(begun).Seconds(), "events/s")
	}
	b.ReportMetric(float64(int64(during)-int64(before))/(1<<20), "MiB")
	b.ReportMetric(float64(bed.fake.Duplicates()), "duplicates")
}

// floor tells the same events by the client alone, batch after batch.
func floor(b *testing.B) {
	fake := controlplane.Start(controlplane.Options{})
	defer fake.Close()
	fake.SetFaults(func(controlplane.Request) *controlplane.Fault { return &controlplane.Fault{AnswerLatency: answers} })
	client, err := wire.NewClient(wire.Options{Endpoint: fake.URL(), ClusterID: "fleet-1", Token: fake.Token("fleet-1")})
	if err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	for i := 0; i < benchClusters; i += wire.MaxEvents {
		batch := make([]wire.Event, wire.MaxEvents)
		for n := range batch {
			batch[n] = wire.Event{
				EventKey: fmt.Sprintf("result/8c9e5a3d-2e9c-4c8a-9c0a-1e3a4b5c6d7e/%s/0", clusterName(i+n)), Kind: wire.EventClusterResult, Cluster: clusterName(i + n),
				ResourceRef: wire.Ref{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "Operation", Namespace: "team", Name: "everywhere"}, Timestamp: begun,
				Conditions: []metav1.Condition{{Type: "Succeeded", Status: metav1.ConditionTrue, Reason: "AllSucceeded"}},
			}
		}
		if err := client.Events(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(benchClusters/time.Since(begun).Seconds(), "events/s")
}

// finishing writes what the hub does while the clusters of an Operation finish.
type finishing struct {
	*bed
	op   *opsv1alpha1.Operation
	kept map[int]int // results, by chunk
	last time.Time   // when chunks that are not complete were stored
}

// keep the results of so many clusters, and write the status.
func (f *finishing) keep(done int, all bool) {
	due := all || time.Since(f.last) >= 10*time.Second
	for i := range placement.Chunks(benchClusters) {
		n := min(placement.ChunkSize, max(0, done-i*placement.ChunkSize))
		if n == f.kept[i] || n < placement.ChunkSize && !due {
			continue
		}
		f.store(i, n)
	}
	if due {
		f.last = time.Now()
	}
	f.status(func(time.Time) {
		f.op.Status.Summary.Clusters.Succeeded = int32(done)
		f.op.Status.Summary.Clusters.Running = int32(benchClusters - done)
	})
}

func (f *finishing) store(i, n int) {
	results := make([]placement.ClusterResult, n)
	for r := range results {
		results[r] = placement.ClusterResult{
			Cluster: clusterName(i*placement.ChunkSize + r), State: placement.Succeeded, Reason: "AllSucceeded", FinishedAt: placement.At(time.Now()),
		}
	}
	data, err := placement.EncodeResults(results)
	f.must(err)
	chunk := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: f.op.Namespace, Name: hub.ResultName(f.op) + "-" + strconv.Itoa(i), Labels: map[string]string{opsv1alpha1.LabelOperation: string(f.op.UID)},
		},
		BinaryData: map[string][]byte{"data.json.gz": data},
	}
	if f.kept[i] == 0 {
		f.must(api.Create(f.ctx, chunk))
	} else {
		f.must(api.Update(f.ctx, chunk))
	}
	f.kept[i] = n
}

func (f *finishing) status(change func(now time.Time)) {
	before := f.op.DeepCopy()
	s := &f.op.Status
	if s.Plan == nil {
		s.Plan = &opsv1alpha1.PlanStatus{Name: "plan", Chunks: int32(placement.Chunks(benchClusters)), Clusters: benchClusters}
		s.Summary = &opsv1alpha1.Summary{Clusters: &opsv1alpha1.Counts{Total: benchClusters, Running: benchClusters}}
	}
	change(time.Now())
	f.must(api.Status().Patch(f.ctx, f.op, client.MergeFrom(before)))
}

func clusterName(i int) string { return fmt.Sprintf("cluster-%05d", i) }

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
