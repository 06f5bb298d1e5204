// SPDX-License-Identifier: Apache-2.0

package sinks

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/stream"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// secretAgain so often the Secret of an AuditSink is read anew: the hub may read it, and not watch it.
const secretAgain = time.Minute

// AuditSinkReconciler has the stream tell every AuditSink, and says in their statuses how it goes.
type AuditSinkReconciler struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	// Stream that tells them.
	Stream *stream.Stream
	// Namespace of the hub, where the Secrets are.
	Namespace string
	// Clock tells the time.
	Clock clock.PassiveClock

	mu    sync.Mutex
	known map[string][sha256.Size]byte // what each was made from
	wrong map[string]error             // why it could not be
}

// SetupAuditSinks adds the reconciler to a manager. Clock is the system's when nil.
func SetupAuditSinks(mgr ctrl.Manager, s *stream.Stream, namespace string, c clock.PassiveClock) error {
	if c == nil {
		c = clock.RealClock{}
	}
	r := &AuditSinkReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Stream: s, Namespace: namespace, Clock: c}
	changes := make(chan event.GenericEvent, 64)
	s.OnChange(func(name string) {
		if sink, is := strings.CutPrefix(name, stream.AuditSinkPrefix); is {
			o := &opsv1alpha1.AuditSink{}
			o.Name = sink
			changes <- event.GenericEvent{Object: o}
		}
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("auditsink").
		For(&opsv1alpha1.AuditSink{}).
		WatchesRawSource(source.Channel(changes, &handler.EnqueueRequestForObject{})).
		Complete(r)
}

// Reconcile implements reconcile.Reconciler.
func (r *AuditSinkReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	name := stream.AuditSinkPrefix + req.Name
	stored := &opsv1alpha1.AuditSink{}
	err := r.Get(ctx, req.NamespacedName, stored)
	if apierrors.IsNotFound(err) || err == nil && !stored.DeletionTimestamp.IsZero() {
		r.forget(name)
		return ctrl.Result{}, r.Stream.Remove(ctx, name)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.bring(ctx, name, stored); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.report(ctx, name, stored); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return ctrl.Result{RequeueAfter: secretAgain}, nil
}

func (r *AuditSinkReconciler) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, name)
	delete(r.wrong, name)
}

// bring the sink to the stream, anew when what it is made from has changed. One that cannot be made is brought too, and takes nothing: it is waited for.
func (r *AuditSinkReconciler) bring(ctx context.Context, name string, a *opsv1alpha1.AuditSink) error {
	secret, wrong, err := r.secret(ctx, a)
	if err != nil {
		return err
	}
	sum, err := fingerprint(a, secret, wrong)
	if err != nil {
		return err
	}
	r.mu.Lock()
	same := r.known[name] == sum
	r.mu.Unlock()
	if same {
		r.Stream.Pause(name, a.Spec.Suspend)
		return nil
	}
	var sink stream.Sink
	if wrong == nil {
		sink, wrong = r.make(name, a, secret)
	}
	if wrong != nil {
		sink = broken{name: name, err: wrong}
	}
	if err := r.Stream.Add(ctx, sink, a.Spec.Suspend); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known, r.wrong = map[string][sha256.Size]byte{}, map[string]error{}
	}
	r.known[name], r.wrong[name] = sum, wrong
	return nil
}

// secret of an AuditSink, and what is wrong with it; err is for what may pass.
func (r *AuditSinkReconciler) secret(ctx context.Context, a *opsv1alpha1.AuditSink) (data map[string][]byte, wrong, err error) {
	if a.Spec.SecretName == "" {
		return nil, nil, nil
	}
	s := &corev1.Secret{}
	err = r.Live.Get(ctx, types.NamespacedName{Namespace: r.Namespace, Name: a.Spec.SecretName}, s)
	switch {
	case apierrors.IsNotFound(err):
		return nil, &missing{fmt.Errorf("spec.secretName: there is no Secret %s in namespace %s; create it", a.Spec.SecretName, r.Namespace)}, nil
	case apierrors.IsForbidden(err):
		return nil, &missing{fmt.Errorf("spec.secretName: the hub may not read Secret %s in namespace %s; name it in controlPlane.secrets of its chart", a.Spec.SecretName, r.Namespace)}, nil
	case err != nil:
		return nil, nil, fmt.Errorf("read Secret %s: %w", a.Spec.SecretName, err)
	}
	return s.Data, nil, nil
}

// missing credentials.
type missing struct{ error }

// fingerprint of what a sink is made from.
func fingerprint(a *opsv1alpha1.AuditSink, secret map[string][]byte, wrong error) ([sha256.Size]byte, error) {
	spec := a.Spec.DeepCopy()
	spec.Suspend = false
	text := ""
	if wrong != nil {
		text = wrong.Error()
	}
	data, err := json.Marshal([]any{spec, secret, text})
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("compare AuditSink %s: %w", a.Name, err)
	}
	return sha256.Sum256(data), nil
}

// make the sink that a spec asks for.
func (r *AuditSinkReconciler) make(name string, a *opsv1alpha1.AuditSink, secret map[string][]byte) (stream.Sink, error) {
	text := func(k string) string { return strings.TrimSpace(string(secret[k])) }
	if c := a.Spec.CloudEvents; c != nil {
		return NewCloudEvents(name, c.Endpoint, text(opsv1alpha1.SecretToken), secret[opsv1alpha1.SecretCA])
	}
	d := a.Spec.Discuss
	if d == nil {
		return nil, errors.New("spec: exactly one of discuss and cloudEvents must be set")
	}
	account := OdooAccount{Endpoint: d.Endpoint, Database: d.Database, Login: text(opsv1alpha1.SecretLogin), APIKey: text(opsv1alpha1.SecretAPIKey)}
	if account.APIKey == "" {
		return nil, &missing{fmt.Errorf("key %s of Secret %s is missing or empty: put the API key of an Odoo user there", opsv1alpha1.SecretAPIKey, a.Spec.SecretName)}
	}
	if d.API == opsv1alpha1.DiscussJSONRPC && account.Login == "" {
		return nil, &missing{fmt.Errorf("key %s of Secret %s is missing or empty: spec.discuss.api JSONRPC needs the login of the user whose key apiKey is", opsv1alpha1.SecretLogin, a.Spec.SecretName)}
	}
	return NewDiscuss(name, d.API, account, d.Channel, secret[opsv1alpha1.SecretCA], r.Clock)
}

// broken is a sink that could not be made.
type broken struct {
	name string
	err  error
}

func (b broken) Name() string                                { return b.name }
func (b broken) Wants(*wire.Event) bool                      { return true }
func (b broken) Deliver(context.Context, []wire.Event) error { return b.err }
