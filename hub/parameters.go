// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1 "open-cluster-management.io/api/cluster/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/catalog/redact"
	"vworkspace.io/fleet/expressions"
	"vworkspace.io/fleet/placement"
)

const (
	// fewClusters are read one by one; where there are more, all that there are are listed.
	fewClusters = 20
	// clustersPerPage of such a list.
	clustersPerPage = 500
	// clusterAgain is how soon a ManagedCluster is looked for again that a Placement names and that is not there.
	clusterAgain = 5 * time.Second
)

// fillIn evaluates the expressions in the parameters of an Operation, once for each cluster of the plan, and puts into it what they come to. From there on
// nothing is evaluated again. An expression that fails for any cluster is an obstacle, and so is what the template does not take once it is filled in.
func (r *OperationReconciler) fillIn(ctx context.Context, op *opsv1alpha1.Operation, choice catalog.Choice, plan *placement.Plan) (*obstacle, error) {
	form, errs := expressions.Read(op.Spec.Parameters)
	switch {
	case len(errs) > 0:
		return invalid(errs.ToAggregate().Error()), nil
	case form == nil:
		return nil, nil
	case form.Fixed():
		filled, err := expressions.Fill(op.Spec.Parameters, form.Blanks, nil)
		plan.Spec.Parameters = filled
		return nil, err
	}
	names := plan.Clusters()
	clusters, err := r.managedClusters(ctx, names)
	if err != nil {
		return nil, err
	}
	var fails []string
	var first *expressions.Failure
	plan.Blanks, plan.Rows = form.Blanks, make([]json.RawMessage, len(names))
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		cluster, there := clusters[name]
		if !there {
			return &obstacle{reason: opsv1alpha1.ReasonClusterNotFound, message: fmt.Sprintf(
				"spec.parameters has expressions, and there is no ManagedCluster %s to take their values from", name)}, nil
		}
		row, failure := form.Row(known(cluster))
		if failure != nil {
			if fails = append(fails, name); first == nil {
				first = failure
			}
		}
		plan.Rows[i] = row
	}
	if first != nil {
		return invalid(describeFailure(form, first, choice, fails)), nil
	}
	return r.taken(choice, *plan)
}

// invalid is an obstacle that only another Operation overcomes.
func invalid(message string) *obstacle {
	return &obstacle{reason: opsv1alpha1.ReasonValidationFailed, message: message, final: true}
}

// describeFailure names the parameter, the expression and the first cluster for which it has no value. Of what a template redacts it says no more than where
// it is.
func describeFailure(form *expressions.Form, f *expressions.Failure, choice catalog.Choice, clusters []string) string {
	at := form.Blanks[f.Blank].At
	detail := fmt.Sprintf("${%s} has no value for cluster %s: %v", f.Text, andOthers(clusters[0], len(clusters)), f.Cause)
	if redact.Covers(redacted(choice), at) {
		detail = fmt.Sprintf("the expression has no value for cluster %s", andOthers(clusters[0], len(clusters)))
	}
	return field.Invalid(expressions.Path(at), field.OmitValueType{}, detail).Error()
}

// redacted are the parameters that one of the templates keeps out of what is told.
func redacted(choice catalog.Choice) []string {
	var paths []string
	for _, entry := range choice.All() {
		paths = append(paths, entry.Template.Spec.Redact...)
	}
	return paths
}

func andOthers(first string, n int) string {
	if n > 1 {
		return fmt.Sprintf("%s, and for %d others", first, n-1)
	}
	return first
}

// taken has the template look at what the clusters are given: each rendering that differs, once. Where several templates are open, each cluster looks by itself.
func (r *OperationReconciler) taken(choice catalog.Choice, plan placement.Plan) (*obstacle, error) {
	one := choice.One()
	if one == nil {
		return nil, nil
	}
	var wrong *obstacle
	var err error
	names := plan.Clusters()
	plan.Renderings(func(i, clusters int) bool {
		filled, failed := plan.Parameters(i)
		if failed != nil {
			err = failed
			return false
		}
		if errs := one.Takes(filled); len(errs) > 0 {
			wrong = invalid(fmt.Sprintf("%v (as it is filled in for cluster %s)", errs.ToAggregate(), andOthers(names[i], clusters)))
		}
		return wrong == nil
	})
	return wrong, err
}

// known is what expressions can ask of a cluster.
func known(c *clusterv1.ManagedCluster) expressions.Cluster {
	claims := make(map[string]string, len(c.Status.ClusterClaims))
	for _, claim := range c.Status.ClusterClaims {
		claims[claim.Name] = claim.Value
	}
	return expressions.Cluster{Name: c.Name, Labels: c.Labels, Claims: claims}
}

// managedClusters as the API server has them, by their names; those that do not exist are left out. The cache holds no claims and no taints, so that they
// cost memory only while a plan is made of them.
func (r *OperationReconciler) managedClusters(ctx context.Context, names []string) (map[string]*clusterv1.ManagedCluster, error) {
	found := make(map[string]*clusterv1.ManagedCluster, len(names))
	if len(names) <= fewClusters {
		for _, name := range names {
			cluster, err := find(ctx, r.Live, types.NamespacedName{Name: name}, &clusterv1.ManagedCluster{})
			if err != nil {
				return nil, fmt.Errorf("read ManagedCluster %s: %w", name, err)
			}
			if cluster != nil {
				found[name] = cluster
			}
		}
		return found, nil
	}
	wanted := sets.New(names...)
	list := &clusterv1.ManagedClusterList{}
	for {
		page := &clusterv1.ManagedClusterList{}
		if err := r.Live.List(ctx, page, client.Limit(clustersPerPage), client.Continue(list.Continue)); err != nil {
			return nil, fmt.Errorf("list ManagedClusters: %w", err)
		}
		for i := range page.Items {
			if c := &page.Items[i]; wanted.Has(c.Name) {
				c.ManagedFields = nil
				found[c.Name] = c
			}
		}
		if list = page; list.Continue == "" {
			return found, nil
		}
	}
}

// parametersOf clusters that are given their own, for callers that hold the lock; none where all are given the same.
func (r *run) parametersOf(clusters []string) (map[string]*runtime.RawExtension, error) {
	if len(r.plan.Blanks) == 0 || len(clusters) == 0 {
		return nil, nil
	}
	own := make(map[string]*runtime.RawExtension, len(clusters))
	for _, cluster := range clusters {
		filled, err := r.plan.Parameters(r.tally.Index(cluster))
		if err != nil {
			return nil, fmt.Errorf("parameters of cluster %s: %w", cluster, err)
		}
		own[cluster] = filled
	}
	return own, nil
}
