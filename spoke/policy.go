// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/spoke/images"
)

// The AgentPolicy is the last word of a cluster's owner. It is asked after what makes an Operation impossible to judge and before anything that
// somebody would have to mend, so that nobody mends what is not wanted; busy comes last, as it is the only one that goes by itself. It is about
// starting: what runs goes on. Only a pod that a run has yet to make is asked about again when it is made (pods.go).

// maxAllowed values of a list are told in a message.
const maxAllowed = 8

// ownersRules are the ones that are asked once more right before the fence, of the API server: a policy that was changed, and a Freeze that was made,
// before an Operation was created holds for it, however late the cache is.
var ownersRules = []func(facts) *blocker{requestAllowed, templateAllowed, engineAllowed, imagesAllowed, unbusy, unfrozen}

// policy of the cluster's owner, nil when there is none.
func policy(ctx context.Context, r client.Reader) (*opsv1alpha1.AgentPolicySpec, error) {
	var p opsv1alpha1.AgentPolicy
	err := r.Get(ctx, client.ObjectKey{Name: opsv1alpha1.AgentPolicyName}, &p)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the AgentPolicy: %w", err)
	}
	return &p.Spec, nil
}

// requestAllowed: what can be told without the target.
func requestAllowed(f facts) *blocker {
	if f.policy == nil {
		return nil
	}
	if b := unlisted("types", f.policy.Types, f.op.Spec.Type, "the type of this Operation is "+string(f.op.Spec.Type)); b != nil {
		return b
	}
	return unlisted("namespaces", f.policy.Namespaces, f.op.Namespace, "this Operation is in "+f.op.Namespace)
}

// engineAllowed: the engine, and with which rights it works.
func engineAllowed(f facts) *blocker {
	if f.policy == nil {
		return nil
	}
	if b := unlisted("engines", f.policy.Engines, f.engine.Name(), "this Operation needs "+string(f.engine.Name())); b != nil {
		return b
	}
	if b := profileAllowed(f.policy, f.profile()); b != nil || !(suspension{f.target}).needed(f.op) {
		return b
	}
	return profileAllowed(f.policy, suspending)
}

// profileAllowed: with whose rights anything is done, be it for the run itself or for what goes before it. Profiles are told apart without regard to case,
// as the accounts that stand for them.
func profileAllowed(policy *opsv1alpha1.AgentPolicySpec, profile string) *blocker {
	if policy == nil || slices.ContainsFunc(policy.RBACProfiles, func(p string) bool { return strings.EqualFold(p, profile) }) {
		return nil
	}
	return unlisted("rbacProfiles", policy.RBACProfiles, profile, "this Operation needs "+profile)
}

// templateAllowed: what the Operation is.
func templateAllowed(f facts) *blocker {
	if f.policy == nil {
		return nil
	}
	name, is := "", "this Operation follows no template"
	if f.template != nil {
		name = f.template.Template.Name
		is = "this Operation follows template " + name
	}
	return unlisted("templates", f.policy.Templates, name, is)
}

// profile of rights that a run has: its template's, or the engine's own.
func (f facts) profile() string {
	if f.template != nil && f.template.Template.Spec.RBACProfile != "" {
		return f.template.Template.Spec.RBACProfile
	}
	return string(f.engine.Name())
}

// imagesAllowed: what the pods decide, those of them that the agent knows about.
func imagesAllowed(f facts) *blocker {
	if f.policy == nil || len(f.policy.Images) == 0 {
		return nil
	}
	for _, pod := range f.pods {
		if pod.template == nil {
			continue
		}
		for _, ref := range images.Of(&pod.template.Spec) {
			if !images.Allowed(ref, f.policy.Images) {
				return vetoed("images", f.policy.Images, fmt.Sprintf("%s uses %s", pod.what, ref))
			}
		}
	}
	return nil
}

// unbusy comes last, when all that keeps the run from starting is the moment.
func unbusy(f facts) *blocker {
	if f.policy == nil || f.policy.Busy == "" {
		return nil
	}
	return blocked(opsv1alpha1.ReasonClusterBusy, "nothing starts on this cluster while spec.busy is set in its AgentPolicy %s (%q); "+
		"this one starts by itself when that is removed", opsv1alpha1.AgentPolicyName, f.policy.Busy)
}

// unlisted is a veto unless a list is empty or has the value.
func unlisted[T ~string](field string, allowed []T, value T, is string) *blocker {
	if len(allowed) == 0 || slices.Contains(allowed, value) {
		return nil
	}
	return vetoed(field, allowed, is)
}

// vetoed names the field of the AgentPolicy and what it allows.
func vetoed[T ~string](field string, allowed []T, is string) *blocker {
	words := make([]string, 0, maxAllowed+1)
	for i, a := range allowed {
		if i == maxAllowed {
			words = append(words, fmt.Sprintf("%d more", len(allowed)-maxAllowed))
			break
		}
		words = append(words, string(a))
	}
	return blocked(opsv1alpha1.ReasonLocalVeto, "%s, and spec.%s of the AgentPolicy %s of this cluster allows %s only: "+
		"whoever owns the cluster can allow it", is, field, opsv1alpha1.AgentPolicyName, strings.Join(words, ", "))
}
