// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// audit is what the hub has on record of its Operations. It is complete when each that has ended counts as many clusters as were planned, each of them
// in one end, and when there was a result of each of these, in an end that the counts agree with.
type audit struct {
	ended   map[types.UID]closing
	results map[types.UID]map[string]opsv1alpha1.Counts // by Operation and by the ConfigMap that holds a part of them
}

// closing is what an Operation said when it ended.
type closing struct {
	name    string
	planned int32
	counts  opsv1alpha1.Counts
}

func newAudit() audit {
	return audit{ended: map[types.UID]closing{}, results: map[types.UID]map[string]opsv1alpha1.Counts{}}
}

// see a change on the hub.
func (a audit) see(o *unstructured.Unstructured) {
	switch o.GetKind() {
	case "Operation":
		a.close(o)
	case "ConfigMap":
		if o.GetLabels()[opsv1alpha1.LabelPart] == opsv1alpha1.PartResult {
			a.file(o)
		}
	}
}

// close an Operation that has ended and had a plan to run, unless the plan was taken from it: then nobody knows which clusters there were.
func (a audit) close(o *unstructured.Unstructured) {
	reason := text(o, "status", "reason")
	planned, isPlanned, _ := unstructured.NestedInt64(o.Object, "status", "plan", "clusters")
	if !isPlanned || !opsv1alpha1.OperationPhase(text(o, "status", "phase")).Terminal() || reason == opsv1alpha1.ReasonResultLost || reason == opsv1alpha1.ReasonDryRun {
		return
	}
	count := func(field string) int32 {
		n, _, _ := unstructured.NestedInt64(o.Object, "status", "summary", "clusters", field)
		return int32(n)
	}
	a.ended[o.GetUID()] = closing{o.GetName(), int32(planned), opsv1alpha1.Counts{
		Total: count("total"), Succeeded: count("succeeded"), Failed: count("failed"), Cancelled: count("cancelled"), Skipped: count("skipped"),
	}}
}

// file the results in a ConfigMap.
func (a audit) file(o *unstructured.Unstructured) {
	operation := types.UID(o.GetLabels()[opsv1alpha1.LabelOperation])
	data, _, _ := unstructured.NestedStringMap(o.Object, "binaryData")
	var counts opsv1alpha1.Counts
	for _, encoded := range data {
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			continue // the API server would not have taken it
		}
		results, err := placement.DecodeResults(raw)
		if err != nil {
			continue // what is not there is missed
		}
		for _, r := range results {
			counts.Total++
			switch r.State {
			case placement.Succeeded:
				counts.Succeeded++
			case placement.Failed:
				counts.Failed++
			case placement.Cancelled:
				counts.Cancelled++
			case placement.Skipped:
				counts.Skipped++
			case placement.Pending, placement.Blocked, placement.Running:
			}
		}
	}
	if a.results[operation] == nil {
		a.results[operation] = map[string]opsv1alpha1.Counts{}
	}
	a.results[operation][o.GetName()] = counts
}

// gaps are what is missing, in words.
func (a audit) gaps() (all []string) {
	for _, uid := range slices.Sorted(maps.Keys(a.ended)) {
		end := a.ended[uid]
		if end.counts.Total != end.planned || end.counts.Done() != end.planned {
			all = append(all, fmt.Sprintf("Operation %s was planned for %d clusters and accounts for %+v", end.name, end.planned, end.counts))
		}
		var kept opsv1alpha1.Counts
		for _, c := range a.results[uid] {
			kept.Total, kept.Succeeded, kept.Failed, kept.Cancelled = kept.Total+c.Total, kept.Succeeded+c.Succeeded, kept.Failed+c.Failed, kept.Cancelled+c.Cancelled
			kept.Skipped += c.Skipped
		}
		if kept != end.counts {
			all = append(all, fmt.Sprintf("Operation %s ended with %+v, and the results that were kept are %+v", end.name, end.counts, kept))
		}
	}
	return all
}

// forget all.
func (a audit) forget() {
	clear(a.ended)
	clear(a.results)
}
