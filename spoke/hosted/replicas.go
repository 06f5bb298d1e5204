// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

// replicas are those that are alive, as this one sees it: whose Lease has changed of late, by this machine's clock. That views differ for a while does no
// harm: who works on a cluster is decided by the cluster's Lease.
type replicas struct {
	clock clock.PassiveClock
	self  string
	// lasts is for how long a replica whose Lease does not change is alive.
	lasts time.Duration

	mu   sync.Mutex
	seen map[string]sighting
}

// sighting is what a replica's Lease was when it had last changed, and when that was seen.
type sighting struct {
	version string
	at      time.Time
}

func newReplicas(c clock.PassiveClock, self string, lasts time.Duration) *replicas {
	return &replicas{clock: c, self: self, lasts: lasts, seen: map[string]sighting{}}
}

// saw the Lease of a replica. It tells whether that is news to whom clusters are given.
func (r *replicas) saw(l *coordinationv1.Lease) bool {
	name := ptr.Deref(l.Spec.HolderIdentity, "")
	if name == "" || name == r.self {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	was, known := r.seen[name]
	if known && was.version == l.ResourceVersion {
		return false
	}
	r.seen[name] = sighting{l.ResourceVersion, r.clock.Now()}
	return !known
}

// left: its Lease is gone.
func (r *replicas) left(l *coordinationv1.Lease) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := ptr.Deref(l.Spec.HolderIdentity, "")
	_, known := r.seen[name]
	delete(r.seen, name)
	return known
}

// expire forgets those whose Leases have not changed for too long, and tells whether there were any.
func (r *replicas) expire() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.seen)
	maps.DeleteFunc(r.seen, func(_ string, s sighting) bool { return r.clock.Since(s.at) >= r.lasts })
	return len(r.seen) < n
}

// alive are the names of all.
func (r *replicas) alive() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(slices.Sorted(maps.Keys(r.seen)), r.self)
}

// mine tells whether a cluster is this one's: of all that are alive, its name and the cluster's have the highest score. When a replica comes or goes, only the
// clusters that it gets, or had, change hands. multicluster-runtime's sharder does the same with FNV-1a, by whose score the last of replicas called
// hosted-0, -1 and -2 gets half of all clusters.
func (r *replicas) mine(cluster string) bool {
	best, most := "", uint64(0)
	for _, name := range r.alive() {
		if s := score(cluster, name); best == "" || s > most {
			best, most = name, s
		}
	}
	return best == r.self
}

func score(cluster, replica string) uint64 {
	sum := sha256.Sum256([]byte(cluster + "/" + replica))
	return binary.BigEndian.Uint64(sum[:])
}
