// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// defaultProbeEvery is how often the API server is asked.
	defaultProbeEvery = 10 * time.Second
	// probeTimeout bounds one question.
	probeTimeout = 5 * time.Second
	// probePatience is for how many intervals a good answer holds: one that is lost, or a leader of the API server that changes, is no reason to be
	// taken out of service.
	probePatience = 3
)

// errPlain is wrapped by answers that are plainly bad: they end readiness at once, and not only after a while.
var errPlain = errors.New("not ready")

// errUnasked is the answer before the first one.
var errUnasked = fmt.Errorf("%w: not asked yet", errPlain)

// Probe asks a question again and again, and remembers the answer for whoever wants to know at once.
type Probe struct {
	name  string
	ask   func(context.Context) error
	every time.Duration
	clock clock.PassiveClock

	mu   sync.Mutex
	good time.Time // when the answer was good last
	last error     // the last answer
}

func newProbe(name string, every time.Duration, c clock.PassiveClock, ask func(context.Context) error) *Probe {
	return &Probe{name: name, ask: ask, every: every, clock: c, last: errUnasked}
}

// Start implements manager.Runnable.
func (p *Probe) Start(ctx context.Context) error {
	wait.UntilWithContext(ctx, p.look, p.every)
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: a stand-by asks as well.
func (p *Probe) NeedLeaderElection() bool { return false }

func (p *Probe) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := p.ask(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.good = p.clock.Now()
	case p.last == nil || errors.Is(p.last, errUnasked) || errors.Is(err, errPlain) != errors.Is(p.last, errPlain):
		// The first of several, and the first that is of another sort. What /readyz answers withholds the reason.
		logf.FromContext(ctx).Error(err, "a readiness check fails", "check", p.name)
	}
	p.last = err
}

// Check implements healthz.Checker. A probe that has stopped asking is as bad as a bad answer.
func (p *Probe) Check(*http.Request) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(p.last, errPlain) {
		return p.last
	}
	if p.clock.Since(p.good) <= probePatience*p.every {
		return nil
	}
	switch {
	case p.last == nil:
		return fmt.Errorf("not asked since %s", p.good.UTC().Format(time.RFC3339))
	case p.good.IsZero():
		return p.last
	default:
		return fmt.Errorf("since %s: %w", p.good.UTC().Format(time.RFC3339), p.last)
	}
}
