// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// equip puts in place what a profile stands on in a namespace: a ServiceAccount, and a RoleBinding to the profile's ClusterRole. Only where the cluster's
// owner has installed that, and only in open namespaces: elsewhere it is the namespace's owner's. What is there under these names is left as it is, whoever
// made it. Both belong to the ClusterRole, and go with it.
func (v *visit) equip(ctx context.Context, a account, dryRun bool) (f footing, b *blocker, err error) {
	role, b, err := v.profileRole(ctx, a.profile)
	if err != nil || b != nil {
		return f, b, err
	}
	if f.open, err = v.gated(ctx, a.namespace); err != nil {
		return f, nil, err
	}
	for _, part := range []client.Object{accountFor(a, role), bindingFor(a, role)} {
		there, made, err := v.keep(ctx, part, f.open && !dryRun)
		switch {
		case apierrors.IsForbidden(err):
			return f, blocked(opsv1alpha1.ReasonRbacProfileMissing, "profile %s cannot be put in place in namespace %s: %v", a.profile, a.namespace, err), nil
		case err != nil:
			return f, nil, err
		case made:
			v.hands.bound(a)
		}
		if binding, ok := there.(*rbacv1.RoleBinding); ok {
			f.binding = binding
		}
	}
	f.fresh = v.hands.justBound(a)
	return f, nil, nil
}

// profileRole is the ClusterRole of a profile. Where there is none, or it is not for the agent to use, that is what the cluster's owner wants.
func (s *site) profileRole(ctx context.Context, profile string) (*metav1.PartialObjectMetadata, *blocker, error) {
	role := &metav1.PartialObjectMetadata{}
	role.SetGroupVersionKind(rbacv1.SchemeGroupVersion.WithKind("ClusterRole"))
	name := opsv1alpha1.ProfileRole(profile)
	switch err := s.live.Get(ctx, client.ObjectKey{Name: name}, role); {
	case apierrors.IsNotFound(err):
		return nil, blocked(opsv1alpha1.ReasonRbacProfileMissing, "profile %s is not installed on this cluster: its owner makes ClusterRole %s, "+
			"with what runs of that profile may do (docs/concepts/rights.md)", profile, name), nil
	case apierrors.IsForbidden(err):
		return nil, blocked(opsv1alpha1.ReasonRbacProfileMissing, "profile %s is not one that the agent of this cluster may use: "+
			"its owner adds it to the chart's value profiles.extra (docs/concepts/rights.md)", profile), nil
	case err != nil:
		return nil, nil, fmt.Errorf("read ClusterRole %s: %w", name, err)
	}
	return role, nil, nil
}

// keep reads an object or, when it is not there and may be made, makes it. It returns what is there, or nil, and whether that was made just now.
func (s *site) keep(ctx context.Context, want client.Object, mayMake bool) (there client.Object, made bool, err error) {
	what := fmt.Sprintf("%T %s/%s", want, want.GetNamespace(), want.GetName())
	there = want.DeepCopyObject().(client.Object)
	err = s.live.Get(ctx, client.ObjectKeyFromObject(want), there)
	switch {
	case err == nil:
		return there, false, nil
	case !apierrors.IsNotFound(err):
		return nil, false, fmt.Errorf("read %s: %w", what, err)
	case !mayMake:
		return nil, false, nil
	}
	if err = s.Create(ctx, want); apierrors.IsAlreadyExists(err) {
		there = want.DeepCopyObject().(client.Object)
		return there, true, s.live.Get(ctx, client.ObjectKeyFromObject(want), there)
	}
	if err != nil {
		return nil, false, fmt.Errorf("make %s: %w", what, err)
	}
	return want, true, nil
}

// regain puts in place what a profile stands on when a write with its rights was refused after the run had started: somebody may have taken it away, and
// what runs has to be stopped, or put back, all the same. The write is tried again with the next visit.
func (v *visit) regain(ctx context.Context, a account, refused error) error {
	if a == (account{}) || v.op.Spec.DryRun || !apierrors.IsForbidden(refused) {
		return refused
	}
	_, _, err := v.equip(ctx, a, false)
	return errors.Join(refused, err)
}

func accountFor(a account, role *metav1.PartialObjectMetadata) *corev1.ServiceAccount {
	mount := false
	return &corev1.ServiceAccount{ObjectMeta: partOf(a, role, opsv1alpha1.ProfileAccount(a.profile)), AutomountServiceAccountToken: &mount}
}

func bindingFor(a account, role *metav1.PartialObjectMetadata) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: partOf(a, role, role.Name),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: a.namespace, Name: opsv1alpha1.ProfileAccount(a.profile)}},
	}
}

func partOf(a account, role *metav1.PartialObjectMetadata, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: a.namespace, Name: name,
		Labels:          map[string]string{appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole", Name: role.Name, UID: role.UID}},
	}
}
