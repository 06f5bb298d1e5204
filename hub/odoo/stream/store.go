// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"context"
	"errors"
	"time"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// ErrFull tells that what waits in letters takes all the room there is.
var ErrFull = errors.New("the outbox is full: what is to be told of what was deleted waits where it is, until somebody takes what waits before it")

// store is what the stream reads and writes; kube is the real one. What it hands out is not to be changed. An object that is not there is nil.
type store interface {
	// expected are the names of all sinks that there should be, whether they were added or not.
	expected(ctx context.Context) ([]string, error)
	// operation and instance as they were a moment ago.
	operation(ctx context.Context, k key) (*opsv1alpha1.Operation, error)
	instance(ctx context.Context, k key) (*appsv1alpha1.ApplicationInstance, error)
	// all that can be told of.
	all(ctx context.Context) ([]key, error)
	// results that are kept of a chunk of an Operation's clusters now, those of earlier attempts first; last says how many are not.
	results(ctx context.Context, op *opsv1alpha1.Operation, chunk int) (all []placement.ClusterResult, last int, err error)
	// hold makes sure that an Operation stays until it was told how it ended.
	hold(ctx context.Context, op *opsv1alpha1.Operation) error
	// settle writes down to whom an Operation was told, unless that is nobody, and lets it go. It fails with a conflict when the Operation is not the one that was looked at.
	settle(ctx context.Context, op *opsv1alpha1.Operation, to []string) error
	// letters that wait, of all sinks, in the order in which they are to be told.
	letters(ctx context.Context) ([]letterRef, error)
	// open a letter. It is nil when it is gone.
	open(ctx context.Context, ref letterRef) ([]event, error)
	// write a letter, in the place of one of the same name if there is one, and return what is there now.
	write(ctx context.Context, l letter) (letterRef, error)
	// burn a letter that was told, unless it was written anew since.
	burn(ctx context.Context, ref letterRef) error
}

// letter is what is to be told of something that goes.
type letter struct {
	name, sink string
	data       []byte
}

// letterRef is a letter that is stored.
type letterRef struct {
	name, sink, version string
	bytes               int
	at                  time.Time
}
