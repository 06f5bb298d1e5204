// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/light"
	"vworkspace.io/fleet/placement"
)

// clusterLease is the Lease that a cluster's registration agent renews, in the namespace of the cluster's name on the hub.
const clusterLease = "managed-cluster-lease"

var (
	managedClusters = light.Kind{GroupVersionResource: schema.GroupVersion(clusterv1.GroupVersion).WithResource("managedclusters"), Kind: "ManagedCluster"}
	manifestWorks   = light.Kind{GroupVersionResource: schema.GroupVersion(workv1.GroupVersion).WithResource("manifestworks"), Kind: "ManifestWork", Namespaced: true}
	leases          = light.Kind{GroupVersionResource: coordinationv1.SchemeGroupVersion.WithResource("leases"), Kind: "Lease", Namespaced: true}
	freezes         = light.Kind{GroupVersionResource: opsv1alpha1.GroupVersion.WithResource("freezes"), Kind: "Freeze"}
	windows         = light.Kind{GroupVersionResource: opsv1alpha1.GroupVersion.WithResource("maintenancewindows"), Kind: "MaintenanceWindow"}
)

// Fleet is the clusters of a hub.
type Fleet struct {
	// Clusters by name.
	Clusters []Cluster `json:"clusters"`
	// Notes say what could not be read, and what is not shown for it.
	Notes []string `json:"notes,omitempty"`
}

// Cluster of a fleet, as its hub knows it.
type Cluster struct {
	// Name of the ManagedCluster.
	Name string `json:"name"`
	// Available is True, False or Unknown, as Open Cluster Management has it.
	Available metav1.ConditionStatus `json:"available"`
	// Message says why it is not available.
	Message string `json:"message,omitempty"`
	// LeaseRenewedAt is when the cluster was last heard of; empty when that could not be read.
	LeaseRenewedAt *metav1.Time `json:"leaseRenewedAt,omitempty"`
	// Agent tells whether an agent of ours has said what it has there.
	Agent bool `json:"agent"`
	// Engines that the agent has found installed.
	Engines []string `json:"engines"`
	// Apps are the applications that it counts, by catalog entry.
	Apps map[string]int `json:"apps"`
	// Running are the Operations that the cluster has been given and not ended; empty when that could not be read.
	Running *int `json:"running,omitempty"`
	// Held says what keeps Operations from being started there; empty when nothing does.
	Held []string `json:"held,omitempty"`
	// Kubernetes version of the cluster.
	Kubernetes string `json:"kubernetes,omitempty"`
	// Labels of the ManagedCluster.
	Labels map[string]string `json:"labels,omitempty"`
}

