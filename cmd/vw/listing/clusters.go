// SPDX-License-Identifier: Apache-2.0

package listing

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/light"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/placement"
)

// Works is where ManifestWorks are.
var Works = light.Kind{GroupVersionResource: schema.GroupVersion(workv1.GroupVersion).WithResource("manifestworks"), Kind: "ManifestWork", Namespaced: true}

// NotStarted is the reason of a cluster whose turn has not come.
const NotStarted = "NotStarted"

// Run is where each cluster of a fleet Operation stands.
type Run struct {
	// Namespace, Name and UID of the Operation.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	// Phase, Reason and Message are the Operation's.
	Phase   opsv1alpha1.OperationPhase `json:"phase"`
	Reason  string                     `json:"reason,omitempty"`
	Message string                     `json:"message,omitempty"`
	// Clusters in the order of the plan, those that were asked for.
	Clusters []Cluster `json:"clusters"`
	// Notes say what could not be read, and why it matters.
	Notes []string `json:"notes,omitempty"`
}

// Cluster of a run.
type Cluster struct {
	// Group of the plan: its name, or its number from 0.
	Group string `json:"group"`
	// Cluster is the name of the ManagedCluster.
	Cluster string `json:"cluster"`
	// State is pending, blocked, running, succeeded, failed, cancelled or skipped.
	State placement.State `json:"state"`
	// Reason in one word; NotStarted when its turn has not come.
	Reason string `json:"reason,omitempty"`
	// Message for people.
	Message string `json:"message,omitempty"`
	// StartedAt and FinishedAt are by the cluster's own clock.
	StartedAt  *metav1.Time `json:"startedAt,omitempty"`
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Instances of the cluster by state.
	Instances *opsv1alpha1.Counts `json:"instances,omitempty"`
	// Attempt: 0 is the first, and each retry is another.
	Attempt int32 `json:"attempt,omitempty"`
	// Work is the name of its ManifestWork, in the namespace of the cluster's name, and of the Operation on the cluster. Empty when there is none yet.
	Work string `json:"work,omitempty"`
}

// Took is how long it has run, so far or in all; 0 when it has not begun.
func (c *Cluster) Took(now time.Time) time.Duration { return took(c.StartedAt, c.FinishedAt, now) }

// Progress of its instances.
func (c *Cluster) Progress() string {
	if c.Instances == nil {
		return ""
	}
	return progress(*c.Instances)
}

// ReadRun reads where the clusters of an Operation stand: what the hub has kept, and, where that has not ended and the reader may list ManifestWorks, what the
// clusters say by now.
func ReadRun(ctx context.Context, c client.Reader, r *light.Reader, namespace, name string) (*Run, error) {
	op := &opsv1alpha1.Operation{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, op); err != nil {
		return nil, err
	}
	if op.Status.Plan == nil && !hub.RunsOnHub(op) {
		return nil, fmt.Errorf("operation %s has no clusters: a hub has delivered it here; see vw describe op %s", name, name)
	}
	run := &Run{
		Namespace: op.Namespace, Name: op.Name, UID: string(op.UID),
		Phase: cmp.Or(op.Status.Phase, opsv1alpha1.PhasePending), Reason: op.Status.Reason, Message: op.Status.Message,
		Clusters: []Cluster{},
	}
	if op.Status.Plan == nil {
		run.Notes = append(run.Notes, "it has not been planned, so that it has no clusters yet")
		return run, nil
	}
	view, works, err := look(ctx, c, r, op)
	switch {
	case apierrors.IsForbidden(err) && view != nil:
		run.Notes = append(run.Notes, "you may not list manifestworks, so that clusters that run are shown as the hub has stored them last")
	case err != nil:
		return nil, err
	}
	for i := range works {
		view.Observe(works[i].full())
	}
	run.Clusters = clustersOf(view)
	return run, nil
}

