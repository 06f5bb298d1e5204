// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"encoding/json"
	"net/http"
	"slices"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// eventLog is what was told.
type eventLog struct {
	// first has each event once, in the order in which they first came; all has every delivery.
	first, all []wire.Event
	// byKey is where an event is in first.
	byKey map[string]int
	// latest sequence of each object.
	latest map[string]int64
}

func newEventLog() eventLog {
	return eventLog{byKey: map[string]int{}, latest: map[string]int64{}}
}

// Events that were told, each once, in the order in which they first came.
func (f *Fake) Events() []wire.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events.first)
}

// Deliveries are the events as they came, repeats among them.
func (f *Fake) Deliveries() []wire.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events.all)
}

// Duplicates counts the deliveries of events that had been told before.
func (f *Fake) Duplicates() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.events.all) - len(f.events.first)
}

// EventCount is how many events were told, each counted once; cheaper than Events.
func (f *Fake) EventCount() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.events.first)
}

// takeEvents takes a batch, as a whole or not at all.
func (f *Fake) takeEvents(q *Request, body []byte) reply {
	var batch struct {
		Events []wire.Event `json:"events"`
	}
	err := json.Unmarshal(body, &batch)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.violate(q, "tells events that are none: %v", err)
		return *refuse(http.StatusBadRequest, "bad_request")
	}
	if n := len(batch.Events); n == 0 || n > wire.MaxEvents {
		f.violate(q, "tells %d events at once; 1 to %d are allowed", n, wire.MaxEvents)
		return *refuse(http.StatusBadRequest, "bad_request")
	}
	for i := range batch.Events {
		f.takeEvent(q, &batch.Events[i])
	}
	f.change()
	return noContent()
}

func (f *Fake) takeEvent(q *Request, e *wire.Event) {
	log := &f.events
	f.checkEvent(q, e)
	log.all = append(log.all, *e)
	if i, told := log.byKey[e.EventKey]; told {
		if !sameEvent(&log.first[i], e) {
			f.violate(q, "tells event %q again, and as another one", e.EventKey)
		}
		return
	}
	log.byKey[e.EventKey] = len(log.first)
	log.first = append(log.first, *e)
	if e.Sequence == 0 {
		return
	}
	object := objectOf(e.ResourceRef)
	if e.Sequence < log.latest[object] {
		f.violate(q, "tells event %q out of order: sequence %d after %d", e.EventKey, e.Sequence, log.latest[object])
	}
	log.latest[object] = max(log.latest[object], e.Sequence)
}

func (f *Fake) checkEvent(q *Request, e *wire.Event) {
	if e.EventKey == "" {
		f.violate(q, "tells an event without eventKey")
	}
	if e.Timestamp.IsZero() {
		f.violate(q, "tells event %q without timestamp", e.EventKey)
	}
	known := []string{wire.EventCondition, wire.EventClusterResult, wire.EventHeartbeat, wire.EventCredentialRotated, wire.EventJobRefused, wire.EventDeleted}
	if !slices.Contains(known, e.Kind) {
		f.violate(q, "tells event %q of the unknown kind %q", e.EventKey, e.Kind)
	}
}

// sameEvent tells whether two events with one key are one: about the same, with the same conditions. How they are put may differ.
func sameEvent(a, b *wire.Event) bool {
	if a.Kind != b.Kind || a.Cluster != b.Cluster || objectOf(a.ResourceRef) != objectOf(b.ResourceRef) || len(a.Conditions) != len(b.Conditions) {
		return false
	}
	for i := range a.Conditions {
		if a.Conditions[i].Type != b.Conditions[i].Type || a.Conditions[i].Status != b.Conditions[i].Status {
			return false
		}
	}
	return true
}

// objectOf is the UID of what an event is about, or its name when it has none.
func objectOf(ref wire.Ref) string {
	if ref.UID != "" {
		return ref.UID
	}
	return ref.APIVersion + "/" + ref.Kind + "/" + ref.Namespace + "/" + ref.Name
}
