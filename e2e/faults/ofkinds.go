// SPDX-License-Identifier: Apache-2.0

package faults

import "sync"

// ofKinds is something that holds for objects of some kinds.
type ofKinds struct {
	mu    sync.Mutex
	every bool
	kinds map[string]bool
}

// set it for some kinds, or for every kind when none is given.
func (k *ofKinds) set(kinds ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.every, k.kinds = len(kinds) == 0, map[string]bool{}
	for _, kind := range kinds {
		k.kinds[kind] = true
	}
}

// unset it for all.
func (k *ofKinds) unset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.every, k.kinds = false, nil
}

// has tells whether it holds for a kind.
func (k *ofKinds) has(kind string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.every || k.kinds[kind]
}

// any tells whether it holds for any kind.
func (k *ofKinds) any() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.every || len(k.kinds) > 0
}
