// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// Seen is what came of looking for an object.
type Seen[T any] struct {
	// Object is nil when it is not there, or was not seen.
	Object *T
	// Looked tells that it was looked for, and the answer is to be believed.
	Looked bool
	// Why it could not be seen.
	Why string
}

// Absent tells whether it is known not to be there.
func (s Seen[T]) Absent() bool { return s.Looked && s.Object == nil }

// found makes a Seen of an object that is there.
func found[T any](o *T) Seen[T] { return Seen[T]{Object: o, Looked: true} }

// Facts are what was read for one chain.
type Facts struct {
	// Now is the reader's time.
	Now time.Time
	// Operation that was asked about, as it stands on the hub; or on the cluster, when Cluster is empty.
	Operation *opsv1alpha1.Operation
	// Cluster to follow; empty on a cluster alone.
	Cluster string
	// Instance to follow: NAME or NAMESPACE/NAME; all when empty.
	Instance string
	// Place of the cluster in the plan; nil when it is not in it, or there is none.
	Place *Place
	// Planned are all clusters of the plan, and PlanWhy says why it could not be read.
	Planned []string
	PlanWhy string
	// Result of the cluster by the hub's rules; its state is empty when it has not been started.
	Result placement.ClusterResult
	// Work that was sent, its name when it is not there, and whether the hub's own record says that it ended.
	Work     Seen[workv1.ManifestWork]
	WorkName string
	// ManagedCluster on the hub.
	ManagedCluster Seen[clusterv1.ManagedCluster]
	// Lease that the cluster's klusterlet renews on the hub.
	Lease Seen[coordinationv1.Lease]
	// Freezes that are there on the hub.
	Freezes []opsv1alpha1.Freeze
	// Below is what was seen on the cluster; nil when nobody has looked there.
	Below *Below
	// NoWay is why nobody has.
	NoWay string
}

// Place in a plan.
type Place struct {
	// Group by name or number, and its place among Groups, from 1.
	Group        string
	Index, Total int
	// Position of the cluster among all Clusters, from 1.
	Position, Clusters int
}

// Below is what was seen on a cluster.
type Below struct {
	// Through is how it was looked at.
	Through string
	// Operation that was delivered; on a cluster alone the one that was asked about.
	Operation Seen[opsv1alpha1.Operation]
	// Proven tells that it is the right cluster: the Operation is there, and carries the root's UID.
	Proven bool
	// Agent's pods, where it runs in them.
	Agent []corev1.Pod
	// Instances of the Operation.
	Instances []Instance
	// Why the instances could not be listed.
	Why string
}

// Instance is what was seen of the Operation of one ApplicationInstance.
type Instance struct {
	Operation *opsv1alpha1.Operation
	Target    Seen[appsv1alpha1.ApplicationInstance]
	Namespace Seen[corev1.Namespace]
	// Made by the run, or changed, in its order.
	Made []Made
	// Skimmed tells that what it made was not read: there are too many instances.
	Skimmed bool
	// Beside are what its engine needs: BackupStorageLocations.
	Beside []client.Object
}

// Made is an object that a run made or changed.
type Made struct {
	Ref opsv1alpha1.ResourceRef
	// Object as it is; nil when it is gone, or could not be seen.
	Object client.Object
	// Why it could not be seen.
	Why string
	// Parts of it: pods, PodVolumeBackups.
	Parts []client.Object
	// Events about it that warn, the newest first.
	Events []corev1.Event
}
