// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/base64"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"vworkspace.io/fleet/placement"
)

// TestAudit: what is missing in what the hub keeps of an Operation is missed.
func TestAudit(t *testing.T) {
	operation := func(phase, reason string, succeeded, failed int64) *unstructured.Unstructured {
		return seen(OnHub, "Operation", "op", "1", nil, map[string]any{
			"status.phase": phase, "status.reason": reason, "status.plan.clusters": int64(2), "status.summary.clusters.total": succeeded + failed,
			"status.summary.clusters.succeeded": succeeded, "status.summary.clusters.failed": failed,
		}).Object
	}
	kept := func(part, name string, all ...placement.ClusterResult) *unstructured.Unstructured {
		raw, err := placement.EncodeResults(all)
		if err != nil {
			t.Fatal(err)
		}
		labels := map[string]string{"ops.vworkspace.io/part": part, "ops.vworkspace.io/operation": "1"}
		return seen(OnHub, "ConfigMap", name, name, labels, map[string]any{
			"binaryData": map[string]any{"data": base64.StdEncoding.EncodeToString(raw)},
		}).Object
	}
	results := func(name string, states ...placement.State) *unstructured.Unstructured {
		var all []placement.ClusterResult
		for _, s := range states {
			all = append(all, placement.ClusterResult{Cluster: "c", State: s})
		}
		return kept("result", name, all...)
	}
	again := kept("result", "0", placement.ClusterResult{Cluster: "a", State: placement.Succeeded}, placement.ClusterResult{Cluster: "b", State: placement.Succeeded, Attempt: 1})
	earlier := func(name, cluster string, state placement.State) *unstructured.Unstructured {
		return kept("earlier", name, placement.ClusterResult{Cluster: cluster, State: state})
	}
	done := operation("Succeeded", "AllSucceeded", 2, 0)
	for _, c := range []struct {
		name string
		see  []*unstructured.Unstructured
		want string // empty when nothing is missing
	}{
		{"at work", []*unstructured.Unstructured{operation("Running", "RollingOut", 1, 0)}, ""},
		{"all there", []*unstructured.Unstructured{results("0", placement.Succeeded, placement.Failed), operation("Failed", "SomeFailed", 1, 1)}, ""},
		{"in two parts, the second late", []*unstructured.Unstructured{
			results("0", placement.Succeeded), operation("Failed", "SomeFailed", 1, 1), results("1", placement.Failed),
		}, ""},
		{"kept again with more", []*unstructured.Unstructured{
			results("0", placement.Succeeded), results("0", placement.Succeeded, placement.Failed), operation("Failed", "SomeFailed", 1, 1),
		}, ""},
		{"a cluster is not counted", []*unstructured.Unstructured{results("0", placement.Succeeded), operation("Succeeded", "AllSucceeded", 1, 0)}, "was planned for 2 clusters"},
		{"no results", []*unstructured.Unstructured{operation("Failed", "SomeFailed", 1, 1)}, "the results that were kept"},
		{"a result too few", []*unstructured.Unstructured{results("0", placement.Succeeded), operation("Failed", "SomeFailed", 1, 1)}, "the results that were kept"},
		{"a result is another", []*unstructured.Unstructured{
			results("0", placement.Succeeded, placement.Succeeded), operation("Failed", "SomeFailed", 1, 1),
		}, "the results that were kept"},
		{"the plan was taken away", []*unstructured.Unstructured{operation("Failed", "ResultLost", 1, 1)}, ""},
		{"what was before an attempt is there", []*unstructured.Unstructured{earlier("r-before-1-0", "b", placement.Failed), again, done}, ""},
		{"what was before an attempt is not there", []*unstructured.Unstructured{again, done}, "has not kept what became of b before attempt 1"},
		{"what was before an attempt is of another cluster", []*unstructured.Unstructured{earlier("r-before-1-0", "a", placement.Failed), again, done}, "has not kept"},
		{"what was before an attempt is of another one", []*unstructured.Unstructured{earlier("r-before-2-0", "b", placement.Failed), again, done}, "has not kept"},
		{"what was before an attempt was no end", []*unstructured.Unstructured{earlier("r-before-1-0", "b", placement.Pending), again, done}, "has not kept"},
		{"what was before an attempt was well", []*unstructured.Unstructured{earlier("r-before-1-0", "b", placement.Succeeded), again, done}, "has not kept"},
		{"nothing was to be done", []*unstructured.Unstructured{operation("Succeeded", "DryRun", 0, 0)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAudit()
			for _, o := range c.see {
				a.see(o)
			}
			if gaps := strings.Join(a.gaps(), "; "); (c.want == "") != (gaps == "") || !strings.Contains(gaps, c.want) {
				t.Errorf("missing: %q, want %q", gaps, c.want)
			}
		})
	}
}
