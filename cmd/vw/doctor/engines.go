// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"vworkspace.io/fleet/cmd/vw/inventory"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/all"
)

// checkEngines: their kinds are served, and their controllers are ready where they can be seen.
func checkEngines(ctx context.Context, s *Site, f *Findings) error {
	registry := all.Default()
	var installed []string
	for _, name := range registry.Names() {
		engine, err := registry.Get(name)
		if err != nil {
			return err
		}
		missing, err := s.missingKinds(engine)
		switch {
		case err != nil:
			return err
		case len(missing) > 0:
			f.warn("install it, if runs shall use it: docs/reference/engines/"+strings.ToLower(string(name))+".md", "engine %s is not installed: %s is not served", name, several(missing))
		default:
			installed = append(installed, string(name))
		}
	}
	if len(installed) > 0 {
		f.ok("served: %s", strings.Join(installed, ", "))
	}
	deployments := &appsv1.DeploymentList{}
	if err := s.Client.List(ctx, deployments); apierrors.IsForbidden(err) {
		f.skip("", "whether their controllers run cannot be seen: you may not list deployments in all namespaces")
		return nil
	} else if err != nil {
		return err
	}
	judgeControllers(f, deployments.Items)
	return nil
}

// missingKinds that an engine needs and nobody serves.
func (s *Site) missingKinds(engine engines.Engine) (missing []string, err error) {
	for _, kind := range engine.Kinds() {
		served, err := s.served(kind)
		if err != nil {
			return nil, err
		}
		if !served {
			gvk, err := s.Client.GroupVersionKindFor(kind)
			if err != nil {
				return nil, err
			}
			missing = append(missing, gvk.Kind+"."+gvk.Group)
		}
	}
	return missing, nil
}

// judgeControllers of engines, by the Deployments of the cluster.
func judgeControllers(f *Findings, deployments []appsv1.Deployment) {
	seen := 0
	for i := range deployments {
		d := &deployments[i]
		controller, known := controllerOf(d)
		if !known {
			continue
		}
		c := componentLike(d)
		fix := fmt.Sprintf("kubectl -n %s describe deploy/%s; kubectl -n %s logs deploy/%s", d.Namespace, d.Name, d.Namespace, d.Name)
		switch {
		case c.Replicas == 0:
			f.warn(fmt.Sprintf("kubectl -n %s scale deploy/%s --replicas=1", d.Namespace, d.Name), "engine %s: Deployment %s/%s is scaled to 0", controller.engine, d.Namespace, d.Name)
		case c.Ready == 0:
			f.fail(fix, "engine %s: Deployment %s/%s does not get on: %s", controller.engine, d.Namespace, d.Name, degraded(d))
		default:
			seen++
		}
	}
	if seen > 0 {
		f.ok("%d Deployments of their controllers are ready", seen)
	}
}

func componentLike(d *appsv1.Deployment) inventory.Component {
	c := inventory.Component{Name: d.Name, Namespace: d.Namespace, Replicas: 1, Ready: d.Status.ReadyReplicas}
	if d.Spec.Replicas != nil {
		c.Replicas = *d.Spec.Replicas
	}
	return c
}
