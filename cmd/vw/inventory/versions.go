// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// How our own Deployments are known, and where they are unless somebody has put them elsewhere.
const (
	labelPart    = "app.kubernetes.io/part-of"
	labelName    = "app.kubernetes.io/name"
	labelVersion = "app.kubernetes.io/version"
	partOf       = "vworkspace-fleet"
	// HubName and AgentName are the names of the hub's and the agent's Deployment and Lease.
	HubName   = "vworkspace-hub"
	AgentName = "vworkspace-agent"
	// HubNamespace of the hub.
	HubNamespace = "vworkspace-hub"
)

// Component is a part of vWorkspace Fleet that is installed on a cluster.
type Component struct {
	// Name is vworkspace-hub or vworkspace-agent, or what its Deployment says.
	Name string `json:"name"`
	// Namespace of it.
	Namespace string `json:"namespace"`
	// Version by its image's tag or, where that has none, by its Deployment's label.
	Version string `json:"version"`
	// Image that it runs.
	Image string `json:"image"`
	// Replicas that are wanted, and how many of them are ready.
	Replicas int32 `json:"replicas"`
	Ready    int32 `json:"ready"`
}

// Components that are installed, by their Deployments. An error that is Forbidden says that they cannot be seen.
func Components(ctx context.Context, c client.Reader) ([]Component, error) {
	ours := client.MatchingLabels{labelPart: partOf}
	list := &appsv1.DeploymentList{}
	err := c.List(ctx, list, ours)
	if apierrors.IsForbidden(err) {
		err = nil
		for _, namespace := range []string{HubNamespace, opsv1alpha1.DefaultAgentNamespace} {
			some := &appsv1.DeploymentList{}
			err = errors.Join(err, c.List(ctx, some, ours, client.InNamespace(namespace)))
			list.Items = append(list.Items, some.Items...)
		}
		if len(list.Items) > 0 {
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	var out []Component
	for i := range list.Items {
		out = append(out, componentOf(&list.Items[i]))
	}
	return out, nil
}

func componentOf(d *appsv1.Deployment) Component {
	component := Component{Name: cmp.Or(d.Labels[labelName], d.Name), Namespace: d.Namespace, Version: d.Labels[labelVersion], Replicas: 1, Ready: d.Status.ReadyReplicas}
	if d.Spec.Replicas != nil {
		component.Replicas = *d.Spec.Replicas
	}
	if containers := d.Spec.Template.Spec.Containers; len(containers) > 0 {
		component.Image = containers[0].Image
		component.Version = cmp.Or(tagOf(component.Image), component.Version)
	}
	return component
}

// tagOf an image; empty when it is named by its digest alone.
func tagOf(image string) string {
	name, _, _ := strings.Cut(image, "@")
	i := strings.LastIndex(name, ":")
	if i < 0 || strings.Contains(name[i:], "/") {
		return ""
	}
	return name[i+1:]
}

// Skew says what is wrong with running two versions side by side; empty when nothing is, or nobody can tell. They get on as long as they differ in nothing but
// the patch.
func Skew(a, b string) string {
	va, err := version.ParseGeneric(strings.TrimPrefix(a, "v"))
	vb, err2 := version.ParseGeneric(strings.TrimPrefix(b, "v"))
	if err != nil || err2 != nil || va.Major() == vb.Major() && va.Minor() == vb.Minor() {
		return ""
	}
	older := a
	if vb.LessThan(va) {
		older = b
	}
	return fmt.Sprintf("%s and %s differ in more than the patch: upgrade what is at %s", a, b, older)
}
