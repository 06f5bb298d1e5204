// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/inventory"
)

// leaseGrace is how much longer than it says a Lease may go unrenewed: whoever takes over needs a moment.
const leaseGrace = 15 * time.Second

// checkHub: it is installed, its pods are ready, and one of them leads.
func checkHub(ctx context.Context, s *Site, f *Findings) error {
	return s.controller(ctx, f, inventory.HubName, inventory.HubNamespace, "docs/how-to/install.md: helm install vworkspace-hub deploy/charts/hub")
}

// checkAgent: the same of a cluster's agent.
func checkAgent(ctx context.Context, s *Site, f *Findings) error {
	err := s.Client.Get(ctx, client.ObjectKey{Name: opsv1alpha1.DefaultAgentNamespace}, &corev1.Namespace{})
	switch {
	case apierrors.IsForbidden(err):
		f.skip("", "whether namespace %s is there cannot be seen: you may not get namespaces", opsv1alpha1.DefaultAgentNamespace)
	case err != nil && !apierrors.IsNotFound(err):
		return err
	case apierrors.IsNotFound(err):
		f.fail("docs/how-to/install.md: helm install vworkspace-agent deploy/charts/spoke", "namespace %s, in which the hub's Operations arrive, is not there", opsv1alpha1.DefaultAgentNamespace)
		return nil
	}
	return s.controller(ctx, f, inventory.AgentName, opsv1alpha1.DefaultAgentNamespace, "docs/how-to/install.md: helm install vworkspace-agent deploy/charts/spoke")
}

func (s *Site) controller(ctx context.Context, f *Findings, name, namespace, install string) error {
	components, err := inventory.Components(ctx, s.Client)
	seen := !apierrors.IsForbidden(err)
	if seen && err != nil {
		return err
	}
	var component *inventory.Component
	for i := range components {
		if components[i].Name == name {
			component = &components[i]
			namespace = component.Namespace
		}
	}
	lease := &coordinationv1.Lease{}
	leaseErr := s.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, lease)
	switch {
	case apierrors.IsNotFound(leaseErr):
		lease = nil
	case apierrors.IsForbidden(leaseErr):
		f.skip("", "whether one leads cannot be seen: you may not read leases in %s", namespace)
		lease = nil
	case leaseErr != nil:
		return leaseErr
	}
	switch {
	case component != nil:
		judgeDeployment(f, component)
	case !seen:
		f.skip("", "whether its pods are ready cannot be seen: you may not list deployments in %s", namespace)
	case lease == nil && leaseErr != nil && apierrors.IsNotFound(leaseErr):
		f.warn(install, "there is neither a Deployment nor a Lease of %s: it is not installed, or runs elsewhere", name)
	}
	if lease != nil {
		judgeLease(f, lease, s.Now)
	}
	return nil
}

func judgeDeployment(f *Findings, c *inventory.Component) {
	fix := fmt.Sprintf("kubectl -n %s get pods; kubectl -n %s logs deploy/%s", c.Namespace, c.Namespace, c.Name)
	switch {
	case c.Replicas == 0:
		f.fail(fmt.Sprintf("kubectl -n %s scale deploy/%s --replicas=2", c.Namespace, c.Name), "Deployment %s/%s is scaled to 0", c.Namespace, c.Name)
	case c.Ready == 0:
		f.fail(fix, "no pod of Deployment %s/%s is ready", c.Namespace, c.Name)
	case c.Ready < c.Replicas:
		f.warn(fix, "%d of %d pods of Deployment %s/%s are ready", c.Ready, c.Replicas, c.Namespace, c.Name)
	default:
		f.ok("%d pods of Deployment %s/%s are ready (%s)", c.Ready, c.Namespace, c.Name, c.Version)
	}
}

func judgeLease(f *Findings, lease *coordinationv1.Lease, now time.Time) {
	fix := fmt.Sprintf("kubectl -n %s get pods; kubectl -n %s logs deploy/%s (docs/how-to/runbooks.md#vworkspacehubabsent)", lease.Namespace, lease.Namespace, lease.Name)
	if lease.Spec.RenewTime == nil || lease.Spec.LeaseDurationSeconds == nil || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" {
		f.fail(fix, "nobody holds Lease %s/%s: no %s leads", lease.Namespace, lease.Name, lease.Name)
		return
	}
	age := now.Sub(lease.Spec.RenewTime.Time).Round(time.Second)
	if age > time.Duration(*lease.Spec.LeaseDurationSeconds)*time.Second+leaseGrace {
		f.fail(fix, "Lease %s/%s was last renewed %s ago: no %s leads", lease.Namespace, lease.Name, age, lease.Name)
		return
	}
	f.ok("%s leads", *lease.Spec.HolderIdentity)
}

// checkVersions of vw and what is installed.
func checkVersions(ctx context.Context, s *Site, f *Findings) error {
	components, err := inventory.Components(ctx, s.Client)
	if err != nil {
		return err
	}
	if len(components) == 0 {
		f.skip("", "no Deployment of ours says what is installed")
		return nil
	}
	for i, c := range components {
		if skew := inventory.Skew(s.Version, c.Version); skew != "" {
			f.warn("install the same version of all of them: docs/how-to/install.md", "vw and %s: %s", c.Name, skew)
		}
		if skew := inventory.Skew(components[0].Version, c.Version); i > 0 && skew != "" {
			f.warn("install the same version of all of them: docs/how-to/install.md", "%s and %s: %s", components[0].Name, c.Name, skew)
		}
	}
	if !f.bad() {
		f.ok("vw %s gets on with %s", s.Version, describeComponents(components))
	}
	return nil
}

func describeComponents(components []inventory.Component) string {
	var names []string
	for _, c := range components {
		names = append(names, c.Name+" "+c.Version)
	}
	return several(names)
}
