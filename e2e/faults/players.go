// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// players are fakes of what is around our components: they do what the real ones do, by their protocol, and never fail. Each looks at the mirror
// after every change.
type players struct {
	w *World
	// hold keeps executors from finishing what they have begun, and fail makes them fail it.
	hold, fail atomic.Bool
	// near keeps them from it on the near cluster only.
	near atomic.Bool

	mu      sync.Mutex
	applied map[types.UID]string // by ManifestWork, the manifest that the courier applied last
}

func newPlayers(w *World) *players { return &players{w: w, applied: map[types.UID]string{}} }

func (p *players) start(group *errgroup.Group) {
	for name, turn := range map[string]func(context.Context) error{
		"courier": p.carry, "executors": p.execute, "collector": p.collect,
	} {
		group.Go(func() error {
			for {
				changed := p.w.mirror.changed()
				if err := turn(p.w.ctx); err != nil && p.w.ctx.Err() == nil && !passing(err) {
					return fmt.Errorf("the %s: %w", name, err)
				}
				select {
				case <-p.w.ctx.Done():
					return nil
				case <-changed:
				case <-time.After(50 * time.Millisecond):
				}
			}
		})
	}
}

// passing are errors of a turn that the next one does not have: somebody else was faster, or an API server is away for a while.
func passing(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) || isConnectionError(err)
}
