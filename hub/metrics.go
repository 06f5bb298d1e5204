// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/telemetry"
)

// Metrics of the hub, a prometheus.Collector; docs/reference/metrics.md says what each means. What tells of the present is exported by the hub that
// leads only.
type Metrics struct {
	operations    *telemetry.Operations
	clusters      *telemetry.Census[metav1.ConditionStatus]
	receivers     *telemetry.Census[receiver]
	fanOut        *prometheus.HistogramVec
	rollUp        prometheus.Histogram
	lag           prometheus.Histogram
	clustersEnded *prometheus.CounterVec

	managed, told, inFlight, silent, refused *prometheus.Desc

	leading telemetry.Leading
	runs    atomic.Pointer[runs]
}

// NewMetrics that are registered nowhere yet.
func NewMetrics() *Metrics {
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &Metrics{
		operations: telemetry.NewOperations("vworkspace_hub", func(op *opsv1alpha1.Operation) telemetry.Level {
			if belongsToSpoke(op) {
				return ""
			}
			return telemetry.LevelFleet
		}),
		clusters:  telemetry.NewCensus(availability),
		receivers: telemetry.NewCensus(receiverOf),
		fanOut: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "vworkspace_hub_fanout_duration_seconds",
			Help:    "From the creation of an Operation to its last ManifestWork, by whether it was blocked in between.",
			Buckets: []float64{1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600},
		}, []string{"waited"}),
		rollUp: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "vworkspace_hub_rollup_duration_seconds",
			Help:    "From the oldest feedback that the status of an Operation did not hold to the write of that status.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, .75, 1, 1.25, 1.5, 2, 3, 5, 10, 30},
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "vworkspace_hub_feedback_lag_seconds",
			Help:    "From the end of an Operation on a cluster, by the cluster's clock, to the hub's knowing.",
			Buckets: []float64{1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600},
		}),
		clustersEnded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vworkspace_hub_clusters_ended_total",
			Help: "Clusters on which an Operation ended, by type and result; counted when the whole Operation has ended.",
		}, []string{"type", "result"}),
		managed:  gauge("vworkspace_hub_managed_clusters", "ManagedClusters, by their condition ManagedClusterConditionAvailable.", "available"),
		told:     gauge("vworkspace_hub_receivers", "ControlPlanes and AuditSinks, by their condition Connected.", "kind", "connected"),
		inFlight: gauge("vworkspace_hub_works_in_flight", "ManifestWorks of Operations whose clusters have not ended."),
		silent:   gauge("vworkspace_hub_works_silent", "ManifestWorks of Operations that no agent has answered yet."),
		refused:  gauge("vworkspace_hub_works_refused", "ManifestWorks of Operations that could not be created and are tried again."),
	}
}

// availability of a ManagedCluster.
func availability(o client.Object) (metav1.ConditionStatus, bool) {
	c, ok := o.(*clusterv1.ManagedCluster)
	if !ok {
		return "", false
	}
	available := meta.FindStatusCondition(c.Status.Conditions, clusterv1.ManagedClusterConditionAvailable)
	if available == nil {
		return metav1.ConditionUnknown, true
	}
	return available.Status, true
}

// follow a manager, and the runs of its hub. Where nobody is served who is told what happens, receivers are not counted.
func (m *Metrics) follow(ctx context.Context, mgr ctrl.Manager, rs *runs, receivers bool) error {
	m.runs.Store(rs)
	if err := m.operations.Watch(ctx, mgr.GetCache()); err != nil {
		return err
	}
	if err := m.clusters.Watch(ctx, mgr.GetCache(), &clusterv1.ManagedCluster{}); err != nil {
		return err
	}
	if receivers {
		for _, kind := range []client.Object{&opsv1alpha1.ControlPlane{}, &opsv1alpha1.AuditSink{}} {
			if err := m.receivers.Watch(ctx, mgr.GetCache(), kind); err != nil {
				return err
			}
		}
	}
	return m.leading.Follow(mgr)
}

// heard takes note of feedback that changed something. Only an end has a time to compare with.
func (m *Metrics) heard(work *workv1.ManifestWork, now time.Time) {
	f := feedbackOf(work)
	if at := f.time(feedbackFinishedAt); !at.IsZero() && opsv1alpha1.OperationPhase(f.string(feedbackPhase)).Terminal() {
		m.lag.Observe(max(0, now.Sub(at).Seconds()))
	}
}

