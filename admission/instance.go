// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
)

// OfCluster is the rule of the agent of a cluster: an object whose label names another cluster went astray. An object that has the label already is left
// alone, so that its other fields, and its finalizers, can still be changed. That the label never changes on the hub needs no lookup, and is a policy.
func OfCluster(cluster string) Rule {
	return func(_ context.Context, q Question) field.ErrorList {
		named := q.Object.GetLabels()[appsv1alpha1.LabelClusterID]
		if cluster == "" || named == "" || named == cluster {
			return nil
		}
		var old struct {
			Metadata metav1.ObjectMeta `json:"metadata"`
		}
		if err := json.Unmarshal(q.Request.OldObject.Raw, &old); err == nil && old.Metadata.Labels[appsv1alpha1.LabelClusterID] == named {
			return nil
		}
		return field.ErrorList{field.Invalid(field.NewPath("metadata", "labels").Key(appsv1alpha1.LabelClusterID), named, fmt.Sprintf(
			"this is cluster %s: leave the label out here, or create it on the hub, which delivers it to %s", cluster, named))}
	}
}
