// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"

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
func (r *OperationReconciler) follow(ctx context.Context, p *pass) ([]*catalog.Entry, error) {
	request, err := r.asked(ctx, p.op)
	if err != nil {
		return nil, err
	}
	list := &opsv1alpha1.OperationTemplateList{}
	if err := r.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	entries, problem := r.book.Find(request, list.Items)
	if problem != nil {
		p.status(nil)
		p.refuse(problem, r.NoTemplate)
		return nil, nil
	}
	p.status(entries)
	if len(entries) > 1 {
		return entries, nil // each cluster knows which, and checks
	}
	entry := entries[0]
	filled, wrong := catalog.Fill(p.op.Spec.Parameters, entry.Template.Spec.Defaults)
	if wrong != nil {
		p.transition().Reject(wrong.Error())
		return nil, nil
	}
	if errs := entry.Validate(filled); len(errs) > 0 {
		p.transition().Reject(errs.ToAggregate().Error())
		return nil, nil
	}
	return entries, nil
}

// asked is what the hub knows of an Operation's target: an instance that it has delivered, or nothing.
func (r *OperationReconciler) asked(ctx context.Context, op *opsv1alpha1.Operation) (catalog.Request, error) {
	request := catalog.Request{Operation: op, Engine: op.Spec.Engine}
	if op.Spec.TargetRef == nil {
		return request, nil
	}
	instance, err := find(ctx, r.Client, types.NamespacedName{Namespace: op.Namespace, Name: op.Spec.TargetRef.Name}, &appsv1alpha1.ApplicationInstance{})
	if err != nil {
		return request, fmt.Errorf("read ApplicationInstance %s: %w", op.Spec.TargetRef.Name, err)
	}
	if request.Instance = instance; instance != nil && request.Engine == "" {
		request.Engine = opsv1alpha1.OperationEngine(instance.Annotations[op.Spec.Type.Capability()])
	}
	return request, nil
}

// status records the template, if it is one for all clusters.
func (p *pass) status(entries []*catalog.Entry) {
	p.op.Status.Template = nil
	if len(entries) == 1 {
		p.op.Status.Template = &opsv1alpha1.TemplateStatus{Name: entries[0].Template.Name, Digest: entries[0].Digest}
	}
}

// theOne that all clusters follow; nil when each has its own.
func theOne(entries []*catalog.Entry) *opsv1alpha1.TemplateRef {
	if len(entries) != 1 {
		return nil
	}
	return entries[0].Reference()
}

// refuse says that no template is followed, and why.
func (p *pass) refuse(problem *catalog.Problem, policy NoTemplate) {
	final := problem.Final || (policy == NoTemplateReject && problem.Reason == opsv1alpha1.ReasonNoTemplate)
	if final && problem.Reason == opsv1alpha1.ReasonValidationFailed {
		p.transition().Reject(problem.Message)
		return
	}
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
