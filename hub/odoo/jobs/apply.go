// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

const (
	// FieldManager owns what jobs apply.
	FieldManager = "vworkspace-control-plane"
	// EntryManager owns the capabilities that come from catalog entries.
	EntryManager = "vworkspace-catalog-entry"
)

// applier does what jobs ask for, as the ServiceAccount of their session.
type applier struct {
	accounts
	live  client.Reader // the hub's own, past its cache
	store store
	// record of a job by its ConfigMap's name; nil when there is none.
	record func(name string) *Record

	// one ApplicationInstance, or list of them, at a time: between a look at whose it is, or at the catalog, and the write that follows, no other job writes.
	one sync.Mutex
}

// read an object past the cache; nil when it is not there.
func (a *applier) read(ctx context.Context, ref *wire.Ref) (*unstructured.Unstructured, error) {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind))
	err := a.live.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, o)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown(ref), err)
	}
	return o, nil
}

// apply an object. An error that is a *Refusal is final; after any other it may have been applied, or not.
func (a *applier) apply(ctx context.Context, s *Session, r *Record, o *unstructured.Unstructured) (*wire.Ref, error) {
	c, err := a.as(s.Account)
	if err != nil {
		return nil, err
	}
	switch o.GetKind() {
	case kindOperation:
		return a.create(ctx, c, s, r, o)
	case kindInstance:
		a.one.Lock()
		defer a.one.Unlock()
		if err := s.confined(ctx, a.live, o.GetNamespace(), o.GetName()); err != nil {
			return nil, err
		}
	}
	if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(FieldManager)); err != nil {
		return nil, a.told(err, s, o)
	}
	ref := refOf(o)
	if o.GetKind() == kindInstance {
		return ref, a.advertiseOne(ctx, c, s, o)
	}
	return ref, nil
}

// create an Operation: it is nobody else's, or it is a conflict. It stays until what becomes of it has been told, so that it cannot be gone before the record
// says that it was made.
func (a *applier) create(ctx context.Context, c client.Client, s *Session, r *Record, o *unstructured.Unstructured) (*wire.Ref, error) {
	if err := s.target(ctx, a.live, o); err != nil {
		return nil, err
	}
	controllerutil.AddFinalizer(o, opsv1alpha1.ReportFinalizer)
	err := c.Create(ctx, o, client.FieldOwner(FieldManager), client.FieldValidation(metav1.FieldValidationStrict))
	if err == nil {
		return refOf(o), nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return nil, a.told(err, s, o)
	}
	there, err := a.read(ctx, refOf(o))
	switch {
	case err != nil:
		return nil, err
	case there == nil:
		return nil, fmt.Errorf("%s existed and is gone again", shown(refOf(o)))
	case made(there, r, a.user(s.Account)):
		return refOf(there), nil
	}
	if twin := a.twin(there, r, a.user(s.Account)); twin != "" {
		return nil, &Refusal{Outcome: wire.OutcomeNoop, Message: sameKey(twin)}
	}
	return nil, &Refusal{Outcome: wire.OutcomeConflict, Message: fmt.Sprintf("metadata.name: %s exists, and was made by %s: give the new one another name",
		shown(refOf(there)), maker(there))}
}

// made tells whether a job made an object, or changed it last. Anybody may write the annotation that says so, but nobody else than the account is written down as the
// one who asked for an Operation of its.
func made(o *unstructured.Unstructured, r *Record, account string) bool {
	annotations := o.GetAnnotations()
	by := annotations[opsv1alpha1.AnnotationRequestedBy]
	return annotations[opsv1alpha1.AnnotationJob] == r.source() && (by == "" || by == account)
}

// twin is the id of a job with the same key that made an object, and whose record does not say so yet: the API server's answer was lost. Empty when there is none.
func (a *applier) twin(o *unstructured.Unstructured, r *Record, account string) string {
	controlPlane, id, _ := strings.Cut(o.GetAnnotations()[opsv1alpha1.AnnotationJob], "/")
	if controlPlane != r.ControlPlane || r.Job.IdempotencyKey == "" {
		return ""
	}
	other := a.record(RecordName(controlPlane, id))
	if other == nil || other.Job.IdempotencyKey != r.Job.IdempotencyKey || !made(o, other, account) {
		return ""
	}
	return id
}

func maker(o *unstructured.Unstructured) string {
	annotations := o.GetAnnotations()
	if job := annotations[opsv1alpha1.AnnotationJob]; job != "" {
		return "job " + job
	}
	if user := annotations[opsv1alpha1.AnnotationRequestedBy]; user != "" {
		return user
	}
	return "somebody else"
}

// remove an object, if it is still the one that was meant.
func (a *applier) remove(ctx context.Context, s *Session, o *unstructured.Unstructured) error {
	c, err := a.as(s.Account)
	if err != nil {
		return err
	}
	uid := o.GetUID()
	if err := c.Delete(ctx, o, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return a.told(err, s, o)
	}
	return nil
}

// told is what the API server has said about an object: final, or to be tried again.
func (a *applier) told(err error, s *Session, o *unstructured.Unstructured) error {
	if final := refusedByAPI(err, a.user(s.Account), o.GetNamespace()); final != nil {
		return final
	}
	return fmt.Errorf("%s: %w", shown(refOf(o)), err)
}
