// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// audit is what the hub has on record of its Operations. It is complete when each that has ended counts as many clusters as were planned, each of them
// in one end, and when there was a result of each of these, in an end that the counts agree with; and of each that was started again what it had come to before.
type audit struct {
	ended   map[types.UID]closing
	results map[types.UID]map[string][]placement.ClusterResult // by Operation and by the ConfigMap that holds a part of them
	earlier map[types.UID]map[string]bool                      // by Operation: the clusters that had ended before an attempt; see before
}

// closing is what an Operation said when it ended.
type closing struct {
	name    string
	planned int32
	counts  opsv1alpha1.Counts
}

func newAudit() audit {
	return audit{ended: map[types.UID]closing{}, results: map[types.UID]map[string][]placement.ClusterResult{}, earlier: map[types.UID]map[string]bool{}}
}

// see a change on the hub.
func (a audit) see(o *unstructured.Unstructured) {
	switch o.GetKind() {
	case "Operation":
		a.close(o)
	case "ConfigMap":
		switch o.GetLabels()[opsv1alpha1.LabelPart] {
		case opsv1alpha1.PartResult:
			a.file(o)
		case opsv1alpha1.PartEarlier:
			a.fileEarlier(o)
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
	counted := func(field string) int32 {
		n, _, _ := unstructured.NestedInt64(o.Object, "status", "summary", "clusters", field)
		return int32(n)
	}
	a.ended[o.GetUID()] = closing{o.GetName(), int32(planned), opsv1alpha1.Counts{
		Total: counted("total"), Succeeded: counted("succeeded"), Failed: counted("failed"), Cancelled: counted("cancelled"), Skipped: counted("skipped"),
	}}
}

// file the results in a ConfigMap.
func (a audit) file(o *unstructured.Unstructured) {
	operation := types.UID(o.GetLabels()[opsv1alpha1.LabelOperation])
	if a.results[operation] == nil {
		a.results[operation] = map[string][]placement.ClusterResult{}
	}
	a.results[operation][o.GetName()] = resultsIn(o)
}

// beforeAttempt is in the name of a ConfigMap that holds what clusters had come to before an attempt.
var beforeAttempt = regexp.MustCompile(`-before-(\d+)-\d+$`)

// fileEarlier files what clusters had come to before they were started again. One that had not ended, or that had succeeded, counts for nothing.
func (a audit) fileEarlier(o *unstructured.Unstructured) {
	operation, attempt := types.UID(o.GetLabels()[opsv1alpha1.LabelOperation]), beforeAttempt.FindStringSubmatch(o.GetName())
	if attempt == nil {
		return // what is not there is missed
	}
	if a.earlier[operation] == nil {
		a.earlier[operation] = map[string]bool{}
	}
	for _, r := range resultsIn(o) {
		if r.State.Terminal() && r.State != placement.Succeeded {
			a.earlier[operation][before(r.Cluster, attempt[1])] = true
		}
	}
}

func before(cluster, attempt string) string { return cluster + " before attempt " + attempt }

// resultsIn a ConfigMap.
func resultsIn(o *unstructured.Unstructured) (all []placement.ClusterResult) {
	data, _, _ := unstructured.NestedStringMap(o.Object, "binaryData")
	for _, encoded := range data {
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			continue // the API server would not have taken it
		}
		results, err := placement.DecodeResults(raw)
		if err != nil {
			continue // what is not there is missed
		}
		all = append(all, results...)
	}
	return all
}

// count results by their ends.
func count(results []placement.ClusterResult) (counts opsv1alpha1.Counts) {
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
	return counts
}

// gaps are what is missing, in words.
func (a audit) gaps() (all []string) {
	for _, uid := range slices.Sorted(maps.Keys(a.ended)) {
		end := a.ended[uid]
		if end.counts.Total != end.planned || end.counts.Done() != end.planned {
			all = append(all, fmt.Sprintf("Operation %s was planned for %d clusters and accounts for %+v", end.name, end.planned, end.counts))
		}
		results := slices.Concat(slices.Collect(maps.Values(a.results[uid]))...)
		if kept := count(results); kept != end.counts {
			all = append(all, fmt.Sprintf("Operation %s ended with %+v, and the results that were kept are %+v", end.name, end.counts, kept))
		}
		for _, r := range results {
			if what := before(r.Cluster, strconv.Itoa(int(r.Attempt))); r.Attempt > 0 && !a.earlier[uid][what] {
				all = append(all, fmt.Sprintf("Operation %s has not kept what became of %s", end.name, what))
			}
		}
	}
	return all
}

// forget all.
func (a audit) forget() {
	clear(a.ended)
	clear(a.results)
	clear(a.earlier)
}
