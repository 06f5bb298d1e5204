// SPDX-License-Identifier: Apache-2.0

package chain

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// State of a link.
type State string

const (
	// OK does what it should, or has done it.
	OK State = "ok"
	// Waiting for something that is meant to be waited for: a window, a person, its turn.
	Waiting State = "waiting"
	// Broken does not go on by itself, or has failed.
	Broken State = "broken"
	// Unknown could not be seen, or does not count any more.
	Unknown State = "unknown"
)

// Step is what a link is in the chain.
type Step string

// Steps in their order.
const (
	// StepOperation is the Operation that was asked about.
	StepOperation Step = "operation"
	// StepPlan is the cluster's place in the frozen plan.
	StepPlan Step = "plan"
	// StepWork is the ManifestWork on the hub.
	StepWork Step = "work"
	// StepCluster is the ManagedCluster on the hub.
	StepCluster Step = "cluster"
	// StepWorkAgent is Open Cluster Management's agent on the cluster.
	StepWorkAgent Step = "workAgent"
	// StepDelivery is the ManifestWork applied on the cluster.
	StepDelivery Step = "delivery"
	// StepAgent is vWorkspace's agent on the cluster.
	StepAgent Step = "agent"
	// StepClusterOperation is the Operation that was delivered to the cluster.
	StepClusterOperation Step = "clusterOperation"
	// StepInstance is the Operation of one ApplicationInstance.
	StepInstance Step = "instance"
	// StepTarget is the ApplicationInstance.
	StepTarget Step = "target"
	// StepNamespace is the instance's namespace.
	StepNamespace Step = "namespace"
	// StepEngine is what the engine made or changed: a Job, a Workflow, a Backup, a HelmRelease.
	StepEngine Step = "engine"
	// StepPart is something below or beside that: a pod, a step, a BackupStorageLocation.
	StepPart Step = "part"
)

// Link of a chain.
type Link struct {
	// Step that it is.
	Step Step `json:"step"`
	// Depth in the tree, from 0.
	Depth int `json:"depth"`
	// Name for people.
	Name string `json:"name"`
	// Object that it is, if it is one.
	Object *opsv1alpha1.ResourceRef `json:"object,omitempty"`
	// State of it.
	State State `json:"state"`
	// Phase in its own words, such as Running, Applied or ImagePullBackOff.
	Phase string `json:"phase,omitempty"`
	// Since when it is so.
	Since *metav1.Time `json:"since,omitempty"`
	// Message for people.
	Message string `json:"message,omitempty"`
	// Stop marks the one link at which it stops.
	Stop bool `json:"stop,omitempty"`
}

// Stop is where it stops, why, and what to do.
type Stop struct {
	// Link is its index in links.
	Link int `json:"link"`
	// Step of that link.
	Step Step `json:"step"`
	// State of that link: broken or waiting.
	State State `json:"state"`
	// Cause for people.
	Cause string `json:"cause"`
	// Suggestion is what to do about it.
	Suggestion string `json:"suggestion,omitempty"`
}

// Chain is what was found out. It is the document of `vw describe op --cluster`; fields are added, and none goes away.
type Chain struct {
	// Namespace and name of the Operation that was asked about; empty when it was none.
	Namespace string `json:"namespace,omitempty"`
	Operation string `json:"operation,omitempty"`
	// Cluster that was followed; empty on a cluster alone.
	Cluster string `json:"cluster,omitempty"`
	// Instance that was followed, if only one was.
	Instance string `json:"instance,omitempty"`
	// Through is how the cluster was looked at; empty when it was not.
	Through string `json:"through,omitempty"`
	// Phase of what was followed: the state of the cluster, such as running or succeeded, or the phase of the Operation.
	Phase string `json:"phase,omitempty"`
	// Links in their order, a tree by depth.
	Links []Link `json:"links"`
	// Stop is empty when nothing is in the way.
	Stop *Stop `json:"stop,omitempty"`
	// Unseen says what could not be seen, and how to see it.
	Unseen []string `json:"unseen,omitempty"`
}

// node is a link with what it would say if it were the one at which it stops.
type node struct {
	Link
	// cause and advice, when it is the stop; the message when cause is empty.
	cause, advice string
	// effect of something further down: it is the stop only when that was not seen.
	effect bool
	// aside is never the stop: its state is that of others, too.
	aside bool
}

// stopAt is the index of the link at which it stops, or -1. What is broken of itself comes before what is only the effect of something that was not seen, and
// both come before what is waited for.
func stopAt(nodes []node) int {
	for _, state := range []State{Broken, Waiting} {
		for i := range nodes {
			if nodes[i].State == state && !nodes[i].effect && !nodes[i].aside {
				return i
			}
		}
		if i := deepestEffect(nodes, state); i >= 0 {
			return i
		}
	}
	return -1
}

// deepestEffect on the first path that leads to one.
func deepestEffect(nodes []node, state State) int {
	found := -1
	for i := range nodes {
		if nodes[i].State != state || nodes[i].aside {
			continue
		}
		if found >= 0 && nodes[i].Depth <= nodes[found].Depth {
			break
		}
		found = i
	}
	return found
}
