// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// Client asks one control plane for jobs, and tells it of them. Its errors are those of wire.Client, ErrStopped, or a *Later.
type Client interface {
	// Jobs waits for jobs, as long as wait at the most.
	Jobs(ctx context.Context, wait time.Duration) ([]wire.Job, error)
	// Ack says that a job was received, and is not to be given out again.
	Ack(ctx context.Context, id string) error
	// Status says how far a job is.
	Status(ctx context.Context, id string, status wire.Status) error
	// Result ends a job.
	Result(ctx context.Context, id string, result wire.Result) error
	// Now is the time by the clock of the control plane, by which jobs expire.
	Now() time.Time
}

// ErrStopped says that the control plane is not spoken to any more until somebody acts.
var ErrStopped = errors.New("the control plane does not take our credentials")

// Later says that the control plane is not to be spoken to for a while.
type Later struct {
	// After which it may be tried again.
	After time.Duration
	// Err is why.
	Err error
}

// Error implements error.
func (l *Later) Error() string { return l.Err.Error() }

// Unwrap implements errors.Unwrap.
func (l *Later) Unwrap() error { return l.Err }

// RetryAfter is After: for the stream, which then does not reckon by itself how long to wait.
func (l *Later) RetryAfter() time.Duration { return l.After }

// Teller is told of what was refused. What it has taken is not lost any more. The same id is the same letter.
type Teller interface {
	Post(ctx context.Context, id string, events []wire.Event) error
}

// Session is one control plane whose jobs are being carried out.
type Session struct {
	// ControlPlane is the name of the ControlPlane, and UID its UID.
	ControlPlane string
	UID          types.UID
	// ClusterID is the identity that the jobs are for.
	ClusterID string
	// ManagedCluster that the jobs may go to; any when empty.
	ManagedCluster string
	// Account is the ServiceAccount, in the hub's own namespace, as which they are carried out.
	Account string
	// Timeout is how long a job waits for what it made.
	Timeout time.Duration
	// Client speaks to the control plane.
	Client Client
	// Open verifies and decrypts the payload of a job. An error is for the one who sent it: it names the field and the fix, and no secret.
	Open func(*wire.Job) (json.RawMessage, error)
	// Rotate exchanges the credentials, unless that was done since.
	Rotate func(ctx context.Context, since time.Time) error
	// Ready tells whether jobs may be asked for.
	Ready func() bool
}