// wrote takes note of a status that the API server has accepted.
func (m *Metrics) wrote(p *pass, before opsv1alpha1.OperationStatus, now time.Time) {
	s := &p.op.Status
	if !p.heard.IsZero() {
		m.rollUp.Observe(max(0, now.Sub(p.heard).Seconds()))
	}
	if before.ExpandedAt == nil && s.ExpandedAt != nil && p.run != nil && atOnce(p.op) {
		last := p.run.lastDispatch(s.ExpandedAt.Time)
		m.fanOut.WithLabelValues(strconv.FormatBool(hasWaited(s.History))).Observe(max(0, last.Sub(p.op.CreationTimestamp.Time).Seconds()))
	}
	if !m.operations.Ended(p.op, before.Phase) || s.Summary == nil || s.Summary.Clusters == nil || p.op.Spec.DryRun && !asksClusters(p.op) {
		return
	}
	for phase, n := range map[string]int32{
		string(opsv1alpha1.PhaseSucceeded): s.Summary.Clusters.Succeeded,
		string(opsv1alpha1.PhaseFailed):    s.Summary.Clusters.Failed,
		string(opsv1alpha1.PhaseCancelled): s.Summary.Clusters.Cancelled,
		phaseSkipped:                       s.Summary.Clusters.Skipped,
	} {
		m.clustersEnded.WithLabelValues(string(p.op.Spec.Type), phase).Add(float64(n))
	}
}

// phaseSkipped is that of clusters that were left out.
const phaseSkipped = "Skipped"

// atOnce tells whether every cluster was to be started as soon as it could be.
func atOnce(op *opsv1alpha1.Operation) bool {
	r := op.Spec.Rollout
	return !op.Spec.Suspend && (r == nil || r.Type == "" || r.Type == clusterv1alpha1.All)
}

// lastDispatch is when this process created works last, or else the time that is on record.
func (r *run) lastDispatch(recorded time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sentLast.IsZero() {
		return recorded
	}
	return r.sentLast
}

// hasWaited tells whether something kept an Operation from starting.
func hasWaited(history []opsv1alpha1.Transition) bool {
	return slices.ContainsFunc(history, func(t opsv1alpha1.Transition) bool {
		return t.Phase == opsv1alpha1.PhasePending && t.Reason != opsv1alpha1.ReasonAdmissionPassed
	})
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range m.kept() {
		c.Describe(to)
	}
	for _, d := range []*prometheus.Desc{m.managed, m.told, m.inFlight, m.silent, m.refused} {
		to <- d
	}
	m.operations.Describe(to)
}

// kept are the metrics that add up what happened.
func (m *Metrics) kept() []prometheus.Collector {
	return []prometheus.Collector{m.fanOut, m.rollUp, m.lag, m.clustersEnded}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range m.kept() {
		c.Collect(to)
	}
	if !m.leading.Now() {
		return
	}
	m.operations.Collect(to)
	for status, n := range m.clusters.Counts() {
		to <- prometheus.MustNewConstMetric(m.managed, prometheus.GaugeValue, float64(n), strings.ToLower(string(status)))
	}
	for r, n := range m.receivers.Counts() {
		to <- prometheus.MustNewConstMetric(m.told, prometheus.GaugeValue, float64(n), r.kind, strings.ToLower(string(r.connected)))
	}
	inFlight, silent, refused := m.runs.Load().count()
	to <- prometheus.MustNewConstMetric(m.inFlight, prometheus.GaugeValue, float64(inFlight))
	to <- prometheus.MustNewConstMetric(m.silent, prometheus.GaugeValue, float64(silent))
	to <- prometheus.MustNewConstMetric(m.refused, prometheus.GaugeValue, float64(refused))
}

// count the works of all runs.
func (rs *runs) count() (inFlight, silent, refused int) {
	rs.mu.Lock()
	all := make([]*run, 0, len(rs.byUID))
	for _, r := range rs.byUID {
		all = append(all, r)
	}
	rs.mu.Unlock()
	for _, r := range all {
		r.mu.Lock()
		if r.loaded {
			inFlight += r.tally.InFlight()
			silent += len(r.silent)
			refused += len(r.troubles)
		}
		r.mu.Unlock()
	}
	return inFlight, silent, refused
}
