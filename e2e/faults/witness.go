// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// canary is in every Secret of a story. It must never be seen anywhere else.
const canary = "hunter2-canary"

// Witness sees every change and knows what must never happen, however a story goes:
//
//   - an Operation that has ended stays as it ended, and accounts for every cluster;
//   - a cluster gets one ManifestWork of an Operation and attempt, and an instance one Operation of a parent, also when the first is gone;
//   - another attempt is one that was asked for, on a cluster where the one before has ended, and not well: see deliveries;
//   - no two runs that change or move an instance's data are at work on it at a time, and no Backup beside a Restore;
//   - what a run had an executor do is not made a second time, also when it is gone; and in all a run makes no more than in an undisturbed telling
//     (see Report.Made);
//   - what the hub keeps of an Operation that has ended is complete: see audit;
//   - what is in a Secret is nowhere else.
type Witness struct {
	mu    sync.Mutex
	seen  map[types.UID]bool
	count map[string]int
	only  map[string]types.UID            // by what there may be one of
	ended map[types.UID]string            // how Operations have ended
	busy  map[string]map[types.UID]string // the types of the runs at work, by target
	wrong []string
	again map[string][]string // what was made a second time, by its kind
	audit audit
	sent  deliveries
}

func newWitness() *Witness {
	return &Witness{
		seen: map[types.UID]bool{}, count: map[string]int{}, only: map[string]types.UID{}, ended: map[types.UID]string{}, busy: map[string]map[types.UID]string{},
		again: map[string][]string{}, audit: newAudit(), sent: newDeliveries(),
	}
}

func (w *Witness) made() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.count)
}

// broken are the laws that were broken. Of the kinds that were born late one may have been made again; see Report.BornLate.
func (w *Witness) broken(late []string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	wrong := append(slices.Clone(w.wrong), w.sent.wrong()...)
	for _, kind := range slices.Sorted(maps.Keys(w.again)) {
		if again := w.again[kind]; len(again) > 1 || !slices.Contains(late, kind) {
			wrong = append(wrong, again...)
		}
	}
	return wrong
}

// madeAs is what a kind is counted as.
func madeAs(api API, kind string) string { return string(api) + " " + kind }

// gaps in what the hub has on record.
func (w *Witness) gaps() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.audit.gaps()
}

// end says how an Operation has ended; "" when nobody has seen it end.
func (w *Witness) end(uid types.UID) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended[uid]
}

// forget all but what was wrong, and how much was made. Its laws hold from here on.
func (w *Witness) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.seen)
	clear(w.only)
	clear(w.ended)
	clear(w.busy)
	w.audit.forget()
	w.sent.forget()
}

// see a change.
func (w *Witness) see(c Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// These say what is: one that was taken away may come again.
	state := slices.Contains([]string{"ClusterClaim", "OperationTemplate", "Freeze"}, c.Object.GetKind()) || c.Object.GetLabels()[opsv1alpha1.LabelPart] == opsv1alpha1.PartCatalog
	if uid := c.Object.GetUID(); !w.seen[uid] && mayBeLeft(c.API, c.Object) && !state {
		w.seen[uid] = true
		w.count[madeAs(c.API, c.Object.GetKind())]++
	}
	if c.API == OnHub {
		w.audit.see(c.Object)
		w.sent.see(c)
	}
	w.oneOfAKind(c)
	if c.Object.GetKind() == "Operation" {
		w.final(c)
		w.alone(c)
	}
	if raw, err := json.Marshal(c.Object); err == nil && c.Object.GetKind() != "Secret" && strings.Contains(string(raw), canary) {
		w.accuse(c, "holds the value of a Secret")
	}
}

func (w *Witness) accuse(c Change, format string, args ...any) {
	if what := describe(c, format, args...); !slices.Contains(w.wrong, what) {
		w.wrong = append(w.wrong, what)
	}
}

func describe(c Change, format string, args ...any) string {
	return fmt.Sprintf("%s %s on the %s %s", c.Object.GetKind(), c.Object.GetName(), c.API, fmt.Sprintf(format, args...))
}

