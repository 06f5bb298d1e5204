// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"errors"
	"fmt"
	"slices"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	podsecurity "k8s.io/pod-security-admission/api"
	podpolicy "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// What the pods of a run may ask for. It is asked before the run starts, when somebody can still mend it, and again of every object at the moment in
// which it would be created: nothing that is read in between can make a pod that was not judged. Velero, VolSync and Argo make their pods
// themselves; of those only the ServiceAccount is known here.

// pods are what starts pods, as a plan has it.
type pods struct {
	// what messages call it.
	what string
	// account that the pods run as; empty for the namespace's default.
	account string
	// template of the pods, nil where the executor makes it.
	template *corev1.PodTemplateSpec
}

// templatesOwn stands for a ServiceAccount that only a WorkflowTemplate names.
const templatesOwn = "that of its WorkflowTemplate"

// podRules in their order. They are part of the preconditions, and what is asked of each object when it is created.
var podRules = []func(facts) *blocker{accountLent, podsRestricted, imagesAllowed}

// podsIn finds what starts pods among the objects that a run creates.
func podsIn(scheme *runtime.Scheme, objects []client.Object) ([]pods, error) {
	var all []pods
	for _, obj := range objects {
		gvk, err := apiutil.GVKForObject(obj, scheme)
		if err != nil {
			return nil, fmt.Errorf("the plan holds an object of an unknown kind: %w", err)
		}
		p := pods{what: gvk.Kind + " " + obj.GetName()}
		typed, err := scheme.New(gvk)
		if err != nil {
			continue // none of those below
		}
		if u, ok := obj.(*unstructured.Unstructured); ok {
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, typed); err != nil {
				// The cause may quote a value of the chart.
				return nil, &engines.BlockedError{Reason: opsv1alpha1.ReasonPodNotRestricted,
					Message: p.what + " has a field of a wrong type, so that nobody can tell what its pod asks for: mend the chart"}
			}
			obj = typed.(client.Object)
		}
		if p.fill(obj) {
			all = append(all, p)
		}
	}
	return all, nil
}

// fill tells whether an object starts pods.
func (p *pods) fill(obj client.Object) bool {
	switch o := obj.(type) {
	case *batchv1.Job:
		p.account, p.template = o.Spec.Template.Spec.ServiceAccountName, &o.Spec.Template
		if p.account == "" {
			p.account = o.Spec.Template.Spec.DeprecatedServiceAccount
		}
	case *wfv1.Workflow:
		if p.account = o.Spec.ServiceAccountName; p.account == "" {
			p.account = templatesOwn
		}
	case *volsyncv1alpha1.ReplicationSource:
		if r := o.Spec.Restic; r != nil && r.MoverServiceAccount != nil {
			p.account = *r.MoverServiceAccount
		}
	case *volsyncv1alpha1.ReplicationDestination:
		if r := o.Spec.Restic; r != nil && r.MoverServiceAccount != nil {
			p.account = *r.MoverServiceAccount
		}
	default:
		return false
	}
	return true
}

// unprivileged are the ServiceAccounts that a pod in the agent's own namespace may run as.
var unprivileged = []string{"", "default", engines.DefaultServiceAccount}

// accountLent: a pod of a run must never have the token of the agent, or of an executor. They are in one namespace, and there no account is lent.
func accountLent(f facts) *blocker {
	if f.op.Namespace != f.agentNamespace {
		return nil
	}
	for _, p := range f.pods {
		if !slices.Contains(unprivileged, p.account) {
			return blocked(opsv1alpha1.ReasonPodNotRestricted, "%s would run as ServiceAccount %s in the agent's own namespace, where pods run as %s only: "+
				"leave serviceAccountName out in a new Operation", p.what, p.account, engines.DefaultServiceAccount)
		}
	}
	return nil
}

// podSecurity judges pods as the API server's own admission does.
var podSecurity, errPodSecurity = podpolicy.NewEvaluator(podpolicy.DefaultChecks(), nil)

// podsRestricted: by Kubernetes' Pod Security Standard of the namespace's level.
func podsRestricted(f facts) *blocker {
	level := podsecurity.LevelVersion{Level: f.podLevel, Version: podsecurity.LatestVersion()}
	for _, p := range f.pods {
		if p.template == nil {
			continue
		}
		result := podpolicy.AggregateCheckResults(podSecurity.EvaluatePod(level, &p.template.ObjectMeta, &p.template.Spec))
		if result.Allowed {
			continue
		}
		why := result.ForbiddenDetail()
		if f.podLevel == podsecurity.LevelRestricted {
			why += fmt.Sprintf(". Mend the chart, or label namespace %s %s=%s if its hooks may have what that standard allows",
				f.op.Namespace, opsv1alpha1.LabelHookPodSecurity, opsv1alpha1.HookPodSecurityBaseline)
		}
		return blocked(opsv1alpha1.ReasonPodNotRestricted, "the pod of %s is not %s, as the Pod Security Standards call it: %s", p.what, f.podLevel, why)
	}
	return nil
}

// podLevel is what a namespace lets the hooks of charts be. What engine job makes is restricted whatever it is.
func podLevel(labels map[string]string) podsecurity.Level {
	if labels[opsv1alpha1.LabelHookPodSecurity] == opsv1alpha1.HookPodSecurityBaseline {
		return podsecurity.LevelBaseline
	}
	return podsecurity.LevelRestricted
}

// lookAhead is all that a run would create, for what starts pods among it.
func (s *site) lookAhead(ctx context.Context, engine engines.Engine, run engines.Run, changes []engines.Change) ([]pods, error) {
	objects := created(changes)
	if e, ok := engine.(engines.Stepper); ok {
		var err error
		if objects, err = e.Steps(ctx, s.live, run); err != nil {
			return nil, err
		}
	}
	return podsIn(s.Scheme(), objects)
}

func created(changes []engines.Change) []client.Object {
	var objects []client.Object
	for _, c := range changes {
		if c.Verb == engines.VerbCreate {
			objects = append(objects, c.Object)
		}
	}
	return objects
}

// unjudged is what is wrong with the pods of what a run is about to create, or nothing.
func (v *visit) unjudged(ctx context.Context, objects []client.Object, run engines.Run) (*blocker, error) {
	found, err := podsIn(v.Scheme(), objects)
	var b *engines.BlockedError
	switch {
	case errors.As(err, &b):
		return &blocker{reason: b.Reason, message: b.Message}, nil
	case err != nil || len(found) == 0:
		return nil, err
	}
	f, err := v.localFacts(ctx, run.Operation)
	if err != nil {
		return nil, err
	}
	f.pods = found
	return podsAllowed(f), nil
}
