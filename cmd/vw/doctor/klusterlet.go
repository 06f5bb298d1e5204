// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1 "k8s.io/api/apps/v1"
	workv1 "open-cluster-management.io/api/work/v1"
)

// Where Open Cluster Management is installed: its controllers on the hub, and its agent on a cluster.
const (
	ocmHubNamespace     = "open-cluster-management-hub"
	klusterletNamespace = "open-cluster-management-agent"
)

// checkOCM: the hub's controllers of Open Cluster Management are ready.
func checkOCM(ctx context.Context, s *Site, f *Findings) error {
	n, gates, err := s.openCluster(ctx, f, ocmHubNamespace)
	switch {
	case err != nil:
		return err
	case n == 0:
		f.skip("", "no Deployment is in namespace %s: they run elsewhere", ocmHubNamespace)
	case !f.bad():
		f.ok("%d Deployments are ready%s", n, gates)
	}
	return nil
}

// checkKlusterlet: the same of a cluster's agent.
func checkKlusterlet(ctx context.Context, s *Site, f *Findings) error {
	served, err := s.served(&workv1.AppliedManifestWork{})
	if err != nil {
		return err
	}
	if !served {
		f.skip("", "this cluster is in no fleet: Open Cluster Management's agent is not installed")
		return nil
	}
	n, gates, err := s.openCluster(ctx, f, klusterletNamespace)
	switch {
	case err != nil:
		return err
	case n == 0:
		f.skip("", "no Deployment is in namespace %s: whether its agent runs is seen from the hub: vw doctor --cluster NAME, there", klusterletNamespace)
	case !f.bad():
		f.ok("%d Deployments are ready%s", n, gates)
	}
	return nil
}

// openCluster judges the Deployments of a namespace, and says how many there are and which feature gates they were told of.
func (s *Site) openCluster(ctx context.Context, f *Findings, namespace string) (n int, gates string, err error) {
	deployments := &appsv1.DeploymentList{}
	if err := s.Client.List(ctx, deployments, client.InNamespace(namespace)); err != nil {
		return 0, "", err
	}
	var told []string
	for i := range deployments.Items {
		d := &deployments.Items[i]
		if c := componentLike(d); c.Replicas == 0 || c.Ready < c.Replicas {
			judgeDeployment(f, &c)
		}
		told = append(told, gatesOf(d)...)
	}
	if len(told) > 0 {
		gates = " (feature gates: " + strings.Join(sorted(told), ", ") + ")"
	}
	return len(deployments.Items), gates, nil
}

// gatesOf a Deployment, by the arguments of its containers. Ours need none of them.
func gatesOf(d *appsv1.Deployment) (gates []string) {
	for _, container := range d.Spec.Template.Spec.Containers {
		for _, argument := range append(container.Command, container.Args...) {
			if list, is := strings.CutPrefix(argument, "--feature-gates="); is {
				gates = append(gates, strings.Split(list, ",")...)
			}
		}
	}
	return gates
}
