// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	coordinationv1 "k8s.io/api/coordination/v1"
	addonv1alpha1 "open-cluster-management.io/api/addon/v1alpha1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// ClusterFacts are what the hub knows of a cluster.
type ClusterFacts struct {
	Name           string
	Now            time.Time
	ManagedCluster Seen[clusterv1.ManagedCluster]
	Lease          Seen[coordinationv1.Lease]
	AddOns         []addonv1alpha1.ManagedClusterAddOn
	Works          []workv1.ManifestWork
	// Why of what could not be listed.
	Why []string
}

// ReadManagedCluster reads what the hub knows of a cluster. That it does not exist is an error of the API.
func ReadManagedCluster(ctx context.Context, from client.Reader, name string, now time.Time) (ClusterFacts, error) {
	f := ClusterFacts{Name: name, Now: now}
	mc := &clusterv1.ManagedCluster{}
	if err := from.Get(ctx, client.ObjectKey{Name: name}, mc); err != nil {
		return f, err
	}
	f.ManagedCluster = found(mc)
	var err error
	if f.Lease, err = look(ctx, from, client.ObjectKey{Namespace: name, Name: LeaseName}, &coordinationv1.Lease{}, "so that nobody can tell here whether the work agent is alive"); err != nil {
		return f, err
	}
	addOns, works := &addonv1alpha1.ManagedClusterAddOnList{}, &workv1.ManifestWorkList{}
	for _, list := range []client.ObjectList{addOns, works} {
		err := from.List(ctx, list, client.InNamespace(name))
		if unreadable(err) {
			f.Why = append(f.Why, short(err))
		} else if err != nil {
			return f, err
		}
	}
	f.AddOns, f.Works = addOns.Items, works.Items
	return f, nil
}

// WalkCluster says how a cluster is, as the hub sees it.
func WalkCluster(f ClusterFacts) Chain {
	w := &walk{Facts: Facts{Now: f.Now, Operation: &opsv1alpha1.Operation{}, Cluster: f.Name, ManagedCluster: f.ManagedCluster, Lease: f.Lease}}
	w.cluster()
	w.workAgent()
	w.claims()
	for i := range f.AddOns {
		w.addOn(&f.AddOns[i])
	}
	w.works(f.Works)
	for i := range w.nodes {
		if i > 0 {
			w.nodes[i].Depth = 1
		} else {
			w.nodes[i].Depth = 0
		}
	}
	return w.conclude(Chain{Cluster: f.Name, Unseen: append(w.unseen(), f.Why...)}, false)
}

// claims of the cluster's agent.
func (w *walk) claims() {
	n := node{Link: Link{Step: StepAgent, Name: "vWorkspace agent", State: OK, Phase: "claims"}}
	claims := engineClaims(w.ManagedCluster.Object)
	n.Message = "engines " + strings.Join(claims, ", ")
	if len(claims) == 0 {
		n.State, n.Phase, n.Message = Broken, "never reported", "the cluster claims no engine"
		n.cause = fmt.Sprintf("no vWorkspace agent has ever reported from %s: its ManagedCluster has no claims of one", w.Cluster)
		n.advice = "install the agent there: docs/how-to/install.md"
	}
	w.add(n)
}

// addOn of the cluster.
func (w *walk) addOn(a *addonv1alpha1.ManagedClusterAddOn) {
	n := node{Link: Link{Step: StepPart, Name: "add-on " + a.Name, State: OK, Phase: "installed", Object: partRef(addonv1alpha1.GroupVersion.String(), "ManagedClusterAddOn", a)}}
	if c := meta.FindStatusCondition(a.Status.Conditions, addonv1alpha1.ManagedClusterAddOnConditionAvailable); c != nil {
		n.Phase, n.Since = "available", &c.LastTransitionTime
		if c.Status != metav1.ConditionTrue {
			n.State, n.Phase, n.Message = Broken, "not available", said(c.Reason, c.Message)
			n.advice = fmt.Sprintf("kubectl -n %s describe managedclusteraddon %s", w.Cluster, a.Name)
		}
	}
	w.add(n)
}

// works of the cluster that are ours.
func (w *walk) works(all []workv1.ManifestWork) {
	total, applied, running := 0, 0, 0
	var stuck *workv1.ManifestWork
	for i := range all {
		work := &all[i]
		if work.Labels[appsv1alpha1.LabelManagedBy] != appsv1alpha1.ManagedByControlPlane {
			continue
		}
		total++
		switch {
		case meta.IsStatusConditionTrue(work.Status.Conditions, workv1.WorkApplied):
			applied++
		case w.Now.Sub(work.CreationTimestamp.Time) > patience && stuck == nil:
			stuck = work
		}
		if work.Labels[opsv1alpha1.LabelOperation] != "" && !meta.IsStatusConditionTrue(work.Status.Conditions, workv1.WorkComplete) {
			running++
		}
	}
	n := node{Link: Link{Step: StepWork, Name: "ManifestWorks of vWorkspace", State: OK, Phase: "applied",
		Message: fmt.Sprintf("%d of %d are applied; %d Operations have not ended there", applied, total, running)}}
	if total == 0 {
		n.Phase, n.Message = "none", ""
	}
	if stuck != nil {
		n.State, n.Phase = Broken, "not applied"
		n.cause = fmt.Sprintf("ManifestWork %s was not applied on %s", stuck.Name, w.Cluster)
		if c := meta.FindStatusCondition(stuck.Status.Conditions, workv1.WorkApplied); c != nil {
			n.cause += ": " + c.Message
		}
		n.advice = fmt.Sprintf("kubectl -n %s describe manifestwork %s", stuck.Namespace, stuck.Name)
	}
	w.add(n)
}

