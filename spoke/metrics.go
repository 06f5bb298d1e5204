// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/telemetry"
)

// Metrics of the agent, a prometheus.Collector; docs/reference/metrics.md says what each means. An agent of several clusters adds them up: the name of a
// cluster is no label, because there is no bound on how many there are. What tells of the present is exported by the agent that leads only.
type Metrics struct {
	operations *telemetry.Operations
	engineRun  *prometheus.HistogramVec
	clusters   *prometheus.Desc
	kinds      *lateKinds
	leading    telemetry.Leading
}

// NewMetrics that are registered nowhere yet.
func NewMetrics() *Metrics {
	return &Metrics{
		operations: telemetry.NewOperations("vworkspace_agent", levelOf),
		engineRun: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "vworkspace_agent_engine_run_duration_seconds",
			Help:    "From the fence to the end of an Operation on an instance, by type, engine and result.",
			Buckets: []float64{1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400},
		}, []string{"type", "engine", "result"}),
		clusters: prometheus.NewDesc("vworkspace_agent_clusters",
			"Clusters that this process is the agent of, by whether their API servers answer.", []string{"available"}, nil),
	}
}

// levelOf an Operation; none for the hub's.
func levelOf(op *opsv1alpha1.Operation) telemetry.Level {
	switch {
	case op.Spec.Placement != nil:
		return ""
	case op.Spec.Selector != nil:
		return telemetry.LevelCluster
	default:
		return telemetry.LevelInstance
	}
}

// follow a manager, and who knows which clusters answer.
func (m *Metrics) follow(mgr manager.Manager, kinds *lateKinds) error {
	m.kinds = kinds
	return m.leading.Follow(mgr)
}

// wrote takes note of a status that the API server has accepted.
func (m *Metrics) wrote(op *opsv1alpha1.Operation, before opsv1alpha1.OperationPhase) {
	s := &op.Status
	if !m.operations.Ended(op, before) || levelOf(op) != telemetry.LevelInstance || s.StartedAt == nil || s.FinishedAt == nil {
		return
	}
	m.engineRun.WithLabelValues(string(op.Spec.Type), string(s.Engine), string(s.Phase)).Observe(max(0, s.FinishedAt.Sub(s.StartedAt.Time).Seconds()))
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	m.operations.Describe(to)
	m.engineRun.Describe(to)
	to <- m.clusters
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	m.engineRun.Collect(to)
	if !m.leading.Now() {
		return
	}
	m.operations.Collect(to)
	available, away := m.kinds.clusters()
	for answer, n := range map[string]int{"true": available, "false": away} {
		to <- prometheus.MustNewConstMetric(m.clusters, prometheus.GaugeValue, float64(n), answer)
	}
}
