// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// seen is an object as a Witness sees it, with fields set in it.
func seen(api API, kind, name, uid string, labels map[string]string, fields map[string]any) Change {
	o := &unstructured.Unstructured{Object: map[string]any{}}
	o.SetKind(kind)
	o.SetNamespace(apps)
	o.SetName(name)
	o.SetUID(types.UID(uid))
	o.SetLabels(labels)
	for path, value := range fields {
		if err := unstructured.SetNestedField(o.Object, value, strings.Split(path, ".")...); err != nil {
			panic(err)
		}
	}
	return Change{API: api, Type: watch.Modified, Object: o}
}

// TestWitness: every law is seen to be broken when it is, and only then.
func TestWitness(t *testing.T) {
	operation := func(uid string, fields map[string]any) Change {
		return seen(OnSpoke, "Operation", "op", uid, nil, fields)
	}
	running := func(uid, kind string) Change {
		return operation(uid, map[string]any{"status.phase": "Running", "spec.type": kind, "spec.targetRef.name": "shop"})
	}
	ended := func(reason string) Change {
		return operation("1", map[string]any{
			"status.phase": "Succeeded", "status.reason": reason, "status.finishedAt": "then", "spec.type": "Upgrade", "spec.targetRef.name": "shop",
		})
	}
	work := func(namespace, uid string) Change {
		c := seen(OnHub, "ManifestWork", "work", uid, map[string]string{"ops.vworkspace.io/operation": "1"}, nil)
		c.Object.SetNamespace(namespace)
		return c
	}
	again := func(attempt int64) Change {
		return seen(OnHub, "Operation", "op", "1", nil, map[string]any{"spec.retry.attempt": attempt})
	}
	attempt := func(uid, phase string, parts ...string) Change {
		c := work("near", uid)
		c.Object.SetName(opsv1alpha1.RunName("op", "1", parts...))
		status := map[string]any{"resourceStatus": map[string]any{"manifests": []any{map[string]any{
			"statusFeedback": map[string]any{"values": []any{map[string]any{"name": "phase", "fieldValue": map[string]any{"string": phase}}}},
		}}}}
		if phase != "Running" {
			status["conditions"] = []any{map[string]any{"type": "Complete", "status": "True"}}
		}
		c.Object.Object["status"] = status
		return c
	}
	takenBack := attempt("1", "Running")
	takenBack.Object.Object["spec"] = map[string]any{"deleteOption": map[string]any{"propagationPolicy": "Foreground"}}
	deletedWork := attempt("1", "Running")
	deletedWork.Type = watch.Deleted
	child := func(on, uid string) Change {
		return seen(OnSpoke, "Operation", "child", uid, map[string]string{"ops.vworkspace.io/parent": "1"}, map[string]any{"spec.targetRef.name": on})
	}
	job := func(uid string, labels map[string]string) Change {
		return seen(OnSpoke, "Job", "run", uid, labels, nil)
	}
	of := map[string]string{"ops.vworkspace.io/operation": "1"}
	step := map[string]string{"ops.vworkspace.io/operation": "1", "ops.vworkspace.io/step": "quiesce"}
	deleted := running("1", "Upgrade")
	deleted.Type = watch.Deleted
	for _, c := range []struct {
		name string
		see  []Change
		late []string
		want string // empty when no law is broken
	}{
		{name: "an end", see: []Change{running("1", "Backup"), ended("Done"), ended("Done")}},
		{name: "an end that is another", see: []Change{ended("Done"), ended("Lost")}, want: "had ended as Succeeded/Done at then and is Succeeded/Lost at then"},
		{name: "an end that is none", see: []Change{ended("Done"), running("1", "Backup")}, want: "had ended as"},
		{name: "an end that leaves clusters running", see: []Change{
			operation("1", map[string]any{"status.phase": "Failed", "status.summary.clusters.running": int64(2)}),
		}, want: "has ended, and 2 clusters are running"},
		{name: "an end that tells what would be", see: []Change{
			operation("1", map[string]any{"status.phase": "Succeeded", "status.reason": "DryRun", "status.summary.clusters.pending": int64(2)}),
		}},
		{name: "a ManifestWork in each cluster", see: []Change{work("near", "1"), work("far", "2"), work("near", "1")}},
		{name: "a second ManifestWork", see: []Change{work("near", "1"), work("near", "2")}, want: "is the second work of 1 in near"},
		{name: "another attempt", see: []Change{again(1), attempt("1", "Failed"), attempt("2", "Running", "retry", "1")}},
		{name: "another attempt, asked for by what is seen later", see: []Change{attempt("1", "Failed"), attempt("2", "Running", "retry", "1"), again(1)}},
		{name: "another attempt of one that was taken back", see: []Change{again(1), takenBack, attempt("2", "Running", "retry", "1")}},
		{name: "another attempt of one that was deleted", see: []Change{again(1), deletedWork, attempt("2", "Running", "retry", "1")}},
		{name: "the second attempt is a cluster's first", see: []Change{again(2), attempt("2", "Running", "retry", "2")}},
		{name: "an attempt that nobody has asked for", see: []Change{again(1), attempt("1", "Failed"), attempt("2", "Running", "retry", "2")}, want: "no attempt that was asked for"},
		{name: "an attempt of an Operation that nobody has seen", see: []Change{attempt("1", "Failed"), attempt("2", "Running", "retry", "1")}, want: "no attempt that was asked for"},
		{name: "an attempt that was to be before", see: []Change{again(1), attempt("1", "Failed", "retry", "1"), attempt("2", "Running")}, want: "still to come"},
		{name: "an attempt beside another", see: []Change{again(1), attempt("1", "Running"), attempt("2", "Running", "retry", "1")}, want: "is at work there"},
		{name: "an attempt of what is done", see: []Change{again(1), attempt("1", "Succeeded"), attempt("2", "Running", "retry", "1")}, want: "had succeeded"},
		{name: "an attempt twice", see: []Change{again(1), attempt("1", "Failed", "retry", "1"), attempt("2", "Running", "retry", "1")}, want: "is the second work"},
		{name: "an attempt twice, late", see: []Change{again(1), attempt("1", "Failed", "retry", "1"), attempt("2", "Running", "retry", "1")}, late: []string{"hub ManifestWork"}},
		{name: "a child on each instance", see: []Change{child("a", "1"), child("b", "2")}},
		{name: "a second child", see: []Change{child("a", "1"), child("a", "2")}, want: "is the second child of 1"},
		{name: "a Job", see: []Change{job("1", of), job("1", of)}},
		{name: "a second Job", see: []Change{job("1", of), job("2", of)}, want: "is the second Job run of 1"},
		{name: "a second Job, late", see: []Change{job("1", of), job("2", of)}, late: []string{"spoke Job"}},
		{name: "a third Job, late", see: []Change{job("1", of), job("2", of), job("3", of)}, late: []string{"spoke Job"}, want: "is the second Job run of 1"},
		{name: "a second Job, and something else late", see: []Change{job("1", of), job("2", of)}, late: []string{"spoke Backup"}, want: "is the second Job"},
		{name: "a step that is taken again", see: []Change{job("1", step), job("2", step)}},
		{name: "a person's Jobs", see: []Change{job("1", nil), job("2", nil)}},
		{name: "an Upgrade beside a Migration", see: []Change{running("1", "Upgrade"), running("2", "Migration")}, want: "is a Migration at work on"},
		{name: "a Backup beside a Restore", see: []Change{running("1", "Backup"), running("2", "Restore")}, want: "is a Restore at work on"},
		{name: "two Backups", see: []Change{running("1", "Backup"), running("2", "Backup")}},
		{name: "an Upgrade after another", see: []Change{running("1", "Upgrade"), ended("Done"), running("2", "Upgrade")}},
		{name: "an Upgrade after one that was deleted", see: []Change{running("1", "Upgrade"), deleted, running("2", "Upgrade")}},
		{name: "a Secret", see: []Change{seen(OnSpoke, "Secret", "door", "1", nil, map[string]any{"data.key": canary})}},
		{name: "a Secret's value elsewhere", see: []Change{seen(OnSpoke, "Job", "run", "1", nil, map[string]any{"status.message": "the key is " + canary})},
			want: "holds the value of a Secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWitness()
			for _, change := range c.see {
				w.see(change)
			}
			broken := strings.Join(w.broken(c.late), "; ")
			if (c.want == "") != (broken == "") || !strings.Contains(broken, c.want) {
				t.Errorf("broken: %q, want %q", broken, c.want)
			}
		})
	}
}

