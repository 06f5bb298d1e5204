// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/yaml"

	"vworkspace.io/fleet/deploy"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/spoke"
)

// metric as it is described by whoever exports it.
type metric struct {
	labels []string
	kind   string // empty where the name alone tells
}

// ofTarget are the labels that Prometheus adds to what it scrapes in a cluster.
var ofTarget = []string{"job", "namespace", "pod"}

// description is how client_golang prints a Desc, which has no other accessors.
var description = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: ".*", constLabels: \{\}, variableLabels: \{([^}]*)\}\}$`)

// described are the metrics of a collector, by name.
func described(t *testing.T, c prometheus.Collector) map[string]metric {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() { c.Describe(descs); close(descs) }()
	found := map[string]metric{}
	for d := range descs {
		m := description.FindStringSubmatch(d.String())
		if m == nil {
			if strings.Contains(d.String(), `fqName: "go_`) || strings.Contains(d.String(), `fqName: "process_`) {
				continue
			}
			t.Fatalf("cannot read %s", d)
		}
		var names []string
		if m[2] != "" {
			names = strings.Split(m[2], ",")
		}
		found[m[1]] = metric{labels: names, kind: kindOf(m[1])}
	}
	return found
}

// kindOf a metric of ours, by Prometheus' conventions for names. hub and spoke lint what they export.
func kindOf(name string) string {
	switch {
	case strings.HasSuffix(name, "_total"):
		return "counter"
	case strings.HasSuffix(name, "_seconds"):
		return "histogram"
	default:
		return "gauge"
	}
}

// everything that the processes export.
func everything(t *testing.T) map[string]metric {
	t.Helper()
	all := map[string]metric{}
	framework, ok := ctrlmetrics.Registry.(prometheus.Collector)
	if !ok {
		t.Fatal("controller-runtime's registry does not describe itself")
	}
	for _, c := range []prometheus.Collector{hub.NewMetrics(), spoke.NewMetrics(), framework} {
		maps.Copy(all, described(t, c))
	}
	// Described by the operating system's side of client_golang, not by name.
	for _, name := range []string{"process_resident_memory_bytes", "process_cpu_seconds_total"} {
		all[name] = metric{}
	}
	return all
}

// TestReferenceOfMetrics: the page lists exactly what is exported, with its type and its labels in their order.
func TestReferenceOfMetrics(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `(vworkspace_[a-z_]+)` \\| (\\w+) \\|([^|]*)\\| (.+) \\|$")
	documented := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = m[2] + " " + strings.Join(strings.Fields(strings.ReplaceAll(m[3], "`", "")), ",")
	}
	exported := map[string]string{}
	for _, c := range []prometheus.Collector{hub.NewMetrics(), spoke.NewMetrics()} {
		for name, m := range described(t, c) {
			exported[name] = m.kind + " " + strings.Join(m.labels, ",")
		}
	}
	if diff := cmp.Diff(exported, documented); diff != "" {
		t.Errorf("docs/reference/metrics.md (-exported +documented):\n%s", diff)
	}
}

// values that a label of ours can have.
var values = map[string][]string{
	"level":     {"fleet", "cluster", "instance"},
	"phase":     {"Pending", "Running", "Succeeded", "Failed", "Cancelled"},
	"result":    {"Succeeded", "Failed", "Cancelled"},
	"waited":    {"true", "false"},
	"available": {"true", "false", "unknown"},
	"connected": {"true", "false", "unknown"},
	"kind":      {"ControlPlane", "AuditSink"},
}

// wrongIn says what a query names that nobody exports.
func wrongIn(query string, exported map[string]metric) error {
	query = strings.ReplaceAll(query, "$__rate_interval", "5m")
	expr, err := parser.ParseExpr(query)
	if err != nil {
		return err
	}
	var wrong error
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			known, err := labelsOf(n.Name, exported)
			if wrong == nil {
				wrong = err
			}
			for _, m := range n.LabelMatchers {
				if wrong == nil && m.Name != "__name__" {
					wrong = wrongMatcher(n.Name, m, known)
				}
			}
		case *parser.AggregateExpr:
			for _, label := range n.Grouping {
				if wrong == nil && !slices.Contains(below(n, exported), label) {
					wrong = fmt.Errorf("%s: nothing below has the label %s", n, label)
				}
			}
		}
		return nil
	})
	return wrong
}

func wrongMatcher(name string, m *labels.Matcher, known []string) error {
	if !slices.Contains(known, m.Name) {
		return fmt.Errorf("%s has no label %s, but %v", name, m.Name, known)
	}
	possible := values[m.Name]
	if strings.HasPrefix(name, "vworkspace_") && possible != nil && !slices.ContainsFunc(possible, func(v string) bool {
		return m.Matches(v) != (m.Type == labels.MatchNotEqual || m.Type == labels.MatchNotRegexp)
	}) {
		return fmt.Errorf("%s: %s never has the value %q, but %v", name, m.Name, m.Value, possible)
	}
	return nil
}

