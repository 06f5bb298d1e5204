// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// Options of a Fake.
type Options struct {
	// ClusterID is the identity that is there from the start; "fleet-1" when empty.
	ClusterID string
	// Grace is how long a token stays valid after it was exchanged; an hour when 0.
	Grace time.Duration
	// MaxJobs that one poll is answered with; 50 when 0.
	MaxJobs int
	// TLS serves https with a certificate of httptest's, and with what is set here, such as ClientCAs; plain http when nil.
	TLS *tls.Config
	// Clock of the control plane; the system's when nil. SetClockSkew goes on top.
	Clock clock.Clock
}

// Fake is a control plane that only tests know. All methods are safe for concurrent use.
type Fake struct {
	options  Options
	clock    clock.Clock
	server   *httptest.Server
	listener *listener
	closed   chan struct{}
	closing  sync.Once
	signing  ed25519.PrivateKey

	mu            sync.Mutex
	changed       chan struct{}
	skew          time.Duration
	violations    []string
	requests      []*Request
	nth           map[string]int
	faults        Faults
	faulted       map[string]int
	onRequest     func(Request) Verdict
	epoch         int
	tokens        map[string]*token
	registrations map[string]*registration
	identities    map[string]*identity
	jobs          []*job
	byID          map[string]*job
	events        eventLog
}

// identity is a client, as the control plane knows it.
type identity struct {
	clusterID string
	publicKey json.RawMessage
	pacing    pacing
}

// New returns a fake with one identity. It is an http.Handler; Start serves it.
func New(o Options) *Fake {
	if o.ClusterID == "" {
		o.ClusterID = "fleet-1"
	}
	if o.Grace == 0 {
		o.Grace = time.Hour
	}
	if o.MaxJobs == 0 {
		o.MaxJobs = 50
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // The system has no randomness: no test can go on.
	}
	return &Fake{
		options: o, clock: o.Clock, closed: make(chan struct{}), signing: signing, changed: make(chan struct{}),
		nth: map[string]int{}, faulted: map[string]int{}, tokens: map[string]*token{}, registrations: map[string]*registration{},
		identities: map[string]*identity{o.ClusterID: {clusterID: o.ClusterID}},
		byID:       map[string]*job{},
		events:     newEventLog(),
	}
}

// Start a fake on a loopback port of its own. Close ends it.
func Start(o Options) *Fake {
	f := New(o)
	f.server = httptest.NewUnstartedServer(f)
	f.listener = &listener{Listener: f.server.Listener}
	f.server.Listener = f.listener
	if o.TLS != nil {
		f.server.TLS = o.TLS.Clone()
		f.server.StartTLS()
		return f
	}
	f.server.Start()
	return f
}

// Close ends the fake, and every poll that waits.
func (f *Fake) Close() {
	f.closing.Do(func() { close(f.closed) })
	if f.server != nil {
		f.server.CloseClientConnections()
		f.server.Close()
	}
}

// URL to reach it by.
func (f *Fake) URL() string { return f.server.URL }

// CA is the certificate, in PEM, that it serves https with.
func (f *Fake) CA() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw})
}

// Leave closes all connections, and every new one as soon as it is made, until Return. What was asked last may have taken effect, without an answer.
func (f *Fake) Leave() {
	f.listener.away.Store(true)
	f.mu.Lock()
	f.epoch++
	f.mu.Unlock()
	f.server.CloseClientConnections()
}

// Return is there again after Leave.
func (f *Fake) Return() { f.listener.away.Store(false) }

// SetClockSkew makes it say, and believe, that it is so much later than it is.
func (f *Fake) SetClockSkew(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.skew = d
}

// ClientKilled tells that the client was ended at once, and can send nothing any more: what was on its way and did not arrive never will. It may not have got its last
// answers, and its successor knows nothing of what was said to it that it had not stored.
func (f *Fake) ClientKilled() {
	if f.server != nil {
		f.server.CloseClientConnections()
	}
	f.AnswersLost()
}

// AnswersLost tells that the client may not have got its last answers, or that another one has taken its place meanwhile.
func (f *Fake) AnswersLost() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch++
	for _, who := range f.identities {
		who.pacing = pacing{}
	}
}

// Repaired tells that somebody has changed the client's credentials or configuration, so that it may ask again after 401 and 403.
func (f *Fake) Repaired() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, who := range f.identities {
		who.pacing.unauthorized, who.pacing.forbidden = nil, 0
	}
}

// Violations of the protocol so far. A test fails on any.
func (f *Fake) Violations() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.violations...)
}

// Wait until something is as wanted: check is called now and whenever the fake's state has changed, and may call the fake's methods.
func (f *Fake) Wait(ctx context.Context, check func() bool) error {
	for {
		f.mu.Lock()
		changed := f.changed
		f.mu.Unlock()
		if check() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// WaitResult waits for the result of a job.
func (f *Fake) WaitResult(ctx context.Context, id string) (wire.Result, error) {
	var got *wire.Result
	err := f.Wait(ctx, func() bool {
		got = f.Job(id).Result
		return got != nil
	})
	if err != nil {
		return wire.Result{}, fmt.Errorf("wait for the result of job %s: %w", id, err)
	}
	return *got, nil
}

// now by the fake's own clock. The caller holds mu.
func (f *Fake) now() time.Time { return f.clock.Now().Add(f.skew) }

// change wakes up who waits. The caller holds mu.
func (f *Fake) change() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// violate keeps a violation. The caller holds mu.
func (f *Fake) violate(q *Request, format string, args ...any) {
	text := fmt.Sprintf("request %d (%s %s): ", q.Number, q.Method, q.Path) + fmt.Sprintf(format, args...)
	f.violations = append(f.violations, text)
	f.change()
}
