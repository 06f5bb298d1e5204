// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/jobs"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// link is all that is asked of one control plane: it is left alone while it wants to be, and after it has not taken our credentials.
type link struct {
	clock clock.PassiveClock
	// reread the token from where it is kept.
	reread func(context.Context) (string, error)
	// changed is called when what state tells has.
	changed func()

	// telling is held while events are told: those of the stream and heartbeats, one after the other, so that what the first is answered holds for the next.
	telling sync.Mutex

	mu      sync.Mutex
	client  *wire.Client
	token   string
	backoff wire.Backoff
	again   time.Time // it is not asked before
	failed  time.Time // when again was last put off
	state   linkState
}

// linkState is how a link gets on.
type linkState struct {
	// status and reason of the condition Connected; Unknown before the first answer.
	status          metav1.ConditionStatus
	reason, message string
	// stopped is the reason of Authenticated=False; empty while the credentials are taken, or nobody has said.
	stopped, why string
	// contact is when it last answered as the protocol has it.
	contact time.Time
}

func newLink(client *wire.Client, token string, c clock.PassiveClock, reread func(context.Context) (string, error), changed func()) *link {
	return &link{
		client: client, token: token, clock: c, reread: reread, changed: changed,
		state: linkState{status: metav1.ConditionUnknown, reason: opsv1alpha1.ReasonNotYetReported, message: "it has not been asked anything yet"},
	}
}

// now by the control plane's clock.
func (l *link) now() time.Time {
	client, _, _ := l.using()
	return client.Now()
}

// look at how it gets on.
func (l *link) look() linkState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// using tells which client, and which token. The error says why nothing is to be asked now.
func (l *link) using() (*wire.Client, string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.stopped != "" {
		return l.client, l.token, fmt.Errorf("%w: %s", jobs.ErrStopped, l.state.why)
	}
	if left := l.again.Sub(l.clock.Now()); left > 0 {
		return l.client, l.token, &jobs.Later{After: left, Err: errors.New(l.state.message)}
	}
	return l.client, l.token, nil
}

// use another token from now on.
func (l *link) use(token string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	client, err := l.client.WithToken(token)
	if err != nil {
		return err
	}
	l.client, l.token = client, token
	return nil
}

// about is what a request is about: a job may be closed, or what is said of it, or told, refused, and all is well with the control plane.
type about int

const (
	aboutAll about = iota
	aboutJob
	aboutEvents
)

// do one request. When the credentials are not taken, those that are kept may be newer, and are tried once. The error is that of the request, jobs.ErrStopped, or a
// *jobs.Later.
func (l *link) do(ctx context.Context, what about, request func(*wire.Client) error) error {
	client, token, err := l.using()
	if err != nil {
		return err
	}
	began := l.clock.Now()
	err = request(client)
	if status(err) == 401 {
		kept, rereadErr := l.reread(ctx)
		if rereadErr != nil {
			return l.ended(began, what, rereadErr) // it says nothing of whether the credentials are good
		}
		if kept != "" && kept != token {
			if err := l.use(kept); err != nil {
				return err
			}
			client, _, _ = l.using()
			err = request(client)
		}
	}
	return l.ended(began, what, err)
}

// status of an answer that is the protocol's; 0 of any other, and of none.
func status(err error) int {
	if e, ok := errors.AsType[*wire.Error](err); ok && !e.Foreign {
		return e.Status
	}
	return 0
}

// ended a request, which tells how the other side is.
func (l *link) ended(began time.Time, what about, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	l.mu.Lock()
	before := l.state
	switch code := status(err); {
	case err == nil, what == aboutJob && wire.Closed(err), what != aboutAll && code != 0 && wire.Rejected(err):
		if !began.Before(l.failed) { // a poll that was asked before says nothing of how it is now
			l.backoff.Reset()
			l.again = time.Time{}
		}
		l.state.status, l.state.reason, l.state.message = metav1.ConditionTrue, opsv1alpha1.ReasonAnswering, "it answers"
		l.state.contact = l.clock.Now()
	case code == 401:
		err = l.stop(opsv1alpha1.ReasonUnauthorized, err)
	case code == 403:
		err = l.stop(opsv1alpha1.ReasonForbidden, err)
	case code == 0 && wire.Rejected(err): // by our own client: it was not asked
	default:
		err = l.putOff(began, err)
	}
	after := l.state
	l.mu.Unlock()
	before.contact, after.contact = time.Time{}, time.Time{}
	if before != after {
		l.changed()
	}
	return err
}

func (l *link) stop(reason string, err error) error {
	l.state.stopped, l.state.why = reason, err.Error()
	l.state.status, l.state.reason, l.state.message = metav1.ConditionFalse, reason, err.Error()
	return fmt.Errorf("%w: %w", jobs.ErrStopped, err)
}

// putOff asking again. Of several requests that failed at the same time, only the first does.
func (l *link) putOff(began time.Time, err error) error {
	if !l.failed.After(began) {
		l.failed = l.clock.Now()
		l.again = l.failed.Add(l.backoff.After(err))
	}
	l.state.status, l.state.reason, l.state.message = metav1.ConditionFalse, opsv1alpha1.ReasonUnreachable, err.Error()
	if status(err) == 429 {
		l.state.reason = opsv1alpha1.ReasonRateLimited
	}
	return &jobs.Later{After: max(l.again.Sub(l.clock.Now()), time.Second), Err: err}
}

// close frees what nothing uses any more.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client.Close()
}

// Jobs implements jobs.Client.
func (l *link) Jobs(ctx context.Context, wait time.Duration) (found []wire.Job, err error) {
	err = l.do(ctx, aboutAll, func(c *wire.Client) (err error) {
		found, err = c.Jobs(ctx, wait)
		return err
	})
	return found, err
}

// Ack implements jobs.Client.
func (l *link) Ack(ctx context.Context, id string) error {
	return l.do(ctx, aboutJob, func(c *wire.Client) error { return c.Ack(ctx, id) })
}

// Status implements jobs.Client.
func (l *link) Status(ctx context.Context, id string, status wire.Status) error {
	return l.do(ctx, aboutJob, func(c *wire.Client) error { return c.Status(ctx, id, status) })
}

// Result implements jobs.Client.
func (l *link) Result(ctx context.Context, id string, result wire.Result) error {
	return l.do(ctx, aboutJob, func(c *wire.Client) error { return c.Result(ctx, id, result) })
}

// Now implements jobs.Client.
func (l *link) Now() time.Time { return l.now() }

// events tells what happened.
func (l *link) events(ctx context.Context, events []wire.Event) error {
	l.telling.Lock()
	defer l.telling.Unlock()
	return l.do(ctx, aboutEvents, func(c *wire.Client) error { return c.Events(ctx, events) })
}