// look reads the view and the ManifestWorks at once. Only a view without an error of its own is returned beside an error.
func look(ctx context.Context, c client.Reader, r *light.Reader, op *opsv1alpha1.Operation) (view *hub.View, works []work, err error) {
	var group errgroup.Group
	var refused error
	if !op.Status.Phase.Terminal() {
		group.Go(func() error {
			works, _, refused = light.List[work](ctx, r, Works, light.Query{Labels: opsv1alpha1.LabelOperation + "=" + string(op.UID)})
			return nil
		})
	}
	group.Go(func() (err error) {
		view, err = hub.ReadView(ctx, c, op)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	return view, works, refused
}

func clustersOf(view *hub.View) []Cluster {
	plan, results := view.Plan(), view.Results()
	out := make([]Cluster, 0, len(results))
	for i, group := range plan.Groups {
		for range group.Clusters {
			result := results[len(out)]
			cluster := clusterOf(result)
			cluster.Group = cmp.Or(group.Name, strconv.Itoa(i))
			if result.State != "" {
				cluster.Work = view.Work(result.Cluster).Name
			}
			out = append(out, cluster)
		}
	}
	return out
}

func clusterOf(r placement.ClusterResult) Cluster {
	c := Cluster{Cluster: r.Cluster, State: r.State, Reason: r.Reason, Message: r.Message, Attempt: r.Attempt}
	if c.State == "" {
		c.State, c.Reason = placement.Pending, NotStarted
	}
	if !r.StartedAt.IsZero() {
		c.StartedAt = &metav1.Time{Time: r.StartedAt}
	}
	if !r.FinishedAt.IsZero() {
		c.FinishedAt = &metav1.Time{Time: r.FinishedAt}
	}
	if r.Instances != (opsv1alpha1.Counts{}) {
		c.Instances = &r.Instances
	}
	return c
}

// work is what is read of a ManifestWork.
type work struct {
	Metadata struct {
		Name              string      `json:"name"`
		Namespace         string      `json:"namespace"`
		CreationTimestamp metav1.Time `json:"creationTimestamp"`
	} `json:"metadata"`
	Status struct {
		ResourceStatus struct {
			Manifests []struct {
				Conditions     []metav1.Condition          `json:"conditions"`
				StatusFeedback workv1.StatusFeedbackResult `json:"statusFeedback"`
			} `json:"manifests"`
		} `json:"resourceStatus"`
	} `json:"status"`
}

// full is the ManifestWork, as far as it was read.
func (w *work) full() *workv1.ManifestWork {
	out := &workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{
		Name: w.Metadata.Name, Namespace: w.Metadata.Namespace, CreationTimestamp: w.Metadata.CreationTimestamp,
	}}
	for _, m := range w.Status.ResourceStatus.Manifests {
		out.Status.ResourceStatus.Manifests = append(out.Status.ResourceStatus.Manifests, workv1.ManifestCondition{
			Conditions: m.Conditions, StatusFeedbacks: m.StatusFeedback,
		})
	}
	return out
}

// States that clusters and Operations are filtered by.
func States() []string {
	return []string{
		string(placement.Pending), string(placement.Blocked), string(placement.Running), string(placement.Succeeded),
		string(placement.Failed), string(placement.Cancelled), string(placement.Skipped),
	}
}

// Filter of states; one without any lets everything through.
type Filter []string

// ParseFilter reads states, in any case.
func ParseFilter(states []string) (Filter, error) {
	var filter Filter
	for _, s := range states {
		s = strings.ToLower(strings.TrimSpace(s))
		if !slices.Contains(States(), s) {
			return nil, fmt.Errorf("--state: %q is not known: it is one of %s", s, strings.Join(States(), ", "))
		}
		filter = append(filter, s)
	}
	return filter, nil
}

// Has tells whether a state passes.
func (f Filter) Has(state string) bool { return len(f) == 0 || slices.Contains(f, state) }
