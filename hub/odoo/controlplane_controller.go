// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/jobs"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// lookEvery so often the Secret of a ControlPlane is read again: the hub may not watch it.
const lookEvery = time.Minute

// reconciler looks after ControlPlanes.
type reconciler struct {
	client.Client
	live client.Reader
	jobs *jobs.Jobs
	Options

	mu       sync.Mutex
	sessions map[string]*session // by the name of the ControlPlane
	fresh    map[string]*fresh   // credentials that are not stored yet
	refused  map[string]refusal  // by the name of the ControlPlane
	added    map[string]string   // managed clusters of the sinks that were added
	ended    bool                // nothing begins any more
	queue    workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// pass over one ControlPlane.
type pass struct {
	*reconciler
	before *opsv1alpha1.ControlPlane // as it is stored
	cp     *opsv1alpha1.ControlPlane
	secret *credentials
}

// Reconcile implements reconcile.Reconciler.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	cp := &opsv1alpha1.ControlPlane{}
	if err := r.Get(ctx, req.NamespacedName, cp); err != nil {
		if client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, err
		}
		r.end(req.Name)
		return ctrl.Result{}, r.removeSink(ctx, req.Name)
	}
	p := &pass{reconciler: r, before: cp.DeepCopy(), cp: cp}
	again, err := p.run(ctx)
	err = p.conclude(err)
	if patchErr := r.patchStatus(ctx, p.before, p.cp); apierrors.IsConflict(patchErr) {
		again = time.Second
	} else if patchErr != nil {
		err = errors.Join(err, patchErr)
	}
	if after := wire.RetryAfter(err); after > 0 {
		return ctrl.Result{RequeueAfter: max(after, time.Second)}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: min(max(again, time.Second), lookEvery)}, nil
}

// run does what is to be done, and tells when to look again.
func (p *pass) run(ctx context.Context) (time.Duration, error) {
	if err := p.addSink(ctx); err != nil { // first of all: what there is to tell is kept for it
		return 0, err
	}
	if p.cp.Spec.Suspend {
		return lookEvery, problemf(opsv1alpha1.ReasonSuspended, "spec.suspend is set")
	}
	if err := p.look(ctx); err != nil {
		return lookEvery, err
	}
	s, err := p.begin(ctx)
	if err != nil {
		return lookEvery, err
	}
	return p.renew(ctx, s)
}

// look at the Secret, and get credentials if there are none.
func (p *pass) look(ctx context.Context) error {
	name := p.cp.Name
	if f := p.unkept(name); f != nil {
		if err := p.settled(ctx, f); err != nil {
			return err
		}
	}
	c, err := p.readCredentials(ctx)
	if err != nil {
		return err
	}
	if c.registrationToken != "" {
		if c, err = p.registered(ctx, c); err != nil {
			return err
		}
	}
	if c.token == "" {
		return problemf(opsv1alpha1.ReasonCredentialsMissing, "Secret %s: data[%q] is missing: put a registration token from the control plane there",
			c.secret, opsv1alpha1.SecretRegistrationToken)
	}
	p.secret = c
	return nil
}

func (p *pass) readCredentials(ctx context.Context) (*credentials, error) {
	secret, err := p.readSecret(ctx, p.cp.Spec.CredentialsSecret)
	if err != nil {
		return nil, err
	}
	return parseCredentials(secret)
}

// registered exchanges the one-time token, unless that was not taken before.
func (p *pass) registered(ctx context.Context, c *credentials) (*credentials, error) {
	name, tried := p.cp.Name, fmt.Sprint(p.cp.Generation, digestOf(map[string][]byte{"": []byte(c.registrationToken)}))
	if why := p.refusal(name, tried); why != nil {
		return nil, why
	}
	f, err := p.register(ctx, p.cp, c)
	if why, final := isProblem(err); final {
		p.setRefused(name, tried, why)
	}
	if err != nil {
		return nil, err
	}
	p.remember(name, f)
	if err := p.settled(ctx, f); err != nil {
		return nil, err
	}
	return p.readCredentials(ctx)
}