// executed are the kinds by which an executor is told what to do. Each of them does it once, and its name follows from the run.
var executed = []string{"Job", "Workflow", "Backup", "Restore", "ReplicationSource", "ReplicationDestination", "VolumeSnapshot"}

// oneOfAKind: per Operation and attempt one ManifestWork in a cluster, per parent one Operation on an instance, and per run one of what tells an executor.
func (w *Witness) oneOfAKind(c Change) {
	labels := c.Object.GetLabels()
	key := ""
	switch {
	case c.Object.GetKind() == "ManifestWork" && labels[opsv1alpha1.LabelOperation] != "":
		key = "work of " + labels[opsv1alpha1.LabelOperation] + " in " + c.Object.GetNamespace() + " by the name " + c.Object.GetName() // each attempt has its own
	case c.Object.GetKind() == "Operation" && labels[opsv1alpha1.LabelParent] != "":
		key = "child of " + labels[opsv1alpha1.LabelParent] + " on " + target(c.Object)
	case slices.Contains(executed, c.Object.GetKind()) && labels[opsv1alpha1.LabelOperation] != "" && labels[opsv1alpha1.LabelStep] == "":
		key = c.Object.GetKind() + " " + c.Object.GetName() + " of " + labels[opsv1alpha1.LabelOperation]
	default:
		return
	}
	uid := c.Object.GetUID()
	first, known := w.only[key]
	if !known {
		w.only[key] = uid
	} else if kind, what := madeAs(c.API, c.Object.GetKind()), describe(c, "is the second %s (%s)", key, uid); first != uid && !slices.Contains(w.again[kind], what) {
		w.again[kind] = append(w.again[kind], what)
	}
}

func target(op *unstructured.Unstructured) string {
	name, _, _ := unstructured.NestedString(op.Object, "spec", "targetRef", "name")
	return op.GetNamespace() + "/" + name
}

// final: an end is for ever.
func (w *Witness) final(c Change) {
	status, _, _ := unstructured.NestedMap(c.Object.Object, "status")
	phase, _, _ := unstructured.NestedString(status, "phase")
	end := fmt.Sprintf("%v/%v at %v", status["phase"], status["reason"], status["finishedAt"])
	before, ended := w.ended[c.Object.GetUID()]
	switch {
	case ended && end != before:
		w.accuse(c, "had ended as %s and is %s", before, end)
	case opsv1alpha1.OperationPhase(phase).Terminal():
		for _, open := range []string{"pending", "blocked", "running"} {
			foretold := status["reason"] == opsv1alpha1.ReasonDryRun && open != "running" // it counts what would become of them
			if n, _, _ := unstructured.NestedInt64(status, "summary", "clusters", open); n != 0 && !foretold {
				w.accuse(c, "has ended, and %d clusters are %s", n, open)
			}
		}
		w.ended[c.Object.GetUID()] = end
	}
}

// alone: one run at a time on an instance, of those that would be in each other's way.
func (w *Witness) alone(c Change) {
	on, uid := target(c.Object), c.Object.GetUID()
	if c.API != OnSpoke || strings.HasSuffix(on, "/") {
		return
	}
	if w.busy[on] == nil {
		w.busy[on] = map[types.UID]string{}
	}
	delete(w.busy[on], uid)
	if text(c.Object, "status", "phase") != string(opsv1alpha1.PhaseRunning) || c.Type == watch.Deleted {
		return
	}
	kind := text(c.Object, "spec", "type")
	for _, other := range w.busy[on] {
		if inTheWay(kind, other) {
			w.accuse(c, "is a %s at work on %s, and so is a %s", kind, on, other)
		}
	}
	w.busy[on][uid] = kind
}

// inTheWay tells whether two types never run beside each other; see docs/how-to/debug-a-spoke.md.
func inTheWay(a, b string) bool {
	changes := []string{string(opsv1alpha1.TypeUpgrade), string(opsv1alpha1.TypeRestore), string(opsv1alpha1.TypeMigration)}
	restore, backup := string(opsv1alpha1.TypeRestore), string(opsv1alpha1.TypeBackup)
	return slices.Contains(changes, a) && slices.Contains(changes, b) || a == restore && b == backup || a == backup && b == restore
}
