// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/light"
)

var instances = light.Kind{GroupVersionResource: appsv1alpha1.GroupVersion.WithResource("applicationinstances"), Kind: "ApplicationInstance", Namespaced: true}

// Apps are the applications of a fleet, or of one cluster.
type Apps struct {
	Apps []App `json:"apps"`
	// Notes say what could not be read, and what is not shown for it.
	Notes []string `json:"notes,omitempty"`
}

// App is instances that are alike: of one catalog entry in one version and, where that was asked for, on one cluster.
type App struct {
	// CatalogID of the entry.
	CatalogID string `json:"catalogId"`
	// Version of the chart that runs; empty where that is not known.
	Version string `json:"version,omitempty"`
	// Cluster that all of them are on, when they are told apart by clusters.
	Cluster string `json:"cluster,omitempty"`
	// Count of instances, and how many of them are Ready.
	Count int `json:"count"`
	Ready int `json:"ready"`
	// Clusters that they are on. Empty for a cluster's own.
	Clusters []string `json:"clusters,omitempty"`
	// Undelivered are instances that clusters count and that did not come from this hub: nothing is known of them but their number.
	Undelivered bool `json:"undelivered,omitempty"`
	// NotReady are those that are not, as NAMESPACE/NAME: REASON, the first of them.
	NotReady []string `json:"notReady,omitempty"`
}

// shownNotReady is how many instances that are not Ready an App names.
const shownNotReady = 10

// instance is what is read of an ApplicationInstance.
type instance struct {
	Metadata struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		AppRef appsv1alpha1.AppRef `json:"appRef"`
		Chart  struct {
			Version string `json:"version"`
		} `json:"chart"`
	} `json:"spec"`
	Status struct {
		LastAppliedChart struct {
			Version string `json:"version"`
		} `json:"lastAppliedChart"`
		Cluster     string                 `json:"cluster"`
		Ready       metav1.ConditionStatus `json:"ready"`
		ReadyReason string                 `json:"readyReason"`
	} `json:"status"`
}

// ReadApps of a query; byCluster tells them apart by the clusters that they are on.
func ReadApps(ctx context.Context, r *light.Reader, q light.Query, byCluster bool) (*Apps, error) {
	list, _, err := light.List[instance](ctx, r, instances, q)
	if err != nil {
		return nil, err
	}
	apps := &Apps{}
	var clusters []managed
	if q.Namespace == "" && q.Labels == "" { // clusters count all that they have
		if clusters, _, err = light.List[managed](ctx, r, managedClusters, light.Query{}); err != nil {
			clusters = nil // a cluster alone knows of no others, and who may not read them sees what this hub delivers
		}
	}
	apps.Apps = count(list, clusters, byCluster)
	return apps, nil
}

// key of instances that are alike.
type key struct{ id, version, cluster string }

func count(list []instance, clusters []managed, byCluster bool) []App {
	counted := map[key]*App{}
	of := func(k key) *App {
		if !byCluster {
			k.cluster = ""
		}
		if counted[k] == nil {
			counted[k] = &App{CatalogID: k.id, Version: k.version, Cluster: k.cluster}
		}
		return counted[k]
	}
	delivered := map[string]map[string]int{} // by cluster and claim
	for i := range list {
		in := &list[i]
		id, cluster := in.Spec.AppRef.CatalogID, cmp.Or(in.Status.Cluster, in.Metadata.Labels[appsv1alpha1.LabelClusterID])
		app := of(key{id, cmp.Or(in.Status.LastAppliedChart.Version, in.Spec.Chart.Version), cluster})
		app.add(in, cluster)
		if delivered[cluster] == nil {
			delivered[cluster] = map[string]int{}
		}
		delivered[cluster][opsv1alpha1.AppClaim(id)]++
	}
	for i := range clusters {
		name := clusters[i].Metadata.Name
		for _, claim := range clusters[i].Status.ClusterClaims {
			n, err := strconv.Atoi(claim.Value)
			id, ours := strings.CutSuffix(claim.Name, opsv1alpha1.ClaimApp)
			if more := n - delivered[name][claim.Name]; err == nil && ours && more > 0 {
				app := of(key{id, "", name})
				app.Undelivered, app.Count = true, app.Count+more
				app.on(name)
			}
		}
	}
	out := make([]App, 0, len(counted))
	for _, app := range counted {
		slices.Sort(app.Clusters)
		out = append(out, *app)
	}
	slices.SortFunc(out, func(a, b App) int {
		return cmp.Or(cmp.Compare(a.CatalogID, b.CatalogID), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Cluster, b.Cluster))
	})
	return out
}

func (a *App) add(in *instance, cluster string) {
	a.Count++
	a.on(cluster)
	switch {
	case in.Status.Ready == metav1.ConditionTrue:
		a.Ready++
	case len(a.NotReady) < shownNotReady:
		a.NotReady = append(a.NotReady, in.Metadata.Namespace+"/"+in.Metadata.Name+": "+cmp.Or(in.Status.ReadyReason, opsv1alpha1.ReasonNotYetReported))
	}
}

func (a *App) on(cluster string) {
	if cluster != "" && !slices.Contains(a.Clusters, cluster) {
		a.Clusters = append(a.Clusters, cluster)
	}
}
