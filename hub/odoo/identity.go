// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

const (
	// defaultRotateEvery is how old credentials may become, unless the spec says otherwise.
	defaultRotateEvery = 7 * 24 * time.Hour
	// rotateAhead is how long before they expire they are exchanged at the latest, where it is not known how long they were to last.
	rotateAhead = 24 * time.Hour
)

// problem keeps a ControlPlane from working until somebody acts; it is told in a condition.
type problem struct {
	reason, message string
}

// Error implements error.
func (p *problem) Error() string { return p.message }

// unanswered is a request that the control plane did not answer, or with an error of its own.
type unanswered struct{ error }

// Unwrap implements errors.Unwrap.
func (u *unanswered) Unwrap() error { return u.error }

func problemf(reason, format string, args ...any) error {
	return &problem{reason: reason, message: fmt.Sprintf(format, args...)}
}

// readSecret past every cache: the hub may get it by name, and see no other.
func (r *reconciler) readSecret(ctx context.Context, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := r.live.Get(ctx, types.NamespacedName{Namespace: r.Namespace, Name: name}, secret)
	switch {
	case apierrors.IsForbidden(err):
		return nil, problemf(opsv1alpha1.ReasonInvalidConfiguration,
			"spec.credentialsSecret: the hub may not get Secret %s/%s: name it in controlPlane.secrets of the hub's chart", r.Namespace, name)
	case apierrors.IsNotFound(err):
		return nil, problemf(opsv1alpha1.ReasonCredentialsMissing,
			"spec.credentialsSecret: there is no Secret %s/%s: create it with a registration token from the control plane: kubectl -n %s create secret generic %s --from-literal=%s=TOKEN",
			r.Namespace, name, r.Namespace, name, opsv1alpha1.SecretRegistrationToken)
	case err != nil:
		return nil, fmt.Errorf("read Secret %s/%s: %w", r.Namespace, name, err)
	}
	return secret, nil
}

// writeSecret changes a Secret, as it is by then.
func (r *reconciler) writeSecret(ctx context.Context, name string, change func(data map[string][]byte) error) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		secret, err := r.readSecret(ctx, name)
		if err != nil {
			return err
		}
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		if err := change(secret.Data); err != nil {
			return err
		}
		return r.Update(ctx, secret)
	})
	if apierrors.IsForbidden(err) {
		return problemf(opsv1alpha1.ReasonInvalidConfiguration,
			"spec.credentialsSecret: the hub may not update Secret %s/%s: name it in controlPlane.secrets of the hub's chart", r.Namespace, name)
	}
	return err
}

// ensureDecryptionKey makes a key that payloads can be encrypted to, unless there is one. It is stored before anybody hears of it.
func (r *reconciler) ensureDecryptionKey(ctx context.Context, name string) (*credentials, error) {
	var stored *corev1.Secret
	err := r.writeSecret(ctx, name, func(data map[string][]byte) error {
		stored = &corev1.Secret{Data: data}
		stored.Name = name
		if len(data[opsv1alpha1.SecretDecryptionKey]) > 0 {
			return nil
		}
		key, err := wire.NewDecryptionKey()
		data[opsv1alpha1.SecretDecryptionKey] = key
		return err
	})
	if err != nil {
		return nil, err
	}
	return parseCredentials(stored)
}

// fresh credentials that are to be stored. They are kept until they are: nobody gives them out twice.
type fresh struct {
	wire.Credentials
	secret string // name of the Secret
	used   string // the registration token that they were given for; empty when they were exchanged
	at     time.Time
}

// register exchanges the one-time token for credentials.
func (r *reconciler) register(ctx context.Context, cp *opsv1alpha1.ControlPlane, c *credentials) (*fresh, error) {
	if c.decrypter == nil {
		var err error
		if c, err = r.ensureDecryptionKey(ctx, c.secret); err != nil {
			return nil, err
		}
	}
	public, err := c.decrypter.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("read the public part of the decryption key: %w", err)
	}
	got, err := wire.Register(ctx, r.wireOptions(cp, c), wire.Registration{
		RegistrationToken: c.registrationToken, ClusterID: cp.Spec.ClusterID, DisplayName: cp.Name, PublicKey: public,
	})
	if err != nil && status(err) != 0 && !wire.Temporary(err) {
		return nil, problemf(opsv1alpha1.ReasonUnauthorized,
			"Secret %s: data[%q]: the control plane does not take it: %s. It can be used once: when it was used, or the answer to it was lost, have it give out another one, and put that there",
			c.secret, opsv1alpha1.SecretRegistrationToken, err)
	}
	if err != nil {
		return nil, &unanswered{err}
	}
	return &fresh{Credentials: got, secret: c.secret, used: c.registrationToken, at: r.Clock.Now()}, nil
}

