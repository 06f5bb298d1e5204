// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/testbed"
)

// Latency is how long a word takes on the whole road: a real hub, Open Cluster Management's agents, a spoke with a real Job controller and simulated pods.
// Times are in seconds and in order.
type Latency struct {
	// There is from the creation of an Operation on the hub to its Job on the spoke.
	There []float64 `json:"createToJobSeconds"`
	// Watch is from the Job's end to the hub's word that the Operation has succeeded, with feedback that the work agent watches, as every Operation has it.
	Watch []float64 `json:"jobEndToHubByWatchSeconds"`
	// WorkByWatch and WorkByPoll are from the Job's end to the ManifestWork that says so: the transport without the hub. Works that are polled are looked at
	// again after Interval, and by Open Cluster Management's jitter up to nine tenths of it later.
	WorkByWatch []float64 `json:"jobEndToWorkByWatchSeconds"`
	WorkByPoll  []float64 `json:"jobEndToWorkByPollSeconds"`
	Interval    float64   `json:"pollIntervalSeconds"`
	// Agent of a spoke where nothing was asked for.
	Agent Agent `json:"idleAgent"`
}

// String is the scenario as a table.
func (l Latency) String() string {
	var b strings.Builder
	b.WriteString("The whole road, with a real spoke.\n\n| what | p50 | p95 | most | times |\n|---|---|---|---|---|\n")
	for _, row := range []struct {
		what  string
		times []float64
	}{
		{"created on the hub to Job on the spoke", l.There},
		{"Job's end to the hub's word, feedback by watch", l.Watch},
		{"Job's end to the ManifestWork that says so, feedback by watch", l.WorkByWatch},
		{fmt.Sprintf("the same, feedback by poll every %.1f to %.1f s", l.Interval, 1.9*l.Interval), l.WorkByPoll},
	} {
		fmt.Fprintf(&b, "| %s | %.2f s | %.2f s | %.2f s | %d |\n", row.what, at(row.times, 0.5), at(row.times, 0.95), at(row.times, 1), len(row.times))
	}
	b.WriteString("\n" + l.Agent.String())
	return b.String()
}

// road is a fleet with one Operation after the other on it.
type road struct {
	hub, spoke    client.WithWatch
	cluster, shop string             // an instance of it, on which commands are run
	old           map[types.UID]bool // Jobs of Operations before
}

// MeasureLatency runs an Operation on one spoke so many times, and then, for each kind of feedback, so many on another one whose ManifestWorks it makes
// itself. The agent of a third is left alone.
func MeasureLatency(ctx context.Context, say io.Writer, times, deliveries int) (l Latency, err error) {
	d, err := demo.Start(ctx, demo.Options{Clusters: demo.MinClusters, Screen: demo.NewScreen(say, false)})
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, d.Down()) }()
	r, err := to(d, 0)
	if err != nil {
		return l, err
	}
	_, _, model, err := r.trip(ctx) // the first pays for informers and connections
	if err != nil {
		return l, err
	}
	for range times {
		there, back, _, err := r.trip(ctx)
		if err != nil {
			return l, err
		}
		l.There, l.Watch = append(l.There, there.Seconds()), append(l.Watch, back.Seconds())
	}
	slices.Sort(l.There)
	slices.Sort(l.Watch)
	if r, err = to(d, 1); err != nil {
		return l, err
	}
	l.Interval = testbed.StatusSyncInterval.Seconds()
	if l.WorkByPoll, l.WorkByWatch, err = r.byFeedback(ctx, model, deliveries); err != nil {
		return l, err
	}
	idle := d.Fleet.Spokes[len(d.Fleet.Spokes)-1].Name
	l.Agent, err = MeasureAgent(ctx, d.Installed.Agents[idle].PID(), quiet)
	return l, err
}

