// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
	"vworkspace.io/fleet/placement"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

const nightly = "ops.vworkspace.io/v1alpha1/Operation/team/nightly/uid-1"

// operation whose status some steps have made.
func operation(steps ...func(opsv1alpha1.Transitioner)) view {
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "nightly", UID: "uid-1", Generation: 3}}
	op.Spec.Type = opsv1alpha1.TypeBackup
	for i, step := range steps {
		step(op.Transition(noon.Add(time.Duration(i) * time.Minute)))
	}
	return view{Operation: op}
}

func accept(t opsv1alpha1.Transitioner)  { t.Accept("it makes sense") }
func block(t opsv1alpha1.Transitioner)   { t.Block("AwaitingApproval", "nobody agreed") }
func run(t opsv1alpha1.Transitioner)     { t.Run("RollingOut", "it runs") }
func await(t opsv1alpha1.Transitioner)   { t.Await("Suspended", "RollingOut", "spec.suspend is set") }
func succeed(t opsv1alpha1.Transitioner) { t.Succeed("AllSucceeded", "all is well") }
func degrade(t opsv1alpha1.Transitioner) { t.Degrade("SomeSkipped", "1 was left out") }

// tellAll of an Operation with room for so many events at a time, and return their keys and what was dropped.
func tellAll(c *cursor, v view, room int) (keys []string, dropped int64) {
	for {
		n := 0
		take := func(e event) bool {
			if n == room {
				return false
			}
			n++
			keys = append(keys, e.EventKey)
			return true
		}
		d, all := c.transitions(v, take)
		dropped += d
		if all && c.end(v, take) {
			return keys, dropped
		}
	}
}

func TestTransitions(t *testing.T) {
	leaving := operation(accept, run)
	leaving.DeletionTimestamp = &metav1.Time{Time: noon}
	for name, c := range map[string]struct {
		told int32
		v    view
		want []string
	}{
		"nothing":       {0, operation(), nil},
		"the beginning": {0, operation(accept, block), []string{"Accepted/True#1", "Blocked/True#2"}},
		"what is new":   {1, operation(accept, run), []string{"Running/True#2"}},
		"to the end":    {0, operation(accept, run, succeed), []string{"Accepted/True#1", "Running/True#2", "Succeeded/True#3"}},
		"what changes beside, and before the end": {2, operation(accept, run, degrade, succeed), []string{"Degraded/True#1795953720.SOME", "Succeeded/True#3"}},
		"what a run waits for":                    {2, operation(accept, run, await), []string{"Blocked/True#1795953720.SOME"}},
		"that it is gone":                         {1, leaving, []string{"Running/True#2", "deleted"}},
	} {
		for _, room := range []int{1, 2, 100} {
			t.Run(fmt.Sprintf("%s, %d at a time", name, room), func(t *testing.T) {
				cursor := cursor{told: c.told}
				got, dropped := tellAll(&cursor, c.v, room)
				for i, key := range got {
					key = strings.TrimPrefix(key, "condition/"+nightly+"/")
					if at := strings.Index(key, "."); at > 0 && strings.Contains(key, "#") {
						key = key[:at+1] + "SOME"
					}
					got[i] = strings.TrimSuffix(key, "/"+nightly)
				}
				if diff := cmp.Diff(c.want, got); diff != "" || dropped != 0 {
					t.Errorf("dropped %d\n%s", dropped, diff)
				}
				if again, _ := tellAll(&cursor, c.v, room); len(again) != 0 {
					t.Errorf("told again: %v", again)
				}
				if !cursor.quiet(c.v) {
					t.Error("there is something to tell still")
				}
			})
		}
	}
}

// A key says the same of a thing whenever it is told: also when the Operation has been changed since.
func TestKeysStayTheSame(t *testing.T) {
	v := operation(accept, run, await)
	before, _ := tellAll(&cursor{}, v, 100)
	v.Generation, v.ResourceVersion = 9, "1234"
	v.Transition(noon.Add(time.Hour)).Run("RollingOut", "it runs still")
	after, _ := tellAll(&cursor{}, v, 100)
	if diff := cmp.Diff(before[:2], after[:2]); diff != "" {
		t.Error(diff)
	}
}

