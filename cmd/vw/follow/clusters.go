// SPDX-License-Identifier: Apache-2.0

package follow

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/placement"
)

// reread the kept results no sooner than that after the last time.
const reread = 2 * time.Second

// workStream brings the ManifestWorks of the run.
func (f *Follower) workStream(op *opsv1alpha1.Operation) *stream {
	works := &workStream{client: f.works, uid: op.UID, page: f.page}
	return &stream{list: works.list, watch: works.watch, event: func(e watch.Event) {
		w, is := e.Object.(*work)
		if !is {
			return
		}
		if e.Type == watch.Deleted { // what it said stays said
			f.mu.Lock()
			defer f.mu.Unlock()
			delete(f.told, types.NamespacedName{Namespace: w.Metadata.Namespace, Name: w.Metadata.Name})
			return
		}
		f.page([]work{*w}, false)
	}}
}

// page of ManifestWorks is taken in; the first of a list begins anew.
func (f *Follower) page(works []work, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if first {
		clear(f.told)
	}
	for i := range works {
		full := works[i].manifestWork()
		f.told[types.NamespacedName{Namespace: full.Namespace, Name: full.Name}] = full
		if f.view != nil {
			f.view.Observe(full)
		}
	}
	f.note()
}

// keepRead the plan and the kept results. They are read when the Operation says that there is more in them than was read, and no oftener than need be: what the
// clusters say is in their ManifestWorks, and only what the hub itself came to is here alone.
func (f *Follower) keepRead(ctx context.Context) {
	look := time.NewTicker(reread / 4)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.stale:
		case <-look.C:
		}
		if op := f.outdated(); op != nil {
			f.readView(ctx, op)
		}
	}
}

// outdated returns the Operation when what was read of its plan and results is not all that it speaks of.
func (f *Follower) outdated() *opsv1alpha1.Operation {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := readingOf(f.op, f.now())
	old := f.read
	switch {
	case !now.planned, f.view != nil && now.version == old.version:
		return nil
	case f.view == nil && now.version == old.version && now.at.Sub(old.at) < reread: // it could not be read
		return nil
	case now.planned != old.planned, now.chunks != old.chunks, now.attempt != old.attempt, now.final != old.final, f.view == nil:
		return f.op
	case now.at.Sub(old.at) < reread:
		return nil
	case f.blind, now.done > Count(f.view.Results()).Done():
		return f.op
	default:
		return nil
	}
}

func readingOf(op *opsv1alpha1.Operation, at time.Time) reading {
	r := reading{version: op.ResourceVersion, at: at, final: op.Status.Phase.Terminal()}
	if plan := op.Status.Plan; plan != nil {
		r.planned, r.chunks = true, int(plan.Chunks)+len(plan.Added)
	}
	if rollout := op.Status.Rollout; rollout != nil {
		r.attempt = rollout.Attempt
	}
	if summary := op.Status.Summary; summary != nil && summary.Clusters != nil {
		r.done = summary.Clusters.Done()
	}
	return r
}

// readView anew, and take in what the clusters have said.
func (f *Follower) readView(ctx context.Context, op *opsv1alpha1.Operation) {
	view, err := hub.ReadView(ctx, f.client, op)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read = readingOf(op, f.now())
	switch {
	case ctx.Err() != nil:
		return
	case apierrors.IsForbidden(err):
		f.lack("no right to get configmaps in namespace " + op.Namespace + ": the plan is not shown, clusters are only counted, and named when they failed")
	case errors.Is(err, placement.ErrPlanCorrupt):
		f.lack("clusters are only counted, and named when they failed: " + err.Error())
	case err != nil: // it is tried again
		f.down["plan"], f.why["plan"] = f.read.at, err.Error()
	default:
		delete(f.down, "plan")
		f.view = view
		for _, work := range f.told {
			view.Observe(work)
		}
	}
	f.note()
}

// addClusters of the plan to a snapshot, for callers that hold the lock.
func (f *Follower) addClusters(s *Snapshot) {
	if f.op.Status.Plan == nil {
		return
	}
	if f.view == nil {
		s.Reading = s.Reading || len(f.missing) == 0
		s.Cells, s.blind = named(f.op), true
		if len(s.Cells) > 0 {
			s.Groups = []Group{{To: len(s.Cells)}}
		}
		return
	}
	view := f.view
	s.Object = func(cell string) (types.NamespacedName, bool) { return view.Work(cell), true }
	s.Cells = view.Results()
	plan := f.view.Plan()
	for i, from := 0, 0; i < len(plan.Groups); i++ {
		g := Group{Name: plan.GroupName(i), From: from, To: from + len(plan.Groups[i].Clusters)}
		if len(plan.Groups) == 1 {
			g.Name = plan.Groups[i].Name
		}
		s.Groups = append(s.Groups, g)
		from = g.To
	}
}

// named are the cells that an Operation names by itself: those that failed.
func named(op *opsv1alpha1.Operation) []placement.ClusterResult {
	cells := make([]placement.ClusterResult, 0, len(op.Status.Failures))
	for _, failure := range op.Status.Failures {
		cells = append(cells, placement.ClusterResult{Cluster: failure.Name, State: placement.Failed, Reason: failure.Reason, Message: failure.Message})
	}
	return cells
}
