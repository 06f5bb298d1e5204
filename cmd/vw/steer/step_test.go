// SPDX-License-Identifier: Apache-2.0

package steer

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// operation on a fleet, as a case changes it.
func operation(phase opsv1alpha1.OperationPhase, change ...func(*opsv1alpha1.Operation)) *opsv1alpha1.Operation {
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "nightly", UID: "uid-1"},
		Spec: opsv1alpha1.OperationSpec{
			Type: opsv1alpha1.TypeUpgrade, Selector: &opsv1alpha1.InstanceSelector{},
			Placement:  &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "everywhere"}, OnChange: opsv1alpha1.ChangeFollow},
			Parameters: &runtime.RawExtension{Raw: []byte(`{"targetVersion":"1.2.0"}`)},
		},
		Status: opsv1alpha1.OperationStatus{Phase: phase, Plan: &opsv1alpha1.PlanStatus{Name: "nightly-plan"}},
	}
	for _, c := range change {
		c(op)
	}
	return op
}

func counts(c opsv1alpha1.Counts) func(*opsv1alpha1.Operation) {
	return func(op *opsv1alpha1.Operation) { op.Status.Summary = &opsv1alpha1.Summary{Clusters: &c} }
}

func oneTarget(op *opsv1alpha1.Operation) {
	op.Spec.Placement, op.Spec.Selector, op.Spec.TargetRef = nil, nil, &opsv1alpha1.TargetRef{Name: "shop-a"}
}

func suspended(op *opsv1alpha1.Operation) { op.Spec.Suspend = true }
func cancelled(op *opsv1alpha1.Operation) { op.Spec.Cancel = true }
func dry(op *opsv1alpha1.Operation)       { op.Spec.DryRun = true }
func ofSpoke(op *opsv1alpha1.Operation) {
	op.Labels = map[string]string{opsv1alpha1.LabelRoot: "x"}
	op.Annotations = map[string]string{opsv1alpha1.AnnotationOrigin: "shops/nightly"}
}

func blocked(reason, message string) func(*opsv1alpha1.Operation) {
	return func(op *opsv1alpha1.Operation) {
		op.Status.Conditions = []metav1.Condition{{Type: opsv1alpha1.ConditionBlocked, Status: metav1.ConditionTrue, Reason: reason, Message: message}}
	}
}

func gated(approved ...string) func(*opsv1alpha1.Operation) {
	return func(op *opsv1alpha1.Operation) {
		op.Spec.Rollout = &opsv1alpha1.RolloutSpec{Gate: opsv1alpha1.GatePerGroup, ApprovedGroups: approved}
		op.Spec.Rollout.Type = clusterv1alpha1.ProgressivePerGroup
		op.Status.Rollout = &opsv1alpha1.RolloutStatus{Group: "eu"}
	}
}

const (
	running   = opsv1alpha1.PhaseRunning
	pending   = opsv1alpha1.PhasePending
	failed    = opsv1alpha1.PhaseFailed
	succeeded = opsv1alpha1.PhaseSucceeded
)