// settled keeps fresh credentials, unless a job that exchanges them has just done so.
func (p *pass) settled(ctx context.Context, f *fresh) error {
	s := p.session(p.cp.Name)
	if s != nil {
		s.rotating.Lock()
		defer s.rotating.Unlock()
	}
	if p.unkept(p.cp.Name) != f {
		return nil
	}
	if err := p.settle(ctx, p.cp, s, f); err != nil {
		return err
	}
	p.before = p.cp.DeepCopy()
	return nil
}

// begin a session, or go on with the one there is.
func (p *pass) begin(ctx context.Context) (*session, error) {
	name, made := p.cp.Name, fingerprint{p.cp.Generation, p.secret.rest}
	if s := p.session(name); s != nil && s.made == made {
		if _, token, _ := s.link.using(); token == p.secret.token {
			return s, nil
		}
		if s.link.look().stopped == "" {
			return s, s.link.use(p.secret.token)
		}
	}
	p.end(name)
	options := p.wireOptions(p.cp, p.secret)
	wireClient, err := wire.NewClient(options)
	if err != nil {
		return nil, problemf(opsv1alpha1.ReasonInvalidConfiguration, "spec, or Secret %s: %s", p.secret.secret, err)
	}
	secretName := p.cp.Spec.CredentialsSecret
	s := &session{made: made, done: make(chan struct{})}
	s.link = newLink(wireClient, options.Token, p.Clock, func(ctx context.Context) (string, error) { return p.tokenOf(ctx, secretName) }, func() { p.ask(name) })
	beats, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	if !p.put(name, s) {
		stop()
		return nil, errNoSession
	}
	go s.heartbeats(beats, p.Clock, func() wire.Event { return p.beat(beats, name, options.ClusterID, s) })
	err = p.jobs.Open(ctx, jobs.Session{
		ControlPlane: name, UID: p.cp.UID, ClusterID: options.ClusterID, ManagedCluster: p.cp.Spec.ManagedCluster,
		Account: p.cp.Spec.ServiceAccount, Timeout: jobTimeout(p.cp), Client: s.link, Open: p.secret.open(&p.cp.Spec),
		Rotate: func(ctx context.Context, since time.Time) error { return p.rotate(ctx, s, name, since) },
		Ready:  func() bool { return p.Stream.Resynced(sinkName(name)) },
	})
	if err != nil {
		p.end(name)
	}
	return s, err
}

// renew credentials that are old enough, and tell when to look again.
func (p *pass) renew(ctx context.Context, s *session) (time.Duration, error) {
	if s.link.look().stopped != "" {
		return lookEvery, nil
	}
	var every time.Duration
	if d := p.cp.Spec.RotateEvery; d != nil {
		every = d.Duration
	}
	since := givenAt(p.cp)
	left := rotationDue(since, p.secret.expiresAt, every).Sub(s.link.now())
	if left > 0 {
		return left, nil
	}
	err := p.rotate(ctx, s, p.cp.Name, since.Add(time.Second))
	if later, ok := errors.AsType[*jobs.Later](err); ok {
		return later.After, nil // the link says how it is
	}
	if errors.Is(err, jobs.ErrStopped) {
		return lookEvery, nil
	}
	if err != nil {
		return 0, err
	}
	now := &opsv1alpha1.ControlPlane{}
	if err := p.live.Get(ctx, client.ObjectKeyFromObject(p.cp), now); err != nil {
		return 0, fmt.Errorf("read ControlPlane %s: %w", p.cp.Name, err)
	}
	p.before, p.cp = now, now.DeepCopy()
	return lookEvery, nil
}

func (r *reconciler) tokenOf(ctx context.Context, secretName string) (string, error) {
	secret, err := r.readSecret(ctx, secretName)
	if err != nil {
		return "", err
	}
	c, err := parseCredentials(secret)
	if err != nil {
		return "", err
	}
	return c.token, nil
}

// beat is the heartbeat of a ControlPlane.
func (r *reconciler) beat(ctx context.Context, name, clusterID string, s *session) wire.Event {
	cp := &opsv1alpha1.ControlPlane{}
	if err := r.Get(ctx, types.NamespacedName{Name: name}, cp); err != nil {
		cp.Name = name // it is about to end
	}
	return heartbeat(cp, clusterID, s.link.now())
}

func jobTimeout(cp *opsv1alpha1.ControlPlane) time.Duration {
	if d := cp.Spec.JobTimeout; d != nil {
		return d.Duration
	}
	return defaultJobTimeout
}
