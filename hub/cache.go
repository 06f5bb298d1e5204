// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// NewScheme holds every type that the hub reads or writes.
func NewScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(opsv1alpha1.AddToScheme(scheme))
	utilruntime.Must(appsv1alpha1.AddToScheme(scheme))
	utilruntime.Must(workv1.Install(scheme))
	utilruntime.Must(clusterv1.Install(scheme))
	utilruntime.Must(clusterv1beta1.Install(scheme))
	utilruntime.Must(metav1.AddMetaToScheme(scheme)) // what a short answer is of; see briefly
	return scheme
}

// CacheOptions keep in memory what the hub needs and no more: of ManifestWorks only its own, and of those no manifest and no
// configuration - the hub knows what it sent.
func CacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&workv1.ManifestWork{}: {
				Label:     labels.SelectorFromSet(labels.Set{appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane}),
				Transform: slimManifestWork,
			},
			// Read, and never changed, twice for each work that is sent: copying them was a twelfth of the processor time.
			&clusterv1.ManagedCluster{}: {Transform: slimManagedCluster, UnsafeDisableDeepCopy: ptr.To(true)},
		},
	}
}

// ClientOptions leave ConfigMaps out of the cache: a plan is read once in the life of a process, results hardly ever.
func ClientOptions() client.Options {
	return client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.ConfigMap{}}}}
}

func slimManifestWork(o any) (any, error) {
	if work, ok := o.(*workv1.ManifestWork); ok {
		work.ManagedFields = nil
		work.Spec.Workload = workv1.ManifestsTemplate{}
		work.Spec.ManifestConfigs = nil
		work.Spec.Executor = nil
		if work.Labels[opsv1alpha1.LabelPart] == opsv1alpha1.PartCatalog {
			work.Status.ResourceStatus = workv1.ManifestResourceStatus{} // one entry per template and cluster; see seenTo
		}
	}
	return o, nil
}

func slimManagedCluster(o any) (any, error) {
	if c, ok := o.(*clusterv1.ManagedCluster); ok {
		c.ManagedFields = nil
		c.Spec = clusterv1.ManagedClusterSpec{}
		c.Status = clusterv1.ManagedClusterStatus{Conditions: c.Status.Conditions, ClusterClaims: agentClaim(c.Status.ClusterClaims)}
	}
	return o, nil
}

// agentClaim is one claim that an agent of ours has made, if there is any: that tells all that the hub asks.
func agentClaim(claims []clusterv1.ManagedClusterClaim) []clusterv1.ManagedClusterClaim {
	for _, claim := range claims {
		if strings.HasSuffix(claim.Name, opsv1alpha1.ClaimEngine) || strings.HasSuffix(claim.Name, opsv1alpha1.ClaimApp) {
			return []clusterv1.ManagedClusterClaim{{Name: strings.Clone(claim.Name)}}
		}
	}
	return nil
}
