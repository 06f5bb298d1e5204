// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"
)

// klusterletNamespace is where Open Cluster Management installs its agent.
const klusterletNamespace = "open-cluster-management-agent"

// checkKlusterlet: it is there, and what it was sent is applied.
func checkKlusterlet(ctx context.Context, s *Site, f *Findings) error {
	served, err := s.served(&workv1.AppliedManifestWork{})
	if err != nil {
		return err
	}
	if !served {
		f.skip("", "this cluster is in no fleet: Open Cluster Management's agent is not installed")
		return nil
	}
	deployments := &appsv1.DeploymentList{}
	if err := s.Client.List(ctx, deployments, client.InNamespace(klusterletNamespace)); err != nil {
		return err
	}
	for i := range deployments.Items {
		d := &deployments.Items[i]
		if c := componentLike(d); c.Replicas == 0 || c.Ready < c.Replicas {
			judgeDeployment(f, &c)
		}
	}
	if len(deployments.Items) == 0 {
		f.skip("", "no Deployment is in namespace %s: whether its agent runs is seen from the hub: vw doctor --cluster NAME, there", klusterletNamespace)
		return nil
	}
	works := &workv1.AppliedManifestWorkList{}
	if err := s.Client.List(ctx, works); err != nil {
		return err
	}
	if !f.bad() {
		f.ok("%d Deployments of it are ready, and hold %d ManifestWorks", len(deployments.Items), len(works.Items))
	}
	return nil
}

// engineController is a controller that an engine drives.
type engineController struct {
	engine string
	name   string // of its Deployment, or what that ends with
}

// controllersOfEngines, by the names that they have where they are installed as their projects say.
var controllersOfEngines = []engineController{
	{"helm", "helm-controller"},
	{"helm", "source-controller"},
	{"velero", "velero"},
	{"workflow", "workflow-controller"},
	{"volsync", "volsync"},
	{"volsync", "snapshot-controller"},
}

// controllerOf tells which controller a Deployment is.
func controllerOf(d *appsv1.Deployment) (engineController, bool) {
	for _, c := range controllersOfEngines {
		if d.Name == c.name || strings.HasSuffix(d.Name, "-"+c.name) {
			return c, true
		}
	}
	return engineController{}, false
}

// degraded tells why a Deployment does not get on.
func degraded(d *appsv1.Deployment) string {
	var conditions []metav1.Condition
	for _, c := range d.Status.Conditions {
		conditions = append(conditions, metav1.Condition{Type: string(c.Type), Status: metav1.ConditionStatus(c.Status), Message: c.Message})
	}
	if c := meta.FindStatusCondition(conditions, string(appsv1.DeploymentAvailable)); c != nil && c.Status == metav1.ConditionFalse {
		return c.Message
	}
	return "no pod is ready"
}