// keep fresh credentials: all of them in one update, in which the one-time token that they were given for goes.
func (r *reconciler) keep(ctx context.Context, f *fresh) error {
	return r.writeSecret(ctx, f.secret, func(data map[string][]byte) error {
		data[opsv1alpha1.SecretToken] = []byte(f.Token)
		if f.ClusterID != "" {
			data[opsv1alpha1.SecretClusterID] = []byte(f.ClusterID)
		}
		delete(data, opsv1alpha1.SecretExpiresAt)
		if f.ExpiresAt != nil {
			data[opsv1alpha1.SecretExpiresAt] = []byte(f.ExpiresAt.UTC().Format(time.RFC3339))
		}
		if f.used != "" && strings.TrimSpace(string(data[opsv1alpha1.SecretRegistrationToken])) == f.used {
			delete(data, opsv1alpha1.SecretRegistrationToken)
		}
		return nil
	})
}

// rotationDue tells when credentials are to be exchanged: when they are as old as they may become, or two thirds of their life have gone by. since is when they
// were given.
func rotationDue(since, expiresAt time.Time, every time.Duration) time.Time {
	if every <= 0 {
		every = defaultRotateEvery
	}
	due := since.Add(every)
	if expiresAt.IsZero() {
		return due
	}
	before := expiresAt.Add(-rotateAhead)
	if life := expiresAt.Sub(since); life > 0 {
		before = since.Add(life * 2 / 3)
	}
	if before.Before(due) {
		return before
	}
	return due
}

// givenAt is when the credentials of a ControlPlane were given, as far as the hub knows.
func givenAt(cp *opsv1alpha1.ControlPlane) time.Time {
	if cp.Status.RotatedAt != nil {
		return cp.Status.RotatedAt.Time
	}
	return cp.CreationTimestamp.Time
}

// rotate the credentials of a session, unless that was done since.
func (r *reconciler) rotate(ctx context.Context, s *session, name string, since time.Time) error {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	cp := &opsv1alpha1.ControlPlane{}
	if err := r.live.Get(ctx, types.NamespacedName{Name: name}, cp); err != nil {
		return fmt.Errorf("read ControlPlane %s: %w", name, err)
	}
	// What is kept in the status is cut to seconds.
	if s.rotated.After(since) || cp.Status.RotatedAt != nil && !cp.Status.RotatedAt.Time.Before(since.Truncate(time.Second)) {
		return nil
	}
	f := r.unkept(name)
	if f == nil {
		var got wire.Credentials
		err := s.link.do(ctx, aboutAll, func(c *wire.Client) (err error) {
			got, err = c.Rotate(ctx)
			return err
		})
		if err != nil {
			return err
		}
		f = &fresh{Credentials: got, secret: cp.Spec.CredentialsSecret, at: s.link.now()}
		r.remember(name, f)
	}
	return r.settle(ctx, cp, s, f)
}

// settle keeps fresh credentials, uses them from now on, and says so.
func (r *reconciler) settle(ctx context.Context, cp *opsv1alpha1.ControlPlane, s *session, f *fresh) error {
	if err := r.keep(ctx, f); err != nil {
		return err
	}
	if s != nil {
		if err := s.link.use(f.Token); err != nil {
			return err
		}
		s.rotated = f.at
	}
	before := cp.DeepCopy()
	noteRotation(cp, f)
	if err := r.patchStatus(ctx, before, cp); err != nil {
		return err
	}
	r.remember(cp.Name, nil)
	r.note(cp, f)
	if f.used == "" {
		at := cp.Status.RotatedAt.Time
		if err := r.Stream.Post(ctx, fmt.Sprintf("rotated/%s/%d", cp.UID, at.Unix()), []wire.Event{rotation(cp, at)}); err != nil {
			logf.FromContext(ctx).Error(err, "that credentials were exchanged could not be told") // the status says it
		}
	}
	return nil
}

// note for people that credentials were given.
func (r *reconciler) note(cp *opsv1alpha1.ControlPlane, f *fresh) {
	if r.Events == nil {
		return
	}
	reason, message := opsv1alpha1.ReasonCredentialRotated, "credentials were exchanged for new ones"
	if f.used != "" {
		reason, message = opsv1alpha1.ReasonRegistered, "registered as "+f.ClusterID
	}
	r.Events.Eventf(cp, nil, corev1.EventTypeNormal, reason, "Authenticate", "%s", message)
}

func (r *reconciler) wireOptions(cp *opsv1alpha1.ControlPlane, c *credentials) wire.Options {
	id := cp.Spec.ClusterID
	if id == "" {
		id = c.clusterID
	}
	return wire.Options{Endpoint: cp.Spec.Endpoint, ClusterID: id, Token: c.token, TLS: c.tls, UserAgent: "vworkspace-hub", Clock: r.Clock, Wrap: r.Wrap}
}

// isProblem unwraps what keeps a ControlPlane from working.
func isProblem(err error) (*problem, bool) { return errors.AsType[*problem](err) }
