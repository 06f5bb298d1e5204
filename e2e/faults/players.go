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
	workv1 "open-cluster-management.io/api/work/v1"
)

// players are fakes of what is around our components: they do what the real ones do, by their protocol, and never fail. Each looks at the mirror
// after every change.
type players struct {
	w *World
	// idle keeps executors from beginning, hold from finishing what they have begun, and fail makes them fail it: those of some kinds.
	idle, hold, fail ofKinds
	// forget keeps executors from taking up what they were about to begin, until they are reminded: they were restarted at this moment.
	forget ofKinds
	// away cuts the courier of the near cluster off from the hub. It goes on with what it has: it puts back what it misses.
	away atomic.Bool
	// echo makes the courier say again what it has said before, and only then what is new.
	echo atomic.Bool
	// deaf makes the courier lose every change of a work that it has reported on, until the work is touched: so do agents at times by gRPC (sdk-go issue 232).
	deaf atomic.Bool
	// near keeps them from it on the near cluster only.
	near atomic.Bool
	// app is what is behind the near cluster's Service.
	app application

	mu      sync.Mutex
	told    map[types.UID]workv1.ManifestWorkStatus // by ManifestWork, what the courier told before
	applied map[types.UID]string                    // by ManifestWork, the manifest that the courier applied last
	heard   map[types.UID]heard                     // by ManifestWork, what the courier has heard of last
}

func newPlayers(w *World) *players {
	return &players{w: w, applied: map[types.UID]string{}, told: map[types.UID]workv1.ManifestWorkStatus{}, heard: map[types.UID]heard{}}
}

func (p *players) start(group *errgroup.Group) {
	for name, turn := range map[string]func(context.Context) error{
		"courier": p.carry, "executors": p.execute, "collector": p.collect,
	} {
		group.Go(func() error {
			for p.w.ctx.Err() == nil {
				changed := p.w.mirror.changed()
				if err := turn(p.w.ctx); err != nil && !passing(err) {
					p.w.note(fmt.Sprintf("the %s tries again: %v", name, err))
				}
				select {
				case <-p.w.ctx.Done():
				case <-changed:
				case <-time.After(50 * time.Millisecond):
				}
			}
			return nil
		})
	}
}

// unlearn what ManifestWorks there were.
func (p *players) unlearn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.told)
	clear(p.applied)
	clear(p.heard)
}

// passing are errors that the next try does not have: somebody else was faster.
func passing(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err)
}