func TestSteps(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	approve := func(a Approval) func(*opsv1alpha1.Operation) (Step, error) {
		return func(op *opsv1alpha1.Operation) (Step, error) {
			a.At = at
			return Approve(op, a)
		}
	}
	retry := func(of ...opsv1alpha1.RetryOutcome) func(*opsv1alpha1.Operation) (Step, error) {
		return func(op *opsv1alpha1.Operation) (Step, error) { return Retry(op, of) }
	}
	some := counts(opsv1alpha1.Counts{Total: 9, Running: 2, Pending: 3, Blocked: 1, Failed: 2, Skipped: 1})
	attempts := func(asked, begun int32) func(*opsv1alpha1.Operation) {
		return func(op *opsv1alpha1.Operation) {
			op.Spec.Retry, op.Status.Rollout = &opsv1alpha1.RetrySpec{Attempt: asked}, &opsv1alpha1.RolloutStatus{Attempt: begun}
		}
	}
	byName := func(op *opsv1alpha1.Operation) {
		op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true, ApprovedBy: "alice"}
	}
	byClaim := func(op *opsv1alpha1.Operation) {
		op.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true, Claim: "bad"}
	}
	begun := func(op *opsv1alpha1.Operation) { op.Status.StartedAt = &metav1.Time{Time: at} }
	verified := func(op *opsv1alpha1.Operation) { op.Status.Approval = &opsv1alpha1.ApprovalStatus{By: "bob"} }
	waits := blocked(opsv1alpha1.ReasonAwaitingGroupApproval, "group eu waits")

	for name, tt := range map[string]struct {
		do   func(*opsv1alpha1.Operation) (Step, error)
		op   *opsv1alpha1.Operation
		want string // the patch, and ! where it is guarded; or how an error begins
		says string
	}{
		"pause":                   {Pause, operation(running, some), `{"suspend":true}`, "paused: what runs on 2 clusters goes on, 4 clusters held back"},
		"pause before":            {Pause, operation(pending), `{"suspend":true}`, "paused"},
		"pause twice":             {Pause, operation(running, suspended), ``, "is paused already"},
		"pause one":               {Pause, operation(running, oneTarget), `nightly is about one cluster`, ""},
		"pause the end":           {Pause, operation(failed), `nightly has ended (Failed): there is nothing to pause; vw retry nightly runs again`, ""},
		"resume":                  {Resume, operation(running, some, suspended), `{"suspend":null}`, "resumed: 4 clusters to be started"},
		"resume twice":            {Resume, operation(running), ``, "is not paused"},
		"resume what halted":      {Resume, operation(running, blocked(opsv1alpha1.ReasonRolloutHalted, "halted in group eu")), ``, "is not paused; it waits: halted in group eu"},
		"resume the end":          {Resume, operation(succeeded), `nightly has ended (Succeeded): there is nothing to resume`, ""},
		"cancel":                  {Cancel, operation(running, some), `{"cancel":true}`, "cancelled: 2 clusters told to stop, 4 clusters not started"},
		"cancel one":              {Cancel, operation(running, oneTarget), `{"cancel":true}`, "cancelled"},
		"cancel twice":            {Cancel, operation(running, cancelled), ``, "is being cancelled already"},
		"cancel thrice":           {Cancel, operation(opsv1alpha1.PhaseCancelled), ``, "was cancelled already"},
		"cancel the end":          {Cancel, operation(succeeded), `nightly has ended (Succeeded)`, ""},
		"approve":                 {approve(Approval{By: "alice"}), operation(pending), `!{"approvals":{"approvedAt":"2030-01-02T03:04:05Z","approvedBy":"alice"}}`, "approved by alice: it begins when"},
		"approve in place of":     {approve(Approval{By: "bob"}), operation(pending, byName), `!{"approvals":{"approvedAt":"2030-01-02T03:04:05Z","approvedBy":"bob"}}`, "approved by bob"},
		"approve twice":           {approve(Approval{By: "alice"}), operation(pending, byName), ``, "was approved already, by you"},
		"approve verified":        {approve(Approval{By: "alice"}), operation(running, verified), ``, "was approved already, by bob"},
		"approve what runs":       {approve(Approval{By: "alice"}), operation(running, begun), `nightly has begun`, ""},
		"approve by claim":        {approve(Approval{Claim: "good"}), operation(pending, byClaim), `!{"approvals":{"claim":"good"}}`, "given the claim"},
		"a name and a claim":      {approve(Approval{By: "alice"}), operation(pending, byClaim), `nightly has a claim`, ""},
		"approve the end":         {approve(Approval{By: "alice"}), operation(failed), `nightly has ended (Failed): an approval comes too late`, ""},
		"the group that waits":    {approve(Approval{By: "alice"}), operation(running, gated("canary"), waits), `!{"rollout":{"approvedGroups":["canary","eu"]}}`, "group eu approved"},
		"a group":                 {approve(Approval{Groups: []string{"us"}}), operation(running, gated()), `!{"rollout":{"approvedGroups":["us"]}}`, "group us approved"},
		"a group twice":           {approve(Approval{Groups: []string{"us"}}), operation(running, gated("us")), ``, "group us was approved already"},
		"a group without a gate":  {approve(Approval{Groups: []string{"us"}}), operation(running), `--group: the groups of nightly wait for nobody`, ""},
		"retry":                   {retry(), operation(running, some), `!{"retry":{"attempt":1,"of":null}}`, "tries again (attempt 1): 3 clusters that failed, were skipped or did not answer, each"},
		"retry again":             {retry(opsv1alpha1.RetryFailed), operation(running, some, attempts(2, 2)), `!{"retry":{"attempt":3,"of":["Failed"]}}`, "tries again (attempt 3): clusters that failed, each"},
		"retry twice":             {retry(), operation(running, some, attempts(2, 1)), ``, "is asked for a retry already (attempt 2)"},
		"retry nothing":           {retry(), operation(running, counts(opsv1alpha1.Counts{Total: 1, Running: 1})), `nightly has no cluster that failed`, ""},
		"retry 101 times":         {retry(), operation(running, some, attempts(100, 100)), `nightly was tried again 100 times`, ""},
		"retry the cancelled":     {retry(), operation(running, cancelled), `nightly is being cancelled`, ""},
		"retry a dry run":         {retry(), operation(succeeded, dry), `nightly was a dry run`, ""},
		"retry one that runs":     {retry(), operation(running, oneTarget), `nightly has not ended`, ""},
		"retry on a spoke":        {retry(), operation(running, ofSpoke), `nightly was made for Operation shops/nightly`, ""},
		"retry success":           {retry(), operation(succeeded), `nightly has succeeded everywhere`, ""},
		"retry one by outcome":    {retry(opsv1alpha1.RetryFailed), operation(failed, oneTarget), `nightly was about one instance`, ""},
		"retry some of a cluster": {retry(), operation(failed, func(op *opsv1alpha1.Operation) { op.Spec.Placement = nil }), `nightly acted on several instances of this cluster`, ""},
		"retry a rollback":        {retry(), operation(failed, func(op *opsv1alpha1.Operation) { op.Spec.RollbackOf = &opsv1alpha1.RollbackOfSpec{Name: "up"} }), `nightly puts back what up changed: vw rollback up`, ""},
		"roll back what runs":     {Rollback, operation(running), `nightly has not ended`, ""},
		"roll back a backup":      {Rollback, operation(failed, func(op *opsv1alpha1.Operation) { op.Spec.Type = opsv1alpha1.TypeBackup }), `nightly is a Backup`, ""},
		"roll back a dry run":     {Rollback, operation(succeeded, dry), `nightly was a dry run`, ""},
		"roll back a rollback":    {Rollback, operation(failed, func(op *opsv1alpha1.Operation) { op.Spec.RollbackOf = &opsv1alpha1.RollbackOfSpec{Name: "up"} }), `nightly is itself a rollback, of up`, ""},
		"roll back twice":         {Rollback, operation(failed, func(op *opsv1alpha1.Operation) { op.Status.RolledBackBy = "nightly-x" }), `nightly is put back by Operation nightly-x already`, ""},
		"roll back on a spoke":    {Rollback, operation(failed, ofSpoke), `nightly was made for Operation shops/nightly`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			step, err := tt.do(tt.op)
			got := ""
			switch {
			case err != nil:
				if !strings.HasPrefix(err.Error(), tt.want) || tt.want == "" {
					t.Errorf("%v, want %s", err, tt.want)
				}
				return
			case step.Create != nil:
				t.Fatalf("creates %+v", step.Create)
			case step.Patch != nil:
				raw, _ := json.Marshal(step.Patch)
				if got = string(raw); step.Guarded {
					got = "!" + got
				}
			}
			if got != tt.want || !strings.HasPrefix(step.Says, tt.says) || step.Says == "" {
				t.Errorf("%s (%s)\nwant %s (%s)", got, step.Says, tt.want, tt.says)
			}
		})
	}
}