// InstanceFacts are what is known of an ApplicationInstance: on the hub what was mirrored, on its cluster what there is.
type InstanceFacts struct {
	Now      time.Time
	Instance *appsv1alpha1.ApplicationInstance
	// OnHub tells that it is delivered to a cluster, and what is known of that.
	OnHub          bool
	ManagedCluster Seen[clusterv1.ManagedCluster]
	Lease          Seen[coordinationv1.Lease]
	Release        Seen[helmv2.HelmRelease]
	// Operations on it, the newest first.
	Operations []opsv1alpha1.Operation
}

// ReadInstance reads what is known of an ApplicationInstance.
func ReadInstance(ctx context.Context, from client.Reader, ai *appsv1alpha1.ApplicationInstance, now time.Time) (InstanceFacts, error) {
	f := InstanceFacts{Now: now, Instance: ai}
	cluster := ai.Labels[appsv1alpha1.LabelClusterID]
	mc := &clusterv1.ManagedCluster{}
	err := from.Get(ctx, client.ObjectKey{Name: cluster}, mc)
	switch {
	case cluster == "" || meta.IsNoMatchError(err): // on the cluster itself
	case err == nil:
		f.ManagedCluster, f.OnHub = found(mc), true
	case unreadable(err):
		f.ManagedCluster.Why = short(err) + ", so that nobody can tell here whether the cluster is available"
	case client.IgnoreNotFound(err) == nil:
		f.ManagedCluster.Looked, f.OnHub = true, true
	default:
		return f, err
	}
	if f.OnHub {
		if f.Lease, err = look(ctx, from, client.ObjectKey{Namespace: cluster, Name: LeaseName}, &coordinationv1.Lease{}, "so that nobody can tell here whether the work agent is alive"); err != nil {
			return f, err
		}
	} else if r := ai.Status.HelmReleaseRef; r != nil && f.ManagedCluster.Why == "" {
		if f.Release, err = look(ctx, from, client.ObjectKey{Namespace: r.Namespace, Name: r.Name}, &helmv2.HelmRelease{}, "so that what Flux says of it is not known"); err != nil {
			return f, err
		}
	}
	ops := &opsv1alpha1.OperationList{}
	if err := from.List(ctx, ops, client.InNamespace(ai.Namespace)); err == nil {
		f.Operations = slices.DeleteFunc(ops.Items, func(o opsv1alpha1.Operation) bool { return o.Spec.TargetRef == nil || o.Spec.TargetRef.Name != ai.Name })
		slices.SortFunc(f.Operations, func(a, b opsv1alpha1.Operation) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	}
	return f, nil
}

// latestOperations that are told of an instance.
const latestOperations = 5

// WalkInstance says how an ApplicationInstance is.
func WalkInstance(f InstanceFacts) Chain {
	ai := f.Instance
	w := &walk{Facts: Facts{Now: f.Now, Operation: &opsv1alpha1.Operation{}, ManagedCluster: f.ManagedCluster, Lease: f.Lease}}
	w.add(w.instanceNode(ai))
	if f.OnHub {
		w.Cluster = ai.Labels[appsv1alpha1.LabelClusterID]
		w.cluster()
		w.workAgent()
	}
	if hr := f.Release.Object; hr != nil {
		n := node{Link: Link{Step: StepEngine, Depth: 1, Name: "HelmRelease " + hr.Namespace + "/" + hr.Name, State: OK, Object: partRef(helmv2.GroupVersion.String(), helmv2.HelmReleaseKind, hr)}}
		w.release(&n, hr)
		w.add(n)
	} else if f.Release.Absent() {
		w.add(node{Link: Link{Step: StepEngine, Depth: 1, Name: "HelmRelease", State: Broken, Phase: "gone", Message: "status.helmReleaseRef names one that is not there"}})
	}
	well := meta.IsStatusConditionTrue(ai.Status.Conditions, appsv1alpha1.ConditionReady) || ai.Status.Ready == metav1.ConditionTrue
	for i := range f.Operations[:min(len(f.Operations), latestOperations)] {
		n := w.operationNode(&f.Operations[i], StepOperation, 1)
		if n.State == Broken {
			n.State = Unknown // it has a chain of its own
		}
		w.add(n)
	}
	return w.conclude(Chain{Namespace: ai.Namespace, Instance: ai.Name, Cluster: w.Cluster, Unseen: w.unseen()}, well)
}

// instanceNode is the instance by its conditions.
func (w *walk) instanceNode(ai *appsv1alpha1.ApplicationInstance) node {
	n := node{Link: Link{Step: StepTarget, Name: kindInstance + " " + ai.Namespace + "/" + ai.Name, State: OK, Phase: "Ready",
		Object: partRef(appsv1alpha1.GroupVersion.String(), kindInstance, ai)}, effect: true}
	c := meta.FindStatusCondition(ai.Status.Conditions, appsv1alpha1.ConditionReady)
	switch {
	case c != nil:
		n.Since, n.Message = &c.LastTransitionTime, said(c.Reason, c.Message)
		if c.Status != metav1.ConditionTrue {
			n.State, n.Phase = Broken, "not Ready"
			n.advice = "vw describe appinst " + ai.Name + " on its cluster shows the HelmRelease; the message says what Flux said"
		}
	default:
		n.State, n.Phase, n.Message = Broken, "not reported", "nothing has reported whether it is Ready"
		n.advice = "is the agent of its cluster running? vw doctor"
	}
	if v := ai.Status.LastAppliedChart; v != nil {
		n.Message = strings.TrimSuffix("chart "+v.Name+" "+v.Version+"; "+n.Message, "; ")
	}
	return n
}
