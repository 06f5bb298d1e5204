// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"context"
	"sync/atomic"

	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Leading tells whether this process is the one that works. The caches of a stand-by hold the same as those of the leader: what both exported would be
// counted twice.
type Leading struct{ now atomic.Bool }

// Follow a manager.
func (l *Leading) Follow(mgr manager.Manager) error {
	// A manager starts what says nothing about leader election when it leads, or at once where there is no election.
	return mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		l.now.Store(true)
		<-ctx.Done()
		l.now.Store(false)
		return nil
	}))
}

// Now tells whether it leads.
func (l *Leading) Now() bool { return l.now.Load() }