// to one of the spokes of a demo.
func to(d *demo.Demo, spoke int) (*road, error) {
	cluster := d.Fleet.Spokes[spoke]
	r := &road{cluster: cluster.Name, shop: fmt.Sprintf("shop-%s-a", cluster.Name), old: map[types.UID]bool{}}
	var err error
	if r.spoke, err = client.NewWithWatch(cluster.Config(), client.Options{Scheme: demo.Scheme()}); err != nil {
		return nil, err
	}
	r.hub, err = client.NewWithWatch(d.Fleet.Hub.Config(), client.Options{Scheme: demo.Scheme()})
	return r, err
}

// trip runs one command on one instance and returns both latencies, and the ManifestWork that the hub has made for it.
func (r *road) trip(ctx context.Context) (there, back time.Duration, work *workv1.ManifestWork, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	ops, err := r.hub.Watch(ctx, &opsv1alpha1.OperationList{}, client.InNamespace(demo.Namespace))
	if err != nil {
		return 0, 0, nil, err
	}
	defer ops.Stop()
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "latency-", Namespace: demo.Namespace},
		Spec: opsv1alpha1.OperationSpec{
			TargetRef:  &opsv1alpha1.TargetRef{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance", Name: r.shop},
			Type:       opsv1alpha1.TypeRunCommand,
			Engine:     opsv1alpha1.EngineJob,
			Parameters: &runtime.RawExtension{Raw: []byte(`{"image":"shop.example/shop:1.0.0"}`)},
		},
	}
	there, back, err = r.follow(ctx, op, func() error {
		return await(ctx, ops, "the hub's status", func(e watch.Event) bool {
			o, ok := e.Object.(*opsv1alpha1.Operation)
			return ok && o.UID == op.UID && o.Status.Phase == opsv1alpha1.PhaseSucceeded
		})
	})
	if err == nil {
		work, err = r.workOf(ctx, op)
	}
	return there, back, work, errors.Join(err, client.IgnoreNotFound(r.hub.Delete(ctx, op)))
}

// workOf an Operation on one cluster.
func (r *road) workOf(ctx context.Context, op *opsv1alpha1.Operation) (*workv1.ManifestWork, error) {
	list := &workv1.ManifestWorkList{}
	if err := r.hub.List(ctx, list, client.InNamespace(r.cluster), client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)}); err != nil {
		return nil, err
	}
	if len(list.Items) != 1 {
		return nil, fmt.Errorf("%d ManifestWorks of Operation %s, not one", len(list.Items), op.Name)
	}
	return &list.Items[0], nil
}

// follow what is created on the hub to its Job on the spoke, and from the Job's end to where it is told. All come to know by watches, and are measured by
// the machine's one clock.
func (r *road) follow(ctx context.Context, o client.Object, told func() error) (there, back time.Duration, err error) {
	jobs, err := r.spoke.Watch(ctx, &batchv1.JobList{}, client.InNamespace(demo.Namespace))
	if err != nil {
		return 0, 0, err
	}
	defer jobs.Stop()
	created := time.Now()
	if err := r.hub.Create(ctx, o); err != nil {
		return 0, 0, err
	}
	// The watch tells of the Jobs of earlier Operations first.
	var job types.UID
	err = await(ctx, jobs, "the Job", func(e watch.Event) bool {
		j, ok := e.Object.(*batchv1.Job)
		if ok {
			job = j.UID
		}
		return ok && !r.old[job]
	})
	if err != nil {
		return 0, 0, err
	}
	r.old[job] = true
	there = time.Since(created)
	err = await(ctx, jobs, "the Job's end", func(e watch.Event) bool {
		j, ok := e.Object.(*batchv1.Job)
		return ok && j.UID == job && j.Status.CompletionTime != nil
	})
	if err != nil {
		return 0, 0, err
	}
	ended := time.Now()
	err = told()
	return there, time.Since(ended), err
}

// await an event.
func await(ctx context.Context, w watch.Interface, what string, ok func(watch.Event) bool) error {
	for {
		select {
		case e, open := <-w.ResultChan():
			if !open {
				return fmt.Errorf("the watch for %s ended", what)
			}
			if ok(e) {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		}
	}
}
