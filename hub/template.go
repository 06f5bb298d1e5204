// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
)

// NoTemplate says what becomes of an Operation that no template allows.
type NoTemplate string

const (
	// NoTemplateBlock waits for one, no longer than the start deadline.
	NoTemplateBlock NoTemplate = "Block"
	// NoTemplateReject ends the Operation at once.
	NoTemplateReject NoTemplate = "Reject"
)

// Set reads it from a flag.
func (n *NoTemplate) Set(text string) error {
	switch NoTemplate(text) {
	case NoTemplateBlock, NoTemplateReject:
		*n = NoTemplate(text)
		return nil
	}
	return fmt.Errorf("must be %s or %s", NoTemplateBlock, NoTemplateReject)
}

// follow finds the templates that an Operation follows, and checks its parameters against the one, if it is one. None and no error means that
// something stands in the way, which is then in the status.
func (r *OperationReconciler) follow(ctx context.Context, p *pass) (catalog.Choice, error) {
	instance, err := targetOf(ctx, r.Client, p.op)
	if err != nil {
		return catalog.Choice{}, err
	}
	list := &opsv1alpha1.OperationTemplateList{}
	if err := r.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return catalog.Choice{}, fmt.Errorf("read the catalog: %w", err)
	}
	choice, problem := r.book.Follow(catalog.NewRequest(p.op, instance), list.Items)
	p.status(choice.One())
	if problem != nil {
		p.refuse(problem, r.NoTemplate)
		return catalog.Choice{}, nil
	}
	return choice, nil
}

// targetOf is an Operation's target, if it is one that the hub has delivered, as a reader has it: a cache, or the API server.
func targetOf(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation) (*appsv1alpha1.ApplicationInstance, error) {
	if op.Spec.TargetRef == nil {
		return nil, nil
	}
	instance, err := find(ctx, from, types.NamespacedName{Namespace: op.Namespace, Name: op.Spec.TargetRef.Name}, &appsv1alpha1.ApplicationInstance{})
	if err != nil {
		return nil, fmt.Errorf("read ApplicationInstance %s: %w", op.Spec.TargetRef.Name, err)
	}
	return instance, nil
}

// status records the template, if it is one for all clusters.
func (p *pass) status(one *catalog.Entry) {
	p.op.Status.Template = nil
	if one != nil {
		p.op.Status.Template = &opsv1alpha1.TemplateStatus{Name: one.Template.Name, Digest: one.Digest}
	}
}

// cacheAgain is how soon the cache is asked again that lagged behind.
const cacheAgain = time.Second

// current tells whether by the API server's catalog an Operation follows the same templates in the same form. Clusters hold what they are sent against their own
// catalog, which is brought to them from there: by a cache that lags behind they would be sent a form of it that they never see again, and would wait for it in
// vain. And a template that has just come may be the one that asks for an approval.
func (r *OperationReconciler) current(ctx context.Context, op *opsv1alpha1.Operation, choice catalog.Choice) (bool, error) {
	instance, err := targetOf(ctx, r.Live, op)
	if err != nil {
		return false, err
	}
	var which []client.ListOption
	if ref := op.Spec.TemplateRef; ref != nil {
		which = append(which, client.MatchingFields{"metadata.name": ref.Name})
	}
	list := &opsv1alpha1.OperationTemplateList{}
	if err := r.Live.List(ctx, list, which...); err != nil {
		return false, fmt.Errorf("read the catalog again: %w", err)
	}
	now, problem := r.book.Follow(catalog.NewRequest(op, instance), list.Items)
	return problem == nil && now.Same(choice), nil
}

// refuse says that no template is followed, and why.
func (p *pass) refuse(problem *catalog.Problem, policy NoTemplate) {
	final := problem.Final || (policy == NoTemplateReject && problem.Reason == opsv1alpha1.ReasonNoTemplate)
	p.meet(obstacle{reason: problem.Reason, message: problem.Message, final: final})
}

// unstarted are the Operations that have not begun: a template that came or changed may be the one that they wait for.
func (r *OperationReconciler) unstarted() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, _ client.Object) []ctrl.Request {
		list := &opsv1alpha1.OperationList{}
		if err := r.List(ctx, list, client.MatchingFields{indexUnstarted: indexUnstarted}); err != nil {
			return nil // the cache has stopped: so has everything else
		}
		requests := make([]ctrl.Request, len(list.Items))
		for i := range list.Items {
			requests[i].NamespacedName = client.ObjectKeyFromObject(&list.Items[i])
		}
		return requests
	})
}