func TestWhatTheHistoryLostIsCounted(t *testing.T) {
	v := operation(accept)
	for i := range 50 {
		v.Transition(noon).Run(fmt.Sprintf("Reason%d", i), "")
	}
	for told, want := range map[int32]int64{0: 0, 1: 18, 10: 9, 19: 0, 51: 0} {
		c := cursor{told: told}
		keys, dropped := tellAll(&c, v, 100)
		if dropped != want || c.told != 51 || len(keys) != int(min(32, 51-told)) {
			t.Errorf("told up to %d: dropped %d, want %d; then %d and up to %d", told, dropped, want, len(keys), c.told)
		}
	}
}

func TestAudit(t *testing.T) {
	v := operation(accept, run)
	v.Annotations = map[string]string{
		opsv1alpha1.AnnotationRequestedBy: "system:serviceaccount:hub:cp", opsv1alpha1.AnnotationOnBehalfOf: "Ada", opsv1alpha1.AnnotationJob: "odoo/17",
	}
	v.Spec.Engine, v.Spec.TargetRef = "velero", &opsv1alpha1.TargetRef{Name: "cloud"}
	v.Status.Template = &opsv1alpha1.TemplateStatus{Name: "velero-backup"}
	v.Status.Approval = &opsv1alpha1.ApprovalStatus{By: "Grace"}
	v.Status.Progress = "3/9"
	v.Status.Summary = &opsv1alpha1.Summary{Clusters: &opsv1alpha1.Counts{Total: 9, Failed: 4}}
	for i := range 5 {
		v.Status.Failures = append(v.Status.Failures, opsv1alpha1.Failure{Name: fmt.Sprintf("c%d", i), Reason: "Timeout", Message: strings.Repeat("x", i*1000)})
	}
	got := v.audit()
	want := &wire.Audit{
		RequestedBy: "system:serviceaccount:hub:cp", OnBehalfOf: "Ada", Job: "odoo/17", Action: "Backup", Engine: "velero", Template: "velero-backup",
		Target: "ApplicationInstance/cloud", ApprovedBy: "Grace", Progress: "3/9", Failed: 4,
		Failures: []string{"c0: Timeout", "c1: " + strings.Repeat("x", 253) + "...", "c2: " + strings.Repeat("x", 253) + "..."},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInstances(t *testing.T) {
	ai := &appsv1alpha1.ApplicationInstance{}
	ai.Namespace, ai.Name, ai.UID, ai.ResourceVersion, ai.Status.Cluster = "team", "cloud", "uid-2", "77", "eu-3"
	ready := metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Yes", LastTransitionTime: metav1.NewTime(noon)}
	degraded := metav1.Condition{Type: "Degraded", Status: metav1.ConditionFalse, Reason: "No", LastTransitionTime: metav1.NewTime(noon)}
	c := cursor{}
	tell := func(room int, conditions ...metav1.Condition) (told []string) {
		ai.Status.Conditions = conditions
		c.instance(ai, func(e event) bool {
			if len(told) == room {
				return false
			}
			if e.Cluster != "eu-3" || e.Sequence != 77 || len(e.Conditions) != 1 {
				t.Errorf("the event is %+v", e)
			}
			told = append(told, e.Conditions[0].Type+string(e.Conditions[0].Status))
			return true
		})
		return told
	}
	broken := ready
	broken.Status = metav1.ConditionFalse
	for i, step := range []struct {
		room       int
		conditions []metav1.Condition
		want       []string
	}{
		{9, []metav1.Condition{ready, degraded}, []string{"ReadyTrue", "DegradedFalse"}},
		{9, []metav1.Condition{degraded, ready}, nil},
		{9, []metav1.Condition{degraded, broken}, []string{"ReadyFalse"}},
		{9, []metav1.Condition{degraded, ready}, []string{"ReadyTrue"}},
		{0, []metav1.Condition{degraded, broken}, nil},
		{9, []metav1.Condition{degraded, broken}, []string{"ReadyFalse"}},
	} {
		if got := tell(step.room, step.conditions...); !slices.Equal(got, step.want) {
			t.Errorf("step %d: told %v, want %v", i, got, step.want)
		}
	}
	if e := instanceSnapshot(ai); !e.Snapshot || len(e.Conditions) != 2 || !strings.HasPrefix(e.EventKey, "snapshot/apps.vworkspace.io/v1alpha1/ApplicationInstance/team/cloud/uid-2#77.") &&
		!strings.HasPrefix(e.EventKey, "snapshot/"+path(instanceRef(ai))+"#77.") {
		t.Errorf("the snapshot is %+v", e)
	}
}

// Of a chunk that grows, in the order of the plan, each result is told; those whose marks are the same may be told again while the chunk is not whole.
func TestResultsThatHaveOneMarkAreNotLost(t *testing.T) {
	one, other := sameMark()
	v := operation(accept, run)
	c := cursor{more: &details{chunks: make([]chunk, 1)}}
	told := map[string]int{}
	tell := func(results ...placement.ClusterResult) {
		if !c.results(v, 0, results, func(e event) bool { told[e.Cluster]++; return true }) {
			t.Error("not all was taken")
		}
	}
	a, b, x := result(one), result(other), result("x")
	tell(a)
	tell(a, x)
	if told[one] != 1 || told["x"] != 1 {
		t.Fatalf("told %v, want each once", told)
	}
	tell(b, a, x)
	if told[other] == 0 {
		t.Fatalf("told %v: %s was lost, which has the mark of %s", told, other, one)
	}
	if told["x"] != 1 {
		t.Errorf("told %v: x again, whose mark is its own", told)
	}
}

func result(cluster string) placement.ClusterResult {
	return placement.ClusterResult{Cluster: cluster, State: placement.Succeeded, FinishedAt: noon}
}

// sameMark are two clusters whose results have one.
func sameMark() (one, other string) {
	seen := map[uint32]string{}
	for i := 0; ; i++ {
		name := fmt.Sprintf("cluster-%d", i)
		m := mark(result(name))
		if before, known := seen[m]; known {
			return before, name
		}
		seen[m] = name
	}
}

func TestResultsAreToldInParts(t *testing.T) {
	v := operation(accept, run)
	c := cursor{more: &details{chunks: make([]chunk, 1)}, told: 2}
	results := []placement.ClusterResult{result("a"), result("b"), result("c")}
	var told []string
	for range 3 {
		n := 0
		c.results(v, 0, results, func(e event) bool {
			if n == 1 {
				return false
			}
			n++
			told = append(told, e.EventKey)
			if e.Sequence != 2 {
				t.Errorf("sequence %d, want that of the last transition", e.Sequence)
			}
			return true
		})
	}
	if want := []string{"result/uid-1/a/0", "result/uid-1/b/0", "result/uid-1/c/0"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestWhenResultsAreRead(t *testing.T) {
	planned := func(ended, total int32, attempt int32, steps ...func(opsv1alpha1.Transitioner)) view {
		v := operation(steps...)
		v.Status.Plan = &opsv1alpha1.PlanStatus{Clusters: total}
		v.Status.Summary = &opsv1alpha1.Summary{Clusters: &opsv1alpha1.Counts{Total: total, Succeeded: ended}}
		v.Status.Rollout = &opsv1alpha1.RolloutStatus{Attempt: attempt}
		return v
	}
	whole := []chunk{{1}, {2}}
	for name, c := range map[string]struct {
		cursor cursor
		v      view
		due    bool
		at     int64
		chunks int
	}{
		"before there is a plan":  {cursor{}, operation(accept), false, 0, 0},
		"before anything ended":   {cursor{}, planned(0, 501, 0, accept, run), false, 0, 2},
		"something ended":         {cursor{}, planned(1, 501, 0, accept, run), true, 0, 2},
		"nothing ended since":     {cursor{more: &details{ended: 1, chunks: whole}}, planned(1, 501, 0, accept, run), false, 0, 2},
		"something did, just now": {cursor{more: &details{ended: 1, chunks: whole, nextRead: noon.Unix() + 4}}, planned(2, 501, 0, accept, run), false, noon.Unix() + 4, 2},
		"a retry":                 {cursor{more: &details{ended: 1, chunks: whole}}, planned(1, 501, 1, accept, run), true, 0, 2},
		"clusters were added":     {cursor{more: &details{ended: 1, chunks: whole}}, planned(1, 1001, 0, accept, run), true, 0, 3},
		"the end":                 {cursor{more: &details{ended: 1, chunks: whole, nextRead: noon.Unix() + 4}}, planned(1, 501, 0, accept, run, succeed), true, 0, 2},
		"the end, which was told": {cursor{over: true}, planned(1, 501, 0, accept, run, succeed), false, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if due, at := c.cursor.reads(c.v, noon); due != c.due || at != c.at || due && len(c.cursor.more.chunks) != c.chunks {
				t.Errorf("due %v, at %d, %+v; want %v, %d, %d chunks", due, at, c.cursor.more, c.due, c.at, c.chunks)
			}
		})
	}
}
