// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// errNotHeld is what a request gets that is not sent.
var errNotHeld = errors.New("not sent: this replica does not hold the cluster's Lease, or has not been able to renew it")

// fence lets requests to a cluster's API server through while nobody else can hold the cluster's Lease, by this machine's clock alone. It does not wait
// until somebody notices that the Lease was lost: a process that was stopped for a minute, and goes on in the middle of a step, finds it shut.
type fence struct {
	clock clock.PassiveClock
	// lasts is how long after a renewal was sent.
	lasts time.Duration

	mu sync.Mutex
	// renewed is when the last renewal was sent that the API server has accepted.
	renewed time.Time
	// open while the cluster is served.
	open bool
	// underWay counts the requests that may change something and have not been answered; idle is closed when there is none.
	underWay int
	idle     chan struct{}
	// unknown is when such a request ended last without an answer: it may be carried out yet.
	unknown time.Time
}

func newFence(c clock.PassiveClock, lasts time.Duration) *fence {
	return &fence{clock: c, lasts: lasts}
}

// renew takes note of a renewal by when it was sent: others count from when they hear of it, which is later.
func (f *fence) renew(sent time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewed = sent
}

// set opens it or shuts it. Shut, it lets nothing through; what was sent goes on.
func (f *fence) set(open bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = open
}

// quiet waits until all that may change something has been answered, and tells whether that is so. What nobody waits for any more counts as under way for
// as long as a renewal lasts.
func (f *fence) quiet(ctx context.Context) bool {
	f.mu.Lock()
	if f.underWay > 0 && f.idle == nil {
		f.idle = make(chan struct{})
	}
	idle := f.idle
	f.mu.Unlock()
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			return false
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.since(f.unknown) >= f.lasts
}

// enter tells whether a request may be sent.
func (f *fence) enter(changes bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.open || f.since(f.renewed) >= f.lasts {
		return false
	}
	if changes {
		f.underWay++
	}
	return true
}

// since a time. The monotonic clock stands still while a virtual machine is suspended, and the other one can be set back: the longer counts.
func (f *fence) since(t time.Time) time.Duration {
	now := f.clock.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

func (f *fence) leave(answered bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !answered {
		f.unknown = f.clock.Now()
	}
	if f.underWay--; f.underWay == 0 && f.idle != nil {
		close(f.idle)
		f.idle = nil
	}
}

// wrap puts the fence before a transport. What was answered with headers is over: it has happened, or it only watches.
func (f *fence) wrap(next http.RoundTripper) http.RoundTripper { return fenced{f, next} }

type fenced struct {
	fence *fence
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (r fenced) RoundTrip(req *http.Request) (*http.Response, error) {
	changes := req.Method != http.MethodGet || strings.HasSuffix(req.URL.Path, "/exec") // a command in a pod, by WebSocket
	if !r.fence.enter(changes) {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, errNotHeld
	}
	answer, err := r.next.RoundTrip(req)
	if changes {
		r.fence.leave(err == nil)
	}
	return answer, err
}

// WrappedRoundTripper lets client-go find the transport beneath, to close its connections.
func (r fenced) WrappedRoundTripper() http.RoundTripper { return r.next }
