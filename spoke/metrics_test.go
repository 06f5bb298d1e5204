// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func exporter(t *testing.T) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(agentMetrics); err != nil {
		t.Fatal(err)
	}
	return registry
}

// exported is what a scrape shows: values of gauges and counters, and how often histograms observed, by name and labels.
func exported(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := exporter(t).Gather()
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
			name := strings.TrimPrefix(f.GetName(), "vworkspace_agent_") + "{" + strings.Join(labels, ",") + "}"
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

// TestMetricsOfARun: what waits and runs while it does, and the end once, also when the write of it fails at first.
func TestMetricsOfARun(t *testing.T) {
	ns := gatedNamespace(t)
	before := exported(t)
	shows := func(want map[string]float64) {
		t.Helper()
		eventually(t, func() string {
			got := exported(t)
			for name, more := range want {
				if got[name] != before[name]+more {
					return fmt.Sprintf("%s went from %v to %v, wanted %v more; all: %v", name, before[name], got[name], more, got)
				}
			}
			return ""
		})
	}
	op := on(ns, "move", "web", opsv1alpha1.TypeMigration)
	create(t, op)
	blockedFrom(t, op, opsv1alpha1.ReasonTargetNotFound)
	shows(map[string]float64{"operations{engine=auto,level=instance,phase=Pending,type=Migration}": 1})
	eventually(t, func() string {
		if exported(t)["operations_blocked{level=instance,reason=TargetNotFound}"] < 1 { // other tests may have left some more behind
			return "nothing is blocked"
		}
		return ""
	})
	capable(t, ns, "web", widgetName)
	w := widgetOf(t, op)
	running := fmt.Sprintf("operations{engine=%s,level=instance,phase=Running,type=Migration}", widgetName)
	shows(map[string]float64{running: 1})

	refused := 0
	faults.inject(t, ns, func(verb string, obj client.Object) error {
		if o, ok := obj.(*opsv1alpha1.Operation); ok && verb == "status" && o.Status.Phase.Terminal() && refused < 2 {
			refused++
			return errors.New("not now")
		}
		return nil
	})
	t.Cleanup(func() { faults.heal(ns) })
	play(t, w, map[string]any{"phase": "Done"})
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	shows(map[string]float64{
		running: 0,
		fmt.Sprintf("operations{engine=%s,level=instance,phase=Succeeded,type=Migration}", widgetName):              1,
		fmt.Sprintf("operations_ended_total{engine=%s,level=instance,result=Succeeded,type=Migration}", widgetName): 1,
		fmt.Sprintf("engine_run_duration_seconds{engine=%s,result=Succeeded,type=Migration}", widgetName):           1,
		fmt.Sprintf("operations_ended_total{engine=%s,level=instance,result=Failed,type=Migration}", widgetName):    0,
	})
	if problems, err := testutil.GatherAndLint(exporter(t)); err != nil || len(problems) > 0 {
		t.Errorf("Prometheus' conventions: %v %v", problems, err)
	}
	if err := k8s.Delete(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	gone(t, op)
	shows(map[string]float64{fmt.Sprintf("operations{engine=%s,level=instance,phase=Succeeded,type=Migration}", widgetName): 0})
}

// TestLevelsAreApart: an Operation with a selector and those below it are not counted as the same.
func TestLevelsAreApart(t *testing.T) {
	ns := gatedNamespace(t)
	capable(t, ns, "web", widgetName)
	parent := selecting(opsv1alpha1.DefaultAgentNamespace, "levels-"+ns, opsv1alpha1.InstanceSelector{Namespaces: []string{ns}})
	parent.Spec.Type = opsv1alpha1.TypeMigration
	ended := "operations_ended_total{engine=auto,level=cluster,result=Succeeded,type=Migration}"
	below := fmt.Sprintf("operations_ended_total{engine=%s,level=instance,result=Succeeded,type=Migration}", widgetName)
	before := exported(t)
	create(t, parent)
	var child opsv1alpha1.Operation
	eventually(t, func() string {
		var list opsv1alpha1.OperationList
		if err := k8s.List(t.Context(), &list, client.InNamespace(ns)); err != nil || len(list.Items) != 1 {
			return fmt.Sprintf("%d Operations below: %v", len(list.Items), err)
		}
		child = list.Items[0]
		return ""
	})
	finish(t, &child)
	reaches(t, parent, opsv1alpha1.PhaseSucceeded, "")
	eventually(t, func() string {
		if after := exported(t); after[ended] != before[ended]+1 || after[below] != before[below]+1 {
			return fmt.Sprintf("before %v, after %v", before, after)
		}
		return ""
	})
}
