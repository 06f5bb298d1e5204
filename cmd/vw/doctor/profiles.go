// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines/all"
	"vworkspace.io/fleet/engines/velero"
)

// veleroWrites are what runs of engine velero do in Velero's namespace: deploy/spoke/profiles.yaml.
var veleroWrites = []authorizationv1.ResourceAttributes{
	{Verb: "create", Group: "velero.io", Resource: "backups"},
	{Verb: "create", Group: "velero.io", Resource: "restores"},
}

// checkProfiles of the engines that are installed, and of templates that name others.
func checkProfiles(ctx context.Context, s *Site, f *Findings) error {
	wanted, err := s.wantedProfiles(ctx)
	if err != nil {
		return err
	}
	var missing []string
	for _, profile := range wanted {
		err := s.Client.Get(ctx, client.ObjectKey{Name: opsv1alpha1.ProfileRole(profile)}, &rbacv1.ClusterRole{})
		switch {
		case apierrors.IsNotFound(err):
			missing = append(missing, opsv1alpha1.ProfileRole(profile))
		case err != nil:
			return err
		}
	}
	if len(missing) > 0 {
		f.warn("kubectl apply --server-side -f deploy/spoke/profiles.yaml, or the chart's profiles.install=true; one of your own: docs/concepts/rights.md#a-profile-of-your-own",
			"ClusterRoles that are not there, so that no run has the profile: %s", several(missing))
	}
	if err := s.checkVeleroProfile(ctx, f); err != nil {
		return err
	}
	if !f.bad() {
		f.ok("the profiles %s are installed", strings.Join(wanted, ", "))
	}
	return nil
}

// wantedProfiles by the engines that are installed and the templates that are there.
func (s *Site) wantedProfiles(ctx context.Context) ([]string, error) {
	var wanted []string
	registry := all.Default()
	for _, name := range registry.Names() {
		engine, err := registry.Get(name)
		if err != nil {
			return nil, err
		}
		missing, err := s.missingKinds(engine)
		if err != nil {
			return nil, err
		}
		if len(missing) == 0 {
			wanted = append(wanted, strings.ToLower(string(name)))
		}
	}
	templates := &opsv1alpha1.OperationTemplateList{}
	if err := s.Client.List(ctx, templates); err != nil && !apierrors.IsForbidden(err) {
		return nil, err
	}
	for i := range templates.Items {
		if profile := templates.Items[i].Spec.RBACProfile; profile != "" {
			wanted = appendNew(wanted, strings.ToLower(profile))
		}
	}
	return sorted(wanted), nil
}

// checkVeleroProfile: in Velero's namespace the agent puts nothing in place, so its owner has to.
func (s *Site) checkVeleroProfile(ctx context.Context, f *Findings) error {
	served, err := s.served(&velerov1.Backup{})
	if err != nil || !served {
		return err
	}
	user := opsv1alpha1.ProfileUser(velero.DefaultNamespace, string(opsv1alpha1.EngineVelero))
	for _, attributes := range veleroWrites {
		attributes.Namespace = velero.DefaultNamespace
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + velero.DefaultNamespace, "system:authenticated"},
			ResourceAttributes: &attributes,
		}}
		err := s.Client.Create(ctx, review)
		if apierrors.IsForbidden(err) {
			f.skip("", "what profile velero may do in namespace %s cannot be seen: you may not create subjectaccessreviews", velero.DefaultNamespace)
			return nil
		}
		if err != nil {
			return err
		}
		if !review.Status.Allowed {
			f.fail("kubectl apply --server-side -f deploy/spoke/examples/velero-profile.yaml, or the chart's profiles.veleroNamespace=velero",
				"profile velero may not %s %s.%s in namespace %s", attributes.Verb, attributes.Resource, attributes.Group, velero.DefaultNamespace)
			return nil
		}
	}
	return nil
}

// checkExecutors that the hub names in what it sends.
func checkExecutors(ctx context.Context, s *Site, f *Findings) error {
	claims, err := s.exists(ctx, "", klusterletNamespace, "Namespace")
	if err != nil {
		return err
	}
	if !claims {
		f.skip("", "this cluster is in no fleet, as far as can be seen: namespace %s is not there", klusterletNamespace)
		return nil
	}
	var missing []string
	for _, name := range []string{opsv1alpha1.OperationExecutor, opsv1alpha1.InstanceExecutor, opsv1alpha1.CatalogExecutor} {
		there, err := s.exists(ctx, opsv1alpha1.DefaultAgentNamespace, name, "ServiceAccount")
		if err != nil {
			return err
		}
		if !there {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		f.fail("kubectl apply --server-side -f deploy/spoke/executors.yaml, or the chart's executors.create=true",
			"ServiceAccounts that are not there in namespace %s: %s", opsv1alpha1.DefaultAgentNamespace, several(missing))
		return nil
	}
	f.ok("all three are there")
	return nil
}
