// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// lookEvery is how often the Secret and the webhook configurations are looked at. Whoever applies an older manifest takes the authorities out of the
	// latter, and nothing is admitted until they are back.
	lookEvery = 30 * time.Second
	// lookAgain is how soon after something went wrong.
	lookAgain = 5 * time.Second
	// attempts to write the Secret against other replicas.
	attempts = 5
)

// keeper keeps the certificate that the server shows, in agreement with all other replicas: what counts is what is in the Secret. It reads and writes that
// one Secret, by name, and does not make it: whoever installs us does, so that nobody needs the right to create Secrets. The authorities are published in
// the webhook configurations of the same name before a certificate of theirs is shown.
type keeper struct {
	client client.Client // reads past every cache
	secret types.NamespacedName
	names  []string
	clock  clock.WithTicker

	shown atomic.Pointer[tls.Certificate]
	// wrong is why the last look failed; nil when it did not.
	wrong atomic.Pointer[error]
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica serves.
func (*keeper) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (k *keeper) Start(ctx context.Context) error {
	log, said := logf.FromContext(ctx).WithName("admission").WithValues("secret", k.secret), ""
	for {
		next, err := lookEvery, k.look(ctx)
		if err != nil && ctx.Err() == nil {
			if next = lookAgain; err.Error() != said {
				log.Error(err, "the certificates for admission are not as they should be")
			}
			said = err.Error()
		} else {
			said = ""
		}
		k.wrong.Store(&err)
		select {
		case <-ctx.Done():
			return nil
		case <-k.clock.After(next):
		}
	}
}

// look brings the Secret up to date, publishes the authorities, and shows the certificate.
func (k *keeper) look(ctx context.Context) error {
	c, err := k.agree(ctx)
	if err != nil {
		return err
	}
	unpublished := k.publish(ctx, c.authorities)
	if unpublished != nil && k.shown.Load() != nil {
		return unpublished // whoever trusts what is shown goes on doing so
	}
	pair, err := tls.X509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	k.shown.Store(&pair)
	return unpublished
}

// agree with the other replicas on the certificates: whoever writes first has it, and the others read again.
func (k *keeper) agree(ctx context.Context) (certificates, error) {
	var last error
	for range attempts {
		secret := &corev1.Secret{}
		if err := k.client.Get(ctx, k.secret, secret); err != nil {
			return certificates{}, fmt.Errorf("read Secret %s, which is installed with us: %w", k.secret, err)
		}
		c, changed, err := certificatesIn(secret.Data).next(k.names, k.clock.Now())
		if err != nil || !changed {
			return c, err
		}
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		for key, value := range c.data() {
			secret.Data[key] = value
		}
		if last = k.client.Update(ctx, secret); last == nil {
			logf.FromContext(ctx).Info("made new certificates for admission", "secret", k.secret)
			return c, nil
		}
		if !apierrors.IsConflict(last) {
			break
		}
	}
	return certificates{}, fmt.Errorf("write Secret %s: %w", k.secret, last)
}

// publish writes the authorities into the webhook configurations that are not up to date.
func (k *keeper) publish(ctx context.Context, authorities []byte) error {
	mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
	return errors.Join(
		k.publishIn(ctx, mutating, func() (clients []*admissionregistrationv1.WebhookClientConfig) {
			for i := range mutating.Webhooks {
				clients = append(clients, &mutating.Webhooks[i].ClientConfig)
			}
			return clients
		}, authorities),
		k.publishIn(ctx, validating, func() (clients []*admissionregistrationv1.WebhookClientConfig) {
			for i := range validating.Webhooks {
				clients = append(clients, &validating.Webhooks[i].ClientConfig)
			}
			return clients
		}, authorities),
	)
}

func (k *keeper) publishIn(ctx context.Context, o client.Object, clients func() []*admissionregistrationv1.WebhookClientConfig, authorities []byte) error {
	if err := k.client.Get(ctx, types.NamespacedName{Name: k.secret.Name}, o); err != nil {
		return fmt.Errorf("read %T %s, without which the API server does not ask us: %w", o, k.secret.Name, err)
	}
	before, changed := o.DeepCopyObject().(client.Object), false
	for _, c := range clients() {
		if !bytes.Equal(c.CABundle, authorities) {
			c.CABundle, changed = authorities, true
		}
	}
	if !changed {
		return nil
	}
	if err := k.client.Patch(ctx, o, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("publish the authorities in %T %s: %w", o, k.secret.Name, err)
	}
	return nil
}

// certificate for a handshake.
func (k *keeper) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if pair := k.shown.Load(); pair != nil {
		return pair, nil
	}
	return nil, errors.New("there is no certificate yet")
}

// Check tells /readyz whether there is a certificate to show.
func (k *keeper) Check(*http.Request) error {
	if k.shown.Load() != nil {
		return nil
	}
	if wrong := k.wrong.Load(); wrong != nil && *wrong != nil {
		return *wrong
	}
	return errors.New("there is no certificate yet")
}