// managed is what is read of a ManagedCluster.
type managed struct {
	Metadata struct {
		Name        string            `json:"name"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Status struct {
		Conditions    []metav1.Condition              `json:"conditions"`
		ClusterClaims []clusterv1.ManagedClusterClaim `json:"clusterClaims"`
		Version       clusterv1.ManagedClusterVersion `json:"version"`
	} `json:"status"`
}

// surroundings are what clusters are seen in.
type surroundings struct {
	renewed map[string]*metav1.Time // by cluster
	running map[string]int          // by cluster
	frozen  []string
	windows map[string]*opsv1alpha1.Window
	notes   []string
}

// Clusters of a hub that have some labels, by name; only those that are named, if any are.
func Clusters(ctx context.Context, r *light.Reader, labels string, names []string, now time.Time) (*Fleet, error) {
	var list []managed
	var around surroundings
	var group errgroup.Group
	group.Go(func() (err error) {
		list, _, err = light.List[managed](ctx, r, managedClusters, light.Query{Labels: labels})
		return err
	})
	group.Go(func() (err error) {
		around, err = look(ctx, r, now)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	fleet := &Fleet{Clusters: []Cluster{}, Notes: around.notes}
	for i := range list {
		if len(names) == 0 || slices.Contains(names, list[i].Metadata.Name) {
			fleet.Clusters = append(fleet.Clusters, around.cluster(&list[i], now))
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(fleet.Clusters, func(c Cluster) bool { return c.Name == name }) {
			return nil, apierrors.NewNotFound(managedClusters.GroupResource(), name)
		}
	}
	slices.SortFunc(fleet.Clusters, func(a, b Cluster) int { return cmp.Compare(a.Name, b.Name) })
	return fleet, nil
}

// look at what is around clusters, each part for itself: whoever may not read one of them sees the others.
func look(ctx context.Context, r *light.Reader, now time.Time) (surroundings, error) {
	var around surroundings
	var notes [4]string
	var group errgroup.Group
	for i, part := range []struct {
		read func() error
		lost string
	}{
		{func() error { return around.readLeases(ctx, r) }, "you may not list leases in all namespaces, so that nobody knows when clusters were last heard of"},
		{func() error { return around.readRunning(ctx, r) }, "you may not list manifestworks in all namespaces, so that what runs on clusters is not counted"},
		{func() error { return around.readFreezes(ctx, r, now) }, "you may not list freezes, so that clusters may be frozen all the same"},
		{func() error { return around.readWindows(ctx, r) }, "you may not list maintenancewindows, so that windows of clusters may be closed all the same"},
	} {
		group.Go(func() error {
			err := part.read()
			if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
				notes[i], err = part.lost, nil
			}
			return err
		})
	}
	err := group.Wait()
	for _, note := range notes {
		if note != "" {
			around.notes = append(around.notes, note)
		}
	}
	return around, err
}

func (s *surroundings) readLeases(ctx context.Context, r *light.Reader) error {
	type lease struct {
		Metadata struct {
			Namespace string `json:"namespace"`
		} `json:"metadata"`
		Spec struct {
			RenewTime *metav1.MicroTime `json:"renewTime"`
		} `json:"spec"`
	}
	list, _, err := light.List[lease](ctx, r, leases, light.Query{Fields: "metadata.name=" + clusterLease})
	if err != nil {
		return err
	}
	s.renewed = make(map[string]*metav1.Time, len(list))
	for _, l := range list {
		if l.Spec.RenewTime != nil {
			s.renewed[l.Metadata.Namespace] = &metav1.Time{Time: l.Spec.RenewTime.Time}
		}
	}
	return nil
}

func (s *surroundings) readRunning(ctx context.Context, r *light.Reader) error {
	type work struct {
		Metadata struct {
			Namespace string `json:"namespace"`
		} `json:"metadata"`
		Status struct {
			ResourceStatus struct {
				Manifests []struct {
					StatusFeedback workv1.StatusFeedbackResult `json:"statusFeedback"`
				} `json:"manifests"`
			} `json:"resourceStatus"`
		} `json:"status"`
	}
	list, _, err := light.List[work](ctx, r, manifestWorks, light.Query{Labels: opsv1alpha1.LabelOperation})
	if err != nil {
		return err
	}
	s.running = map[string]int{}
	for i := range list {
		var phase string
		for _, m := range list[i].Status.ResourceStatus.Manifests {
			for _, v := range m.StatusFeedback.Values {
				if v.Name == "phase" && v.Value.String != nil {
					phase = *v.Value.String
				}
			}
		}
		if !opsv1alpha1.OperationPhase(phase).Terminal() {
			s.running[list[i].Metadata.Namespace]++
		}
	}
	return nil
}

func (s *surroundings) readFreezes(ctx context.Context, r *light.Reader, now time.Time) error {
	list, _, err := light.List[opsv1alpha1.Freeze](ctx, r, freezes, light.Query{})
	for i := range list {
		if text := Frozen(&list[i], now); text != "" {
			s.frozen = append(s.frozen, text)
		}
	}
	return err
}

// Frozen says what a Freeze holds at a moment; empty when it is over.
func Frozen(f *opsv1alpha1.Freeze, now time.Time) string {
	var types []string
	for _, t := range opsv1alpha1.OperationTypes() {
		if placement.Frozen([]opsv1alpha1.Freeze{*f}, t, now) != nil {
			types = append(types, string(t))
		}
	}
	switch len(types) {
	case 0:
		return ""
	case len(opsv1alpha1.OperationTypes()):
		return "freeze " + f.Name
	default:
		return "freeze " + f.Name + " of " + strings.Join(types, ", ")
	}
}

func (s *surroundings) readWindows(ctx context.Context, r *light.Reader) error {
	list, _, err := light.List[opsv1alpha1.MaintenanceWindow](ctx, r, windows, light.Query{})
	if err != nil {
		return err
	}
	s.windows = make(map[string]*opsv1alpha1.Window, len(list))
	for i := range list {
		s.windows[list[i].Name] = &list[i].Spec
	}
	return nil
}

func (s *surroundings) cluster(m *managed, now time.Time) Cluster {
	c := Cluster{
		Name: m.Metadata.Name, Available: metav1.ConditionUnknown, Labels: m.Metadata.Labels, Kubernetes: m.Status.Version.Kubernetes,
		LeaseRenewedAt: s.renewed[m.Metadata.Name], Held: slices.Clone(s.frozen), Engines: []string{}, Apps: map[string]int{},
	}
	if available := meta.FindStatusCondition(m.Status.Conditions, clusterv1.ManagedClusterConditionAvailable); available != nil {
		if c.Available = available.Status; available.Status != metav1.ConditionTrue {
			c.Message = available.Message
		}
	}
	for _, claim := range m.Status.ClusterClaims {
		if engine, ok := strings.CutSuffix(claim.Name, opsv1alpha1.ClaimEngine); ok {
			c.Agent, c.Engines = true, append(c.Engines, engine)
		}
		if app, ok := strings.CutSuffix(claim.Name, opsv1alpha1.ClaimApp); ok {
			if n, err := strconv.Atoi(claim.Value); err == nil {
				c.Agent, c.Apps[app] = true, n
			}
		}
	}
	slices.Sort(c.Engines)
	if s.running != nil {
		n := s.running[c.Name]
		c.Running = &n
	}
	if held := s.window(m, now); held != "" {
		c.Held = append(c.Held, held)
	}
	return c
}

// window of a cluster, when it holds now.
func (s *surroundings) window(m *managed, now time.Time) string {
	name := cmp.Or(m.Metadata.Labels[opsv1alpha1.LabelMaintenanceWindow], m.Metadata.Annotations[opsv1alpha1.LabelMaintenanceWindow])
	if name == "" || s.windows == nil {
		return ""
	}
	spec, known := s.windows[name]
	if !known {
		return "window " + name + " does not exist"
	}
	window, err := placement.NewWindow(spec)
	if err != nil {
		return fmt.Sprintf("window %s makes no sense: %v", name, err)
	}
	if opens := window.Opens(now); opens > 0 {
		return fmt.Sprintf("window %s opens at %s", name, now.Add(opens).UTC().Format(time.RFC3339))
	}
	return ""
}

// AppNames of a cluster, with how many there are of each.
func (c *Cluster) AppNames() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.Apps)) {
		names = append(names, fmt.Sprintf("%s=%d", name, c.Apps[name]))
	}
	return names
}