// TestCompare: what was made is counted, and what was born late is forgiven once, of its kind.
func TestCompare(t *testing.T) {
	calm := Report{Made: map[string]int{"spoke Job": 2, "spoke Operation": 3}}
	for _, c := range []struct {
		name      string
		jobs, ops int
		late      []string
		want      bool
	}{
		{"as many", 2, 3, nil, true},
		{"a Job more", 3, 3, nil, false},
		{"a Job less", 1, 3, nil, false},
		{"a Job more, late", 3, 3, []string{"spoke Job"}, true},
		{"two Jobs more, one of them late", 4, 3, []string{"spoke Job", "spoke Job"}, false},
		{"a Job more, and an Operation late", 3, 4, []string{"spoke Operation"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := Report{Made: map[string]int{"spoke Job": c.jobs, "spoke Operation": c.ops}, BornLate: c.late}
			if got := compare(calm, now); (len(got) == 0) != c.want {
				t.Errorf("said %q", got)
			}
		})
	}
	blind := Report{Made: map[string]int{"spoke Job": 1}, Unseen: true}
	if got := compare(calm, blind); len(got) != 0 {
		t.Errorf("what nobody could see is missed: %q", got)
	}
	blind.Made["spoke Job"] = 3
	if got := compare(calm, blind); len(got) == 0 {
		t.Error("a Job more goes unnoticed when not all was seen")
	}
}

// TestFlat: what grows is told from what goes up and down.
func TestFlat(t *testing.T) {
	many := func(of func(i int) sample) (all []sample) {
		for i := range 16 {
			all = append(all, of(i))
		}
		return all
	}
	for _, c := range []struct {
		name  string
		of    []sample
		grows bool
	}{
		{"the same", many(func(int) sample { return sample{500, 20, 40 << 20} }), false},
		{"up and down", many(func(i int) sample { return sample{500 + i%3*40, 20 + i%2*2, uint64(40+i%4*10) << 20} }), false},
		{"goroutines", many(func(i int) sample { return sample{500 + i*10, 20, 40 << 20} }), true},
		{"watches", many(func(i int) sample { return sample{500, 20 + i, 40 << 20} }), true},
		{"memory", many(func(i int) sample { return sample{500, 20, uint64(40+2*i) << 20} }), true},
		{"too few to tell", []sample{{500, 20, 1}, {600, 30, 2}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if grows := growth(c.of); (grows != "") != c.grows {
				t.Errorf("said %q", grows)
			}
		})
	}
}