func TestUntil(t *testing.T) {
	now := time.Date(2030, 1, 2, 15, 4, 5, 0, time.FixedZone("", 3600))
	for text, want := range map[string]string{
		"2h": "2030-01-02T16:04:05Z", "18:00": "2030-01-02T17:00:00Z", "09:30": "2030-01-03T08:30:00Z", "2030-02-01T06:00:00+02:00": "2030-02-01T04:00:00Z",
	} {
		if got, err := Until(text, now); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s: %v %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{"tomorrow": "is not a length of time", "-2h": "is over", "2029-01-01T00:00:00Z": "is over", "25:00": "is not a"} {
		if _, err := Until(text, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if got, err := Until("", now); got != nil || err != nil {
		t.Error(got, err)
	}
}

func TestTypes(t *testing.T) {
	got, err := Types([]string{"upgrade", "Exec", "migrate", "RunCommand"})
	if err != nil || len(got) != 4 || got[0] != opsv1alpha1.TypeUpgrade || got[1] != opsv1alpha1.TypeRunCommand || got[2] != opsv1alpha1.TypeMigration {
		t.Error(got, err)
	}
	if _, err := Types([]string{"coffee"}); err == nil || !strings.Contains(err.Error(), "Backup, Restore, Upgrade") {
		t.Error(err)
	}
}
