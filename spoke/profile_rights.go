// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

const (
	// verdictHolds is for how long an answer is not asked for again: whatever brings visits, who may do what is asked once a second at most.
	verdictHolds = soonInterval
	// maxVerdicts bounds what is kept of them.
	maxVerdicts = 1024
	// bindingTakes is how long an API server may take to go by a RoleBinding that has just been made.
	bindingTakes = 2 * time.Second
)

// right is what an account has to have. Name is empty for what is created.
type right struct {
	of       account
	verb     string
	resource schema.GroupResource
	name     string
}

// verbs by which changes are made.
var verbs = map[engines.Verb]string{engines.VerbCreate: "create", engines.VerbApply: "patch"}

// rightsFor are what a profile needs for changes.
func (s *site) rightsFor(profile string, changes []engines.Change) ([]right, error) {
	var all []right
	for _, c := range changes {
		gvk, err := apiutil.GVKForObject(c.Object, s.Scheme())
		if err != nil {
			return nil, fmt.Errorf("the plan holds an object of an unknown kind: %w", err)
		}
		if ours(gvk.Group) {
			continue
		}
		mapping, err := s.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
		if err != nil {
			return nil, fmt.Errorf("find the resource of %s: %w", gvk.Kind, err)
		}
		r := right{of: account{c.Object.GetNamespace(), profile}, verb: verbs[c.Verb], resource: mapping.Resource.GroupResource()}
		if c.Verb != engines.VerbCreate {
			r.name = c.Object.GetName()
		}
		if !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all, nil
}

// unequipped is what a run lacks to make changes with a profile: the profile, or one of its rights. It is asked before the run starts, and by then the
// profile is in place in every open namespace. A dry run puts nothing in place, and where nothing is yet, nobody can tell.
func (v *visit) unequipped(ctx context.Context, profile string, changes []engines.Change) (*blocker, error) {
	rights, err := v.rightsFor(profile, changes)
	if err != nil || len(rights) == 0 {
		return nil, err
	}
	question := fmt.Sprint(v.op.Spec.DryRun, rights)
	if b, known := v.verdicts.recall(question, v.now); known {
		return b, nil
	}
	b, err := v.lacking(ctx, rights, v.op.Spec.DryRun)
	if err != nil {
		return nil, err
	}
	v.verdicts.keep(question, b, v.now)
	return b, nil
}

// lacking is the first right that is not there.
func (v *visit) lacking(ctx context.Context, rights []right, dryRun bool) (*blocker, error) {
	footings := map[account]footing{}
	for _, r := range rights {
		f, known := footings[r.of]
		if !known {
			var b *blocker
			var err error
			if f, b, err = v.equip(ctx, r.of, dryRun); err != nil || b != nil {
				return b, err
			}
			footings[r.of] = f
		}
		if dryRun && f.open && f.binding == nil {
			continue
		}
		if allowed, err := v.has(ctx, r, f.fresh); err != nil || !allowed {
			return f.without(r), err
		}
	}
	return nil, nil
}

// has asks whether a right is there. One that may have been given this moment is waited for.
func (v *visit) has(ctx context.Context, r right, fresh bool) (allowed bool, err error) {
	if allowed, err = v.allows(ctx, r); err != nil || allowed || !fresh {
		return allowed, err
	}
	waited := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, bindingTakes, false, func(ctx context.Context) (bool, error) {
		allowed, err = v.allows(ctx, r)
		return allowed, err
	})
	if wait.Interrupted(waited) && ctx.Err() == nil {
		return false, nil // and not for want of time
	}
	return allowed, waited
}

func (s *site) allows(ctx context.Context, r right) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: r.of.user(), Groups: r.of.groups(), ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: r.of.namespace, Verb: r.verb, Group: r.resource.Group, Resource: r.resource.Resource, Name: r.name,
		},
	}}
	if err := s.Create(ctx, review); err != nil {
		return false, fmt.Errorf("ask whether ServiceAccount %s may %s %s: %w", r.of, r.verb, r.resource, err)
	}
	return review.Status.Allowed, nil
}

// footing is what a profile stands on in a namespace.
type footing struct {
	// open: the agent keeps it there.
	open bool
	// fresh: it may be too new to be gone by.
	fresh bool
	// binding is nil where there is none.
	binding *rbacv1.RoleBinding
}

// without says that a right is missing, and who gives it.
func (f footing) without(r right) *blocker {
	missing := fmt.Sprintf("profile %s (ServiceAccount %s) may not %s %s in namespace %s", r.of.profile, r.of, r.verb, r.resource, r.of.namespace)
	role, name := opsv1alpha1.ProfileRole(r.of.profile), opsv1alpha1.ProfileAccount(r.of.profile)
	switch {
	case f.binding == nil:
		return blocked(opsv1alpha1.ReasonRbacProfileMissing, "%s, which is not open to vWorkspace, so that its owner has to bind the profile there: "+
			"kubectl create serviceaccount %[3]s -n %[2]s; kubectl create rolebinding %[4]s -n %[2]s --clusterrole=%[4]s --serviceaccount=%[2]s:%[3]s",
			missing, r.of.namespace, name, role)
	case !slices.ContainsFunc(f.binding.Subjects, func(s rbacv1.Subject) bool { return s.Kind == rbacv1.ServiceAccountKind && s.Name == name }):
		return blocked(opsv1alpha1.ReasonRbacProfileMissing, "%s: RoleBinding %s there, which is not the agent's, does not name that ServiceAccount: "+
			"name it, or delete the RoleBinding", missing, f.binding.Name)
	default:
		return blocked(opsv1alpha1.ReasonRbacProfileMissing, "%s: give %s %s that verb", missing, f.binding.RoleRef.Kind, f.binding.RoleRef.Name)
	}
}

// verdicts are answers of a moment ago.
type verdicts struct {
	mu   sync.Mutex
	kept map[string]verdict
}

type verdict struct {
	blocker *blocker
	at      time.Time
}

func newVerdicts() *verdicts { return &verdicts{kept: map[string]verdict{}} }

func (s *verdicts) recall(question string, now time.Time) (b *blocker, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	said, ok := s.kept[question]
	age := now.Sub(said.at)
	return said.blocker, ok && age >= 0 && age < verdictHolds
}

func (s *verdicts) keep(question string, b *blocker, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= maxVerdicts {
		clear(s.kept)
	}
	s.kept[question] = verdict{b, now}
}
