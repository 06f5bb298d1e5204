// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// crashing is a chain that stops at a pod.
func crashing() Chain {
	return Walk(onCluster(instanceIn(opsv1alpha1.PhaseRunning, "EngineRunning", "pod nightly-job-x1 is running"), target(true, "Installed", "runs"),
		made("Job", "shops", "nightly-job", runningJob(), pod(corev1.PodRunning, waitingFor("CrashLoopBackOff", ""), exited(3, "Error", "no database")))))
}

func written(t *testing.T, c Chain, l Look) string {
	t.Helper()
	var b strings.Builder
	l.Now = testNow
	if err := c.Write(&b, l); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const crashingTree = `
Operation shops/nightly                        ✓ Running           4m     RollingOut: 0 of 3 clusters ended, 1 running
├─ plan                                        ✓ planned                  group canary (1 of 2), cluster 1 of 3
├─ ManifestWork spoke1/nightly-abc             ✓ created           5m
├─ ManagedCluster spoke1                       ✓ available         5m
├─ work agent of spoke1                        ✓ alive             20s    renewed its lease 20 s ago
├─ delivery                                    ✓ applied           5m     reported running
├─ vWorkspace agent of spoke1                  ✓ took it up        4m     claims velero=healthy
└─ Operation vworkspace-agent/nightly-abc      ✓ Running           4m     Expanded: 0 of 1 done
   └─ instance shops/shop-a                    ✓ Running           4m     EngineRunning: pod nightly-job-x1 is running
      ├─ ApplicationInstance shop-a            ✓ Ready             5m
      └─ Job shops/nightly-job                 ✓ running           3m     0 active, 0 succeeded, 0 failed
         └─ Pod shops/nightly-job-x1           ✗ CrashLoopBackOff  60s    exit code 3: no database

It stops at Pod shops/nightly-job-x1
  container main of pod shops/nightly-job-x1 starts and ends again and again (4 times): exited with code 3: no database
  To do: kubectl -n shops logs nightly-job-x1 -c main --previous
`

func TestTree(t *testing.T) {
	got := written(t, crashing(), Look{})
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if squeeze(got) != squeeze(crashingTree) {
		t.Errorf("got\n%s\nwant\n%s", got, crashingTree)
	}
	if strings.Contains(got, "\x1b") {
		t.Error("it is coloured, and should not be")
	}
	if coloured := written(t, crashing(), Look{Color: true}); !strings.Contains(coloured, "\x1b[31m✗ CrashLoopBackOff") || !strings.Contains(coloured, "\x1b[32m✓") {
		t.Errorf("it is not coloured by state:\n%q", coloured)
	}
}

// TestTreeFits: no line is wider than the terminal, however narrow, and nothing is lost but the middle of names.
func TestTreeFits(t *testing.T) {
	for _, width := range []int{50, 80, 120} {
		got := written(t, crashing(), Look{Width: width})
		for _, line := range strings.Split(got, "\n") {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("at %d a line has %d columns: %q", width, n, line)
			}
		}
		for _, words := range []string{"no database", "renewed", "--previous", "RollingOut:"} {
			if !strings.Contains(got, words) {
				t.Errorf("at %d %q is lost:\n%s", width, words, got)
			}
		}
	}
}

func TestTreeWell(t *testing.T) {
	if got := written(t, Walk(running()), Look{}); !strings.Contains(got, "Nothing is in the way.") || !strings.Contains(got, "Not seen: cluster spoke1 itself was not looked at") {
		t.Error(got)
	}
}

// TestManyInstances: those in trouble are told first, and not all of a hundred.
func TestManyInstances(t *testing.T) {
	f := onCluster(instanceIn(opsv1alpha1.PhaseFailed, "JobFailed", "exit code 1"))
	for range 100 {
		op := instanceIn(opsv1alpha1.PhaseSucceeded, "JobSucceeded", "")
		op.Spec.TargetRef = &opsv1alpha1.TargetRef{Name: "shop-b"}
		f.Below.Instances = append([]Instance{{Operation: op}}, f.Below.Instances...)
	}
	c := Walk(f)
	if len(c.Links) > 25 || c.Stop == nil || c.Links[c.Stop.Link].Name != "instance shops/shop-a" || c.Links[len(c.Links)-1].Name != "91 more instances" {
		t.Errorf("%d links, the last %+v, stop %+v", len(c.Links), c.Links[len(c.Links)-1], c.Stop)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "0 s", 4 * time.Second: "4 s", 6*time.Minute + 3*time.Second: "6 minutes", 3 * time.Hour: "3 hours", 50 * time.Hour: "2 days"} {
		if got := Short(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestNext(t *testing.T) {
	for name, c := range map[string]struct {
		phase  opsv1alpha1.OperationPhase
		reason string
		change func(*opsv1alpha1.OperationStatus)
		want   string
	}{
		"runs":       {opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut, nil, "vw watch nightly"},
		"failed":     {opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed, func(s *opsv1alpha1.OperationStatus) { s.Failures = []opsv1alpha1.Failure{{Name: "eu-7"}} }, "vw describe op nightly --cluster eu-7; then mend it, and vw retry nightly --failed"},
		"halted":     {opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRolloutHalted, func(s *opsv1alpha1.OperationStatus) { s.Blocked = true }, "vw retry nightly --failed"},
		"approval":   {opsv1alpha1.PhasePending, opsv1alpha1.ReasonAwaitingApproval, func(s *opsv1alpha1.OperationStatus) { s.Blocked = true }, "vw approve nightly"},
		"paused":     {opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonSuspended, func(s *opsv1alpha1.OperationStatus) { s.Blocked = true }, "vw resume nightly"},
		"invalid":    {opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed, func(s *opsv1alpha1.OperationStatus) { s.Plan = nil }, "correct the field"},
		"rolls back": {opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonRolledBack, func(s *opsv1alpha1.OperationStatus) { s.RolledBackBy = "back" }, "vw describe op back"},
		"succeeded":  {opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded, nil, ""},
		"no hub":     {"", "", nil, "vw doctor"},
	} {
		op := operationIn("shops", "nightly", c.phase, c.reason, "")
		op.Status.Plan = &opsv1alpha1.PlanStatus{Clusters: 3}
		if c.change != nil {
			c.change(&op.Status)
		}
		if got := NewOverview(op, testNow).Next; !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTargets(t *testing.T) {
	for want, spec := range map[string]opsv1alpha1.OperationSpec{
		"instance shop-a": {TargetRef: &opsv1alpha1.TargetRef{Name: "shop-a"}},
		"instances a, b":  {Selector: &opsv1alpha1.InstanceSelector{Names: []string{"a", "b"}}},
		"instances labelled app=shop in shops, on the clusters of Placement all": {Selector: &opsv1alpha1.InstanceSelector{
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}, Namespaces: []string{"shops"}},
			Placement: &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}}},
	} {
		if got := targets(&opsv1alpha1.Operation{Spec: spec}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
