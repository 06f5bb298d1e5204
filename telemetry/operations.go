// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"cmp"
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Level of an Operation: whom it is for.
type Level string

const (
	// LevelFleet is for clusters: what a person asks of the hub.
	LevelFleet Level = "fleet"
	// LevelCluster is for the instances of one cluster.
	LevelCluster Level = "cluster"
	// LevelInstance is for one instance, on an engine.
	LevelInstance Level = "instance"
)

const (
	// engineAuto is the engine of an Operation that leaves it to its targets.
	engineAuto = "auto"
	// maxReasons bounds the values of the label reason. The reasons that code of ours gives are about sixty, and few at a time; but whoever may write a
	// status may write any word there.
	maxReasons = 100
	// otherReasons stands for those beyond.
	otherReasons = "Other"
)

// Operations are the metrics of Operations that hub and agent have in common. No label holds a name of an Operation, an instance or a cluster: there is
// no bound on those.
type Operations struct {
	level   func(*opsv1alpha1.Operation) Level
	byPhase *Census[standing]
	held    *Census[hold]
	present *prometheus.Desc
	blocked *prometheus.Desc
	ended   *prometheus.CounterVec
}

type standing struct {
	level Level
	kind  opsv1alpha1.OperationType
	by    string
	phase opsv1alpha1.OperationPhase
}

type hold struct {
	level  Level
	reason string
}

// NewOperations makes the metrics <prefix>_operations, <prefix>_operations_blocked and <prefix>_operations_ended_total. Operations for which level is
// empty are somebody else's and do not count.
func NewOperations(prefix string, level func(*opsv1alpha1.Operation) Level) *Operations {
	of := func(o client.Object) (*opsv1alpha1.Operation, Level) {
		if op, ok := o.(*opsv1alpha1.Operation); ok {
			return op, level(op)
		}
		return nil, ""
	}
	return &Operations{
		level: level,
		byPhase: NewCensus(func(o client.Object) (standing, bool) {
			op, at := of(o)
			if at == "" {
				return standing{}, false
			}
			return standing{at, op.Spec.Type, engineOf(op), cmp.Or(op.Status.Phase, opsv1alpha1.PhasePending)}, true
		}),
		held: NewCensus(func(o client.Object) (hold, bool) {
			op, at := of(o)
			if at == "" || !op.Status.Blocked || op.Status.Phase.Terminal() {
				return hold{}, false
			}
			return hold{at, blockedBy(&op.Status)}, true
		}),
		present: prometheus.NewDesc(prefix+"_operations",
			"Operations that exist, by level, type, engine and phase.", []string{"level", "type", "engine", "phase"}, nil),
		blocked: prometheus.NewDesc(prefix+"_operations_blocked",
			"Operations that wait for something, by level and the reason of their condition Blocked.", []string{"level", "reason"}, nil),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "_operations_ended_total",
			Help: "Operations that ended, by level, type, engine and result.",
		}, []string{"level", "type", "engine", "result"}),
	}
}

func engineOf(op *opsv1alpha1.Operation) string {
	return string(cmp.Or(op.Status.Engine, op.Spec.Engine, engineAuto))
}

// blockedBy is the reason of the condition; that of the status speaks of the run when the run goes on.
func blockedBy(s *opsv1alpha1.OperationStatus) string {
	if c := meta.FindStatusCondition(s.Conditions, opsv1alpha1.ConditionBlocked); c != nil {
		return c.Reason
	}
	return s.Reason
}

// Watch counts the Operations of a cache until ctx ends.
func (o *Operations) Watch(ctx context.Context, in cache.Informers) error {
	if err := o.byPhase.Watch(ctx, in, &opsv1alpha1.Operation{}); err != nil {
		return err
	}
	return o.held.Watch(ctx, in, &opsv1alpha1.Operation{})
}

// Ended counts an Operation if it has ended since before, and tells whether it has. Like Tell it is for a status that was accepted.
func (o *Operations) Ended(op *opsv1alpha1.Operation, before opsv1alpha1.OperationPhase) bool {
	result := func(phase opsv1alpha1.OperationPhase) prometheus.Counter {
		return o.ended.WithLabelValues(string(o.level(op)), string(op.Spec.Type), engineOf(op), string(phase))
	}
	if op.Status.Phase == opsv1alpha1.PhaseRunning && before != opsv1alpha1.PhaseRunning {
		// From now on there is a 0 to count from: increase() does not see a counter's first value.
		for _, phase := range []opsv1alpha1.OperationPhase{opsv1alpha1.PhaseSucceeded, opsv1alpha1.PhaseFailed, opsv1alpha1.PhaseCancelled} {
			result(phase)
		}
	}
	if before.Terminal() || !op.Status.Phase.Terminal() {
		return false
	}
	result(op.Status.Phase).Inc()
	return true
}

// Describe implements prometheus.Collector.
func (o *Operations) Describe(to chan<- *prometheus.Desc) {
	to <- o.present
	to <- o.blocked
	o.ended.Describe(to)
}

// Collect implements prometheus.Collector.
func (o *Operations) Collect(to chan<- prometheus.Metric) {
	for s, n := range o.byPhase.Counts() {
		to <- prometheus.MustNewConstMetric(o.present, prometheus.GaugeValue, float64(n), string(s.level), string(s.kind), s.by, string(s.phase))
	}
	for h, n := range bounded(o.held.Counts()) {
		to <- prometheus.MustNewConstMetric(o.blocked, prometheus.GaugeValue, float64(n), string(h.level), h.reason)
	}
	o.ended.Collect(to)
}

// bounded keeps the most frequent reasons and adds the others up.
func bounded(counts map[hold]int) map[hold]int {
	if len(counts) <= maxReasons {
		return counts
	}
	all := make([]hold, 0, len(counts))
	for h := range counts {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b hold) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.level, b.level), cmp.Compare(a.reason, b.reason))
	})
	kept := map[hold]int{}
	for i, h := range all {
		n := counts[h]
		if i >= maxReasons {
			h.reason = otherReasons
		}
		kept[h] += n
	}
	return kept
}