// labelsOf the series of a name, which for a histogram is one of three.
func labelsOf(name string, exported map[string]metric) ([]string, error) {
	m, ok := exported[name]
	known := append(slices.Clone(m.labels), ofTarget...)
	if ok && m.kind != "histogram" {
		return known, nil
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, is := strings.CutSuffix(name, suffix)
		if m, ok := exported[base]; is && ok {
			known = append(slices.Clone(m.labels), ofTarget...)
			if suffix == "_bucket" {
				known = append(known, labels.BucketLabel)
			}
			return known, nil
		}
	}
	return nil, fmt.Errorf("nobody exports %s", name)
}

// below are the labels that series in a part of a query have.
func below(expr parser.Node, exported map[string]metric) (known []string) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if n, ok := node.(*parser.VectorSelector); ok {
			names, _ := labelsOf(n.Name, exported) // an unknown one is told where it is selected
			known = append(known, names...)
		}
		return nil
	})
	return known
}

// TestQueriesAreChecked: the tests below can fail.
func TestQueriesAreChecked(t *testing.T) {
	exported := everything(t)
	for query, ok := range map[string]bool{
		`sum by (type) (vworkspace_hub_operations{phase="Running"})`:                                                  true,
		`sum by (le, waited) (rate(vworkspace_hub_fanout_duration_seconds_bucket{waited!="true"}[$__rate_interval]))`: true,
		`sum by (controller, pod) (workqueue_depth{namespace="a"})`:                                                   true,
		`vworkspace_hub_operations{phase="Halted"}`:                                                                   false,
		`vworkspace_hub_operations{phase!="Halted"}`:                                                                  false,
		`vworkspace_hub_operations{cluster="a"}`:                                                                      false,
		`sum by (cluster) (vworkspace_hub_operations)`:                                                                false,
		`vworkspace_hub_operation`:                                                                                    false,
		`vworkspace_hub_fanout_duration_seconds`:                                                                      false,
		`sum by (le) (vworkspace_hub_works_silent)`:                                                                   false,
		`sum(vworkspace_hub_works_silent`:                                                                             false,
	} {
		if err := wrongIn(query, exported); (err == nil) != ok {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// TestDashboard: every panel asks for what is exported.
func TestDashboard(t *testing.T) {
	data, err := deploy.Observability.ReadFile("observability/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Title  string
		Panels []struct {
			ID      int
			Title   string
			Type    string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	exported, asked, ids := everything(t), string(data), map[int]bool{}
	for _, p := range dashboard.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			if err := wrongIn(target.Expr, exported); err != nil {
				t.Errorf("panel %q: %v", p.Title, err)
			}
		}
	}
	for name := range exported {
		if strings.HasPrefix(name, "vworkspace_") && !strings.Contains(asked, name) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// rule of an alert, as Prometheus reads it.
type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func (r rule) check(t *testing.T, exported map[string]metric) {
	t.Helper()
	if err := wrongIn(r.Expr, exported); err != nil {
		t.Errorf("%s: %v", r.Alert, err)
	}
	if _, err := parser.ParseExpr("up[" + r.For + "]"); r.For != "" && err != nil {
		t.Errorf("%s: for: %v", r.Alert, err)
	}
	if !slices.Contains([]string{"warning", "critical"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
		t.Errorf("%s: needs a severity, a summary and a description", r.Alert)
	}
	if want := "docs/how-to/runbooks.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
		t.Errorf("%s: runbook_url is %q, not %q", r.Alert, r.Annotations["runbook_url"], want)
	}
}

// TestRules: every alert asks for what is exported, says what it is about, and has a runbook.
func TestRules(t *testing.T) {
	data, err := deploy.Observability.ReadFile("observability/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		t.Fatal(err)
	}
	runbooks, err := os.ReadFile("../docs/how-to/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	exported, alerts := everything(t), map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if alerts[r.Alert] {
				t.Errorf("%s is there twice", r.Alert)
			}
			alerts[r.Alert] = true
			r.check(t, exported)
			if !strings.Contains(string(runbooks), "\n## "+r.Alert+"\n") {
				t.Errorf("%s has no section in docs/how-to/runbooks.md", r.Alert)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(string(runbooks), -1) {
		if !alerts[m[1]] {
			t.Errorf("docs/how-to/runbooks.md explains %s, which is no alert", m[1])
		}
	}
}
