// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/sets"
	clocktesting "k8s.io/utils/clock/testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	ocm "open-cluster-management.io/sdk-go/pkg/apis/cluster/v1alpha1"
	ocmv1beta1 "open-cluster-management.io/sdk-go/pkg/apis/cluster/v1beta1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestRolloutAsOCM: where Open Cluster Management's RolloutHandler and we say the same things, we start the same clusters. Where we do not, the test says so: a
// cluster that failed is given to it as one whose time is up, so that it does not keep its place; in mandatory groups, and where groups go one by one, as one
// that failed, because there it goes on past one whose time is up. It has no Continue, no suspend, no approval, no end of a soak, and nothing apart for clusters that do not answer.
func TestRolloutAsOCM(t *testing.T) {
	compared := 0
	for seed := range uint64(*sequences) {
		w := newWorld(t, seed)
		w.spec.Rollout.Unreachable, w.spec.Rollout.Gate, w.spec.Rollout.PromotedGroups = nil, opsv1alpha1.GateNone, nil
		w.withinOCM()
		for range 30 {
			if w.comparable() {
				if got, want := w.started(), w.startedByOCM(); cmp.Diff(want, got) != "" {
					w.fatalf("seed %d: OCM starts %v, and we start %v", seed, want, got)
				}
				compared++
			}
			if w.decideAll().Done {
				break
			}
			w.happenAsOCM()
		}
	}
	t.Logf("%d decisions compared", compared)
}

// comparable tells whether OCM would go on. Once it has mandatory groups, it waits for whatever is at work, in whatever group, before it starts another cluster;
// and group by group, a failure that is tolerated in any group but the first stops it.
func (w *world) comparable() bool {
	r, _ := readRules(w.spec)
	for i, result := range w.tally.results {
		g := w.groupOf(i)
		if len(r.mandatory) > 0 && !r.isMandatory(g) && result.State != "" {
			return false
		}
		if result.State == Failed && r.kind == clusterv1alpha1.ProgressivePerGroup && g.Name != w.plan.Groups[0].Name {
			return false
		}
	}
	return true
}

// withinOCM leaves out what OCM reads in another way: maxFailures of more clusters than there are are none to it, and names of groups that are not there.
func (w *world) withinOCM() {
	for _, c := range []*intstr.IntOrString{w.maxFailures()} {
		if c != nil && c.Type == intstr.Int && c.IntValue() > 1 {
			*c = intstr.FromInt(1)
		}
	}
	if c := w.spec.Rollout; c.Progressive != nil {
		c.Progressive.ProgressDeadline = ""
	} else if c.ProgressivePerGroup != nil {
		c.ProgressivePerGroup.ProgressDeadline = ""
	} else {
		c.All.ProgressDeadline = ""
	}
}

func (w *world) maxFailures() *intstr.IntOrString {
	switch r := w.spec.Rollout; {
	case r.Progressive != nil:
		return &r.Progressive.MaxFailures
	case r.ProgressivePerGroup != nil:
		return &r.ProgressivePerGroup.MaxFailures
	}
	return nil
}

func (w *world) decideAll() Decision {
	d := For(w.spec).Decide(w.plan, w.tally, Gates{}, w.now, 0)
	for _, c := range d.Start {
		w.tally.Apply(ClusterResult{Cluster: c, State: Pending})
		w.tally.Told(c, w.now)
	}
	return d
}

func (w *world) started() []string {
	return slices.Clone(For(w.spec).Decide(w.plan, w.tally, Gates{}, w.now, 0).Start)
}

// happenAsOCM: what OCM knows of, too.
func (w *world) happenAsOCM() {
	if running := w.atWork(); len(running) > 0 && w.random.IntN(3) > 0 {
		state := []State{Running, Succeeded, Succeeded, Failed}[w.random.IntN(4)]
		r := ClusterResult{Cluster: running[w.random.IntN(len(running))], State: state}
		if state.Terminal() {
			r.EndedAt = At(w.now)
		}
		w.tally.Apply(r)
		return
	}
	w.now = w.now.Add(time.Duration(1+w.random.IntN(300)) * time.Second)
}

// startedByOCM asks sdk-go's RolloutHandler.
func (w *world) startedByOCM() []string {
	ocm.RolloutClock = clocktesting.NewFakeClock(w.now)
	groups := ocmv1beta1.ClusterGroupsMap{}
	for _, g := range w.plan.Groups {
		groups[ocmv1beta1.GroupKey{GroupName: g.Name, GroupIndex: int32(g.Decision)}] = sets.New(g.Clusters...)
	}
	tracker := ocmv1beta1.NewPlacementDecisionClustersTrackerWithGroups(&clusterv1beta1.Placement{}, nil, groups)
	handler, err := ocm.NewRolloutHandler(tracker, func(string, struct{}) (ocm.ClusterRolloutStatus, error) { return ocm.ClusterRolloutStatus{}, nil })
	if err != nil {
		w.t.Fatal(err)
	}
	_, result, err := handler.GetRolloutCluster(w.spec.Rollout.RolloutStrategy, w.asOCM())
	if err != nil {
		w.fatalf("OCM: %v", err)
	}
	var names []string
	for _, c := range result.ClustersToRollout {
		if c.Status == ocm.ToApply {
			names = append(names, c.ClusterName)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return w.tally.Index(a) - w.tally.Index(b) })
	return names
}

// asOCM is what has happened, in OCM's words.
func (w *world) asOCM() (all []ocm.ClusterRolloutStatus) {
	r, _ := readRules(w.spec)
	for i, result := range w.tally.results {
		s := ocm.ClusterRolloutStatus{ClusterName: result.Cluster, LastTransitionTime: &metav1.Time{Time: result.EndedAt}}
		switch result.State {
		case "":
			continue
		case Succeeded:
			s.Status = ocm.Succeeded
		case Failed:
			s.Status = ocm.TimeOut
			if r.kind == clusterv1alpha1.ProgressivePerGroup || r.isMandatory(w.groupOf(i)) {
				s.Status = ocm.Failed
			}
		default:
			s.Status = ocm.Progressing
		}
		all = append(all, s)
	}
	w.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}
