// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// exported is what a scrape shows: values of gauges and counters, and how often histograms observed, by name and labels.
func exported(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, metric := range f.Metric {
			labels := make([]string, 0, len(metric.Label))
			for _, l := range metric.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			name := strings.TrimPrefix(f.GetName(), "vworkspace_hub_") + "{" + strings.Join(labels, ",") + "}"
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				values[name] = metric.Counter.GetValue()
			case dto.MetricType_GAUGE:
				values[name] = metric.Gauge.GetValue()
			case dto.MetricType_HISTOGRAM:
				values[name] = float64(metric.Histogram.GetSampleCount())
			default:
				t.Errorf("%s is a %s", f.GetName(), f.GetType())
			}
		}
	}
	return values
}

// shows waits until a scrape shows the values; 0 is not there at all or 0.
func (f *fleet) shows(t *testing.T, m *Metrics, want map[string]float64) {
	t.Helper()
	f.eventually("the metrics", func() (string, error) {
		got := exported(t, m)
		for name, value := range want {
			if got[name] != value {
				return fmt.Sprintf("%s is %v, wanted %v; all: %v", name, got[name], value, got), nil
			}
		}
		return "", nil
	})
}

// TestMetricsOfARun: what is in flight while it is, each end once, and nothing again by a hub that comes up later.
func TestMetricsOfARun(t *testing.T) {
	f := newFleet(t, 3)
	m := NewMetrics()
	f.options.Metrics = m
	stop := f.startHub()
	waiting := f.operation("waiting", "nowhere")
	f.await(waiting, opsv1alpha1.PhasePending, opsv1alpha1.ReasonPlacementNotFound)
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", func(op *opsv1alpha1.Operation) { op.Spec.Engine = opsv1alpha1.EngineVelero })
	f.awaitWorks(op, 3)
	f.shows(t, m, map[string]float64{
		"operations{engine=auto,level=fleet,phase=Pending,type=Backup}":   1,
		"operations{engine=velero,level=fleet,phase=Running,type=Backup}": 1,
		"operations_blocked{level=fleet,reason=PlacementNotFound}":        1,
		"works_in_flight{}":                     3,
		"works_silent{}":                        3,
		"works_refused{}":                       0,
		"fanout_duration_seconds{waited=false}": 1,
		"feedback_lag_seconds{}":                0,
	})
	if got := exported(t, m)["managed_clusters{available=true}"]; got < 3 {
		t.Errorf("%v clusters are available", got)
	}
	f.report(op, f.clusters[0], running())
	f.shows(t, m, map[string]float64{"works_in_flight{}": 3, "works_silent{}": 2})
	for _, c := range f.clusters[:2] {
		r := succeeded(1)
		r.finished = time.Now()
		f.report(op, c, r)
	}
	f.report(op, f.clusters[2], report{phase: opsv1alpha1.PhaseFailed, reason: "EngineFailed", message: "disk full", finished: time.Now()})
	f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed)
	f.shows(t, m, map[string]float64{
		"operations{engine=velero,level=fleet,phase=Running,type=Backup}":             0,
		"operations{engine=velero,level=fleet,phase=Failed,type=Backup}":              1,
		"operations_ended_total{engine=velero,level=fleet,result=Failed,type=Backup}": 1,
		"clusters_ended_total{result=Succeeded,type=Backup}":                          2,
		"clusters_ended_total{result=Failed,type=Backup}":                             1,
		"works_in_flight{}":      0,
		"works_silent{}":         0,
		"feedback_lag_seconds{}": 3,
	})
	if n := exported(t, m)["rollup_duration_seconds{}"]; n < 1 || n > 4 {
		t.Errorf("%v roll-ups of four reports", n)
	}
	stop()

	f.options.Metrics = NewMetrics()
	f.startHub()
	f.shows(t, f.options.Metrics, map[string]float64{"operations{engine=velero,level=fleet,phase=Failed,type=Backup}": 1})
	again := exported(t, f.options.Metrics)
	for _, name := range []string{"operations_ended_total{engine=velero,level=fleet,result=Failed,type=Backup}", "feedback_lag_seconds{}", "fanout_duration_seconds{waited=false}"} {
		if again[name] != 0 {
			t.Errorf("a hub that comes up later counts again: %s is %v", name, again[name])
		}
	}
	if problems, err := testutil.GatherAndLint(gatherer(f.options.Metrics)); err != nil || len(problems) > 0 {
		t.Errorf("Prometheus' conventions: %v %v", problems, err)
	}
}

func gatherer(m *Metrics) prometheus.Gatherer {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m)
	return registry
}

// TestBlockedRunIsMarked: the time that an Operation waited for people does not look like a slow hub.
func TestBlockedRunIsMarked(t *testing.T) {
	f := newBareFleet(t, 1)
	f.options.Metrics = NewMetrics()
	f.startHub()
	op := f.operation("backup", "all")
	f.await(op, opsv1alpha1.PhasePending, opsv1alpha1.ReasonPlacementNotFound)
	f.place("all", f.clusters...)
	f.awaitWorks(op, 1)
	f.shows(t, f.options.Metrics, map[string]float64{"fanout_duration_seconds{waited=true}": 1, "fanout_duration_seconds{waited=false}": 0})
}

// TestTransitionsAreTold: an Event for each, once, on the Operation; a hub that comes up later tells none of them again.
func TestTransitionsAreTold(t *testing.T) {
	f := newBareFleet(t, 1)
	stop := f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all")
	f.awaitWorks(op, 1)
	f.report(op, f.clusters[0], succeeded(1))
	f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded)
	want := []string{"1 Normal AdmissionPassed Backup", "1 Normal AllSucceeded Backup", "1 Normal RollingOut Backup"}
	told := func() (got []string, err error) {
		list := &eventsv1.EventList{}
		err = api.List(f.ctx, list, client.InNamespace(f.ns))
		for _, e := range list.Items {
			if e.Regarding.UID != op.UID {
				continue
			}
			n := int32(1)
			if e.Series != nil {
				n = e.Series.Count
			}
			got = append(got, fmt.Sprint(n, " ", e.Type, " ", e.Reason, " ", e.Action))
		}
		slices.Sort(got)
		return got, err
	}
	f.eventually("an Event for each transition", func() (string, error) {
		got, err := told()
		return cmp.Diff(want, got), err
	})
	stop()
	m := NewMetrics()
	f.options.Metrics = m
	f.startHub()
	second := f.operation("second", "all") // when this one has been told of, the first would have been
	f.awaitWorks(second, 1)
	f.eventually("Events of the second Operation", func() (string, error) {
		list := &eventsv1.EventList{}
		err := api.List(f.ctx, list, client.InNamespace(f.ns))
		told := slices.ContainsFunc(list.Items, func(e eventsv1.Event) bool { return e.Regarding.UID == second.UID })
		return differs(fmt.Sprint(told), "true"), err
	})
	if got, err := told(); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("after a restart: %v %s", err, cmp.Diff(want, got))
	}
}
