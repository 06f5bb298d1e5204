// SPDX-License-Identifier: Apache-2.0

// Package follow keeps up with one Operation, on a hub or on a cluster alone, for whoever shows it.
//
//	Operation (get, watch)  ─┐
//	ConfigMaps beside it     ├─> Follower ─> Changed: there is news ─> Snapshot: what is known now
//	ManifestWorks (hub)      │
//	Operations below (spoke) ┘
//
// What a cluster says is seen as it says it, in its ManifestWork. Who may not list those sees what the hub writes down: the status, at once, and the kept results
// beside it, later. Watches that break are taken up again where they broke off, or begun anew; while one is broken the Snapshot says since when, because what it tells
// is of the past.
package follow
