// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"strings"
	"testing"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines/helm"
	"vworkspace.io/fleet/engines/velero"
	"vworkspace.io/fleet/placement"
)

// walkCase is a chain, and where it has to stop; nowhere when step is empty.
type walkCase struct {
	facts      Facts
	step       Step
	state      State
	name       string // part of the link's name
	cause      string // part of it
	suggestion string // part of it
}

func (c walkCase) run(t *testing.T) {
	t.Helper()
	got := Walk(c.facts)
	stops := 0
	for _, k := range got.Links {
		if k.Stop {
			stops++
		}
	}
	if c.step == "" {
		if got.Stop != nil || stops != 0 {
			t.Fatalf("it stops at %+v, and should not", got.Stop)
		}
		return
	}
	if got.Stop == nil || stops != 1 {
		t.Fatalf("it stops nowhere, or at %d links, want %s: %+v", stops, c.step, got.Links)
	}
	if got.Stop.Step != c.step || got.Stop.State != c.state {
		t.Errorf("it stops at %s (%s), want %s (%s): %+v", got.Stop.Step, got.Stop.State, c.step, c.state, got.Stop)
	}
	if name := got.Links[got.Stop.Link].Name; !strings.Contains(name, c.name) {
		t.Errorf("it stops at %q, want %q in it", name, c.name)
	}
	if !strings.Contains(got.Stop.Cause, c.cause) {
		t.Errorf("the cause is\n%q, want in it\n%q", got.Stop.Cause, c.cause)
	}
	if !strings.Contains(got.Stop.Suggestion, c.suggestion) {
		t.Errorf("the suggestion is\n%q, want in it\n%q", got.Stop.Suggestion, c.suggestion)
	}
}

// with changes facts.
func with(f Facts, change func(*Facts)) Facts {
	change(&f)
	return f
}

// unstarted is running, of a cluster that was not started for a reason.
func unstarted(reason, message string, change func(*Facts)) Facts {
	return with(running(), func(f *Facts) {
		f.Cluster, f.Result = "spoke2", placement.ClusterResult{Cluster: "spoke2"}
		f.Place = &Place{Group: "rest", Index: 2, Total: 2, Position: 2, Clusters: 3}
		f.Work, f.Operation.Status.Reason, f.Operation.Status.Message = Seen[workv1.ManifestWork]{Looked: true}, reason, message
		f.Operation.Status.Rollout.Group = "rest"
		if change != nil {
			change(f)
		}
	})
}

func TestWalkUntilTheClusterIsTold(t *testing.T) {
	block := func(f *Facts) { blocked(f.Operation) }
	for name, c := range map[string]walkCase{
		"works":             {facts: running()},
		"not in the plan":   {with(running(), func(f *Facts) { f.Cluster, f.Place = "spoke9", nil }), StepPlan, Broken, "plan", "spoke9 is not in the plan: that has spoke1, spoke2, spoke3", "vw plan nightly"},
		"group not reached": {unstarted(opsv1alpha1.ReasonRollingOut, "1 of 3 clusters ended", func(f *Facts) { f.Operation.Status.Rollout.Group = "canary" }), StepPlan, Waiting, "", "its group rest comes after canary", "vw watch"},
		"concurrency":       {unstarted(opsv1alpha1.ReasonRollingOut, "1 of 3 clusters ended", nil), StepPlan, Waiting, "", "not started yet", "vw watch"},
		"paused":            {unstarted(opsv1alpha1.ReasonSuspended, "held back by spec.suspend", block), StepPlan, Waiting, "", "Suspended", "vw resume nightly"},
		"window":            {unstarted(opsv1alpha1.ReasonOutsideMaintenanceWindow, "2 held back: opens at 22:00", block), StepPlan, Waiting, "", "opens at 22:00", "wait for the window"},
		"group approval":    {unstarted(opsv1alpha1.ReasonAwaitingGroupApproval, "group rest waits", block), StepPlan, Waiting, "", "group rest waits", "vw approve nightly --group"},
		"halted":            {unstarted(opsv1alpha1.ReasonRolloutHalted, "1 of its clusters failed, and 0 may", block), StepPlan, Broken, "", "1 of its clusters failed", "vw retry nightly --failed"},
		"frozen": {unstarted(opsv1alpha1.ReasonFrozen, "frozen", func(f *Facts) {
			block(f)
			f.Freezes = []opsv1alpha1.Freeze{{ObjectMeta: metav1.ObjectMeta{Name: "sale"}, Spec: opsv1alpha1.FreezeSpec{Reason: "black friday"}}}
		}), StepPlan, Waiting, "", "Freeze sale holds the fleet: black friday", "vw unfreeze sale"},
		"ended before": {unstarted(opsv1alpha1.ReasonUserCancelled, "cancelled", func(f *Facts) { f.Operation.Status.Phase = opsv1alpha1.PhaseCancelled }), StepPlan, Broken, "", "was never started", ""},
		"waits for approval": {with(running(), func(f *Facts) {
			f.Operation.Status.Plan = nil
			f.Operation.Status.Phase = opsv1alpha1.PhasePending
			f.Operation.Status.Reason = opsv1alpha1.ReasonAwaitingApproval
			block(f)
		}), StepOperation, Waiting, "Operation shops/nightly", "AwaitingApproval", "vw approve nightly"},
		"makes no sense": {with(running(), func(f *Facts) {
			f.Operation.Status.Plan = nil
			f.Operation.Status.Phase = opsv1alpha1.PhaseFailed
			f.Operation.Status.Reason = opsv1alpha1.ReasonValidationFailed
			f.Operation.Status.Message = "spec.parameters.imagee: unknown"
		}), StepOperation, Broken, "", "spec.parameters.imagee", "correct the field"},
		"placement missing": {with(running(), func(f *Facts) {
			f.Operation.Status.Plan = nil
			f.Operation.Status.Phase = opsv1alpha1.PhasePending
			f.Operation.Status.Reason = opsv1alpha1.ReasonPlacementNotFound
			block(f)
		}), StepOperation, Broken, "", "PlacementNotFound", "create the Placement in namespace shops"},
		"hub away":               {with(running(), func(f *Facts) { f.Operation.Status = opsv1alpha1.OperationStatus{} }), StepOperation, Broken, "", "nothing has taken the Operation up for 10 minutes", "vw doctor"},
		"may not read the plan":  {facts: with(running(), func(f *Facts) { f.Place, f.PlanWhy, f.Result = nil, "no right", placement.ClusterResult{} })},
		"work gone, run at work": {with(running(), func(f *Facts) { f.Work = Seen[workv1.ManifestWork]{Looked: true} }), StepWork, Broken, "ManifestWork spoke1/nightly-abc", "is not there", "vworkspace-hub"},
	} {
		t.Run(name, c.run)
	}
}

func TestWalkToTheCluster(t *testing.T) {
	told := func(w *workv1.ManifestWork, change func(*Facts)) Facts {
		return with(running(), func(f *Facts) {
			f.Work = found(w)
			f.Result = placement.ClusterResult{Cluster: "spoke1", State: placement.Pending, Reason: opsv1alpha1.ReasonNotYetReported}
			if change != nil {
				change(f)
			}
		})
	}
	away := func(f *Facts) {
		f.Lease, f.ManagedCluster = found(lease(6*time.Minute+4*time.Second)), found(managed(false, "Registration agent stopped updating its lease."))
	}
	young := func(w *workv1.ManifestWork) *workv1.ManifestWork {
		w.CreationTimestamp = before(5 * time.Second)
		return w
	}
	gaveUp := func(reason, message string) func(*Facts) {
		return func(f *Facts) {
			f.Operation.Status.Phase, f.Operation.Status.Reason = opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed
			f.Result = placement.ClusterResult{Cluster: "spoke1", State: placement.Failed, Reason: reason, Message: message, Withdrawn: true}
		}
	}
	for name, c := range map[string]walkCase{
		"lease old":                  {told(work(), away), StepWorkAgent, Broken, "work agent of spoke1", "the work agent of spoke1 has not renewed its lease for 6 minutes", "kubectl -n open-cluster-management-agent get pods"},
		"lease old, still available": {told(work(), func(f *Facts) { f.Lease = found(lease(6 * time.Minute)) }), StepWorkAgent, Broken, "", "has not renewed its lease for 6 minutes", ""},
		"lease misses one renewal":   {told(applied(young(work()), string(opsv1alpha1.PhaseRunning)), func(f *Facts) { f.Lease = found(lease(100 * time.Second)) }), "", "", "", "", ""},
		"lease never":                {told(work(), func(f *Facts) { f.Lease.Object = nil }), StepWorkAgent, Broken, "", "never renewed", "get pods"},
		"unavailable":                {told(work(), func(f *Facts) { f.ManagedCluster = found(managed(false, "gone away")) }), StepCluster, Broken, "ManagedCluster spoke1", "has not heard of cluster spoke1: gone away", "can it reach the hub"},
		"cluster gone":               {told(work(), func(f *Facts) { f.ManagedCluster.Object = nil }), StepCluster, Broken, "", "no such ManagedCluster", "plan anew"},
		"not accepted":               {told(work(), func(f *Facts) { f.ManagedCluster.Object.Spec.HubAcceptsClient = false }), StepCluster, Broken, "", "hubAcceptsClient", "clusteradm accept"},
		"executor lacks rights":      {told(notApplied(work(), `operations.ops.vworkspace.io is forbidden: User "system:serviceaccount:vworkspace-agent:vworkspace-operations" cannot create`), nil), StepDelivery, Broken, "delivery", "could not apply it: AppliedManifestFailed: operations.ops.vworkspace.io is forbidden", "executors.yaml"},
		"not installed":              {told(notApplied(work(), `no matches for kind "Operation" in version "ops.vworkspace.io/v1alpha1"`), nil), StepDelivery, Broken, "", "no matches for kind", "vWorkspace is not installed on spoke1"},
		"not applied yet":            {told(young(work()), nil), StepDelivery, Waiting, "", "has not applied it yet", "wait"},
		"never applied":              {told(work(), nil), StepDelivery, Broken, "", "has not applied it for 5 minutes", "klusterlet"},
		"agent silent":               {told(applied(work(), ""), nil), StepAgent, Broken, "vWorkspace agent of spoke1", "has not taken it up for 5 minutes: is it running?", "deploy/vworkspace-agent"},
		"agent crashes": {told(applied(work(), ""), func(f *Facts) {
			f.NoWay, f.Below = "", &Below{Through: "context spoke1", Proven: true, Agent: []corev1.Pod{*pod(corev1.PodRunning, waitingFor("CrashLoopBackOff", ""), exited(1, "Error", "no such flag"))},
				Operation: found(operationIn(opsv1alpha1.DefaultAgentNamespace, "nightly-abc", "", "", ""))}
		}), StepAgent, Broken, "", "exited with code 1: no such flag", "vworkspace-agent"},
		"work agent does not report": {told(applied(work(), ""), func(f *Facts) {
			f.NoWay, f.Below = "", &Below{Through: "context spoke1", Proven: true,
				Operation: found(operationIn(opsv1alpha1.DefaultAgentNamespace, "nightly-abc", opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonExpanded, "0 of 1 done"))}
		}), StepDelivery, Broken, "", "its work agent does not report that", "klusterlet"},
		"deleted there": {with(running(), func(f *Facts) {
			m := &f.Work.Object.Status.ResourceStatus.Manifests[0]
			m.Conditions = append(m.Conditions, condition(workv1.ManifestAvailable, false, "ResourceNotAvailable", ""))
		}), StepDelivery, Broken, "", "was deleted on spoke1 before it had ended", "before you ask again"},
		"gave up: agent":       {told(work(), gaveUp(opsv1alpha1.ReasonAgentMissing, "delivered, but no agent took it up within 5m0s")), StepDelivery, Broken, "", "has not applied it", ""},
		"gave up: well by now": {told(applied(work(), ""), gaveUp(opsv1alpha1.ReasonAgentMissing, "delivered, but no agent took it up within 5m0s")), StepAgent, Broken, "", "the hub gave up on spoke1: delivered, but no agent took it up", "vw retry nightly"},
		"gave up: taken back": {told(work(), func(f *Facts) {
			gaveUp(opsv1alpha1.ReasonAgentMissing, "delivered, but no agent took it up within 5m0s")(f)
			f.Work = Seen[workv1.ManifestWork]{Looked: true}
		}), StepAgent, Broken, "", "no agent took it up", "vw retry nightly"},
		"gave up: unreachable": {with(running(), func(f *Facts) {
			gaveUp(opsv1alpha1.ReasonClusterUnreachable, "no answer within 5m0s")(f)
			f.Work = Seen[workv1.ManifestWork]{Looked: true}
		}), StepCluster, Broken, "", "the hub gave up on spoke1: no answer", "bring the cluster back"},
		"succeeded, and the cluster is away since": {facts: with(running(), func(f *Facts) { away(f); f.Result.State = placement.Succeeded })},
		"failed, and the cluster is away since": {with(running(), func(f *Facts) {
			away(f)
			f.Result.State, f.Result.Reason, f.Result.Message = placement.Failed, opsv1alpha1.ReasonSomeFailed, "1 of 1 failed: shops/shop-a: JobFailedBackoffExceeded: exit 1"
		}), StepClusterOperation, Broken, "Operation on spoke1", "spoke1 says: SomeFailed: 1 of 1 failed", "--spoke-context"},
		"blocked, by feedback": {with(running(), func(f *Facts) {
			f.Result.Waiting, f.Result.Message = true, "0 of 1 done, 1 blocked: shops/shop-a: NamespaceNotGated: namespace shops is not open"
		}), StepClusterOperation, Broken, "", "NamespaceNotGated", "on spoke1: kubectl label namespace shops managed-by=vworkspace"},
		"waits, by feedback": {with(running(), func(f *Facts) {
			f.Result.Waiting, f.Result.Message = true, "0 of 1 done, 1 blocked: shops/shop-a: AwaitingResume: step have-a-look"
		}), StepClusterOperation, Waiting, "", "AwaitingResume", "argo resume"},
	} {
		t.Run(name, c.run)
	}
}

func TestWalkOnTheCluster(t *testing.T) {
	type in = opsv1alpha1.OperationPhase
	const run, pending, fail = opsv1alpha1.PhaseRunning, opsv1alpha1.PhasePending, opsv1alpha1.PhaseFailed
	held := func(reason, message string, more ...func(*Instance)) Facts {
		return onCluster(blocked(instanceIn(pending, reason, message)), more...)
	}
	job := func(phase in, p *corev1.Pod) Facts {
		if phase == fail {
			return onCluster(instanceIn(phase, "JobFailedBackoffExceeded", "exit code 1"), made("Job", "shops", "nightly-job", failedJob(), p))
		}
		return onCluster(instanceIn(phase, "JobPodPending", "does not start"), made("Job", "shops", "nightly-job", runningJob(), p))
	}
	unschedulable := pod(corev1.PodPending, corev1.ContainerState{}, corev1.ContainerState{})
	unschedulable.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes are available: insufficient memory"}}
	evicted := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "x"}, Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "node was low on memory"}}
	noPod := onCluster(instanceIn(run, "EngineStarted", "no pod yet"), made("Job", "shops", "nightly-job", runningJob()), func(i *Instance) {
		i.Made[0].Events = []corev1.Event{{Type: "Warning", Reason: "FailedCreate", Message: `serviceaccount "runner" not found`}}
	})
	for name, c := range map[string]walkCase{
		"pod runs":           {facts: job(run, pod(corev1.PodRunning, corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, corev1.ContainerState{}))},
		"image":              {job(run, pod(corev1.PodPending, waitingFor("ImagePullBackOff", "not found"), corev1.ContainerState{})), StepPart, Broken, "Pod shops/nightly-job-x1", "cannot get its image registry.example.com/shop:9", "correct the image"},
		"unschedulable":      {job(run, unschedulable), StepPart, Broken, "Pod", "0/3 nodes are available", "ask for less"},
		"crash loop":         {job(run, pod(corev1.PodRunning, waitingFor("CrashLoopBackOff", ""), exited(3, "Error", "no database"))), StepPart, Broken, "Pod", "again and again (4 times): exited with code 3: no database", "--previous"},
		"out of memory":      {job(fail, pod(corev1.PodFailed, exited(137, "OOMKilled", ""), corev1.ContainerState{})), StepPart, Broken, "Pod", "used more memory than its limit (OOMKilled)", "raise its memory limit"},
		"evicted":            {job(fail, evicted), StepPart, Broken, "Pod", "Evicted: node was low on memory", "describe pod"},
		"exit code":          {job(fail, pod(corev1.PodFailed, exited(1, "Error", "carts are locked"), corev1.ContainerState{})), StepPart, Broken, "Pod", "exited with code 1: carts are locked", "logs"},
		"backoff, pods gone": {onCluster(instanceIn(fail, "JobFailedBackoffExceeded", "exit code 1"), made("Job", "shops", "nightly-job", failedJob())), StepEngine, Broken, "Job shops/nightly-job", "BackoffLimitExceeded", "vw logs op nightly"},
		"job gone":           {onCluster(instanceIn(fail, "JobFailedBackoffExceeded", "exit code 1: carts are locked"), made("Job", "shops", "nightly-job", nil)), StepInstance, Broken, "instance shops/shop-a", "carts are locked", ""},
		"no pod is made":     {noPod, StepEngine, Broken, "Job", `has no pod: FailedCreate: serviceaccount "runner" not found`, "ServiceAccount"},
		"profile":            {held(opsv1alpha1.ReasonRbacProfileMissing, "profile backup.velero may not create backups.velero.io in velero"), StepInstance, Broken, "instance shops/shop-a", "profile backup.velero may not create backups.velero.io in velero", "on spoke1"},
		"engine":             {held(opsv1alpha1.ReasonEngineNotInstalled, "engine velero needs Backup"), StepInstance, Broken, "", "EngineNotInstalled", "install the engine on spoke1"},
		"not gated": {held(opsv1alpha1.ReasonNamespaceNotGated, "namespace shops is not open", func(i *Instance) {
			i.Namespace = found(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shops"}})
		}), StepNamespace, Broken, "Namespace shops", "lacks the label managed-by=vworkspace", "on spoke1: kubectl label namespace shops managed-by=vworkspace"},
		"not ready":      {held(opsv1alpha1.ReasonTargetNotReady, "not Ready", target(false, "ReleaseFailed", "upgrade failed")), StepTarget, Broken, "ApplicationInstance shop-a", "shops/shop-a is not Ready: ReleaseFailed: upgrade failed", "vw describe appinst shop-a -n shops"},
		"not there":      {held(opsv1alpha1.ReasonTargetNotFound, "does not exist", func(i *Instance) { i.Target.Looked = true }), StepTarget, Broken, "", "does not exist in namespace shops", "create the ApplicationInstance"},
		"another runs":   {held(opsv1alpha1.ReasonConflictingOperation, "Upgrade up-1 is running", target(false, "Progressing", "")), StepInstance, Waiting, "instance", "Upgrade up-1 is running", "starts by itself"},
		"failing writes": {with(onCluster(instanceIn(run, "EngineStarted", "apply Job: etcd is away")), func(f *Facts) { s := before(3 * time.Minute); f.Below.Instances[0].Operation.Status.FailingSince = &s }), StepInstance, Broken, "", "got no further for 3 minutes", ""},
		"record gone": {with(onCluster(instanceIn(fail, "", "")), func(f *Facts) {
			f.Below.Operation, f.Below.Instances, f.Below.Proven = Seen[opsv1alpha1.Operation]{Looked: true}, nil, false
			f.Result.Message, f.Work = "1 of 1 failed: shops/shop-a: Timeout: took too long", Seen[workv1.ManifestWork]{Looked: true}
		}), StepClusterOperation, Broken, "Operation on spoke1", "Timeout: took too long", "spec.timeout"},
		"result kept, record gone": {facts: with(onCluster(instanceIn(run, "", "")), func(f *Facts) {
			f.Below.Operation, f.Below.Instances = Seen[opsv1alpha1.Operation]{Looked: true}, nil
			f.Result.State, f.Work = placement.Succeeded, Seen[workv1.ManifestWork]{Looked: true}
		})},
	} {
		t.Run(name, c.run)
	}
}

func TestWalkToTheExecutor(t *testing.T) {
	const run, pending, fail = opsv1alpha1.PhaseRunning, opsv1alpha1.PhasePending, opsv1alpha1.PhaseFailed
	location := func(phase velerov1.BackupStorageLocationPhase, message string) *velerov1.BackupStorageLocation {
		return &velerov1.BackupStorageLocation{ObjectMeta: metav1.ObjectMeta{Namespace: "velero", Name: "default"}, Status: velerov1.BackupStorageLocationStatus{Phase: phase, Message: message}}
	}
	backup := func(phase velerov1.BackupPhase, reason string) *velerov1.Backup {
		return &velerov1.Backup{ObjectMeta: metav1.ObjectMeta{Namespace: "velero", Name: "nightly"}, Status: velerov1.BackupStatus{Phase: phase, FailureReason: reason, Errors: 2}}
	}
	volume := &velerov1.PodVolumeBackup{ObjectMeta: metav1.ObjectMeta{Namespace: "velero", Name: "pvb"}, Status: velerov1.PodVolumeBackupStatus{Phase: velerov1.PodVolumeBackupPhaseFailed, Message: "repository is locked"}}
	workflow := func(nodes ...wfv1.NodeStatus) *wfv1.Workflow {
		wf := &wfv1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "books"}, Status: wfv1.WorkflowStatus{Phase: wfv1.WorkflowFailed, Nodes: wfv1.Nodes{}}}
		for _, n := range nodes {
			wf.Status.Nodes[n.ID] = n
		}
		return wf
	}
	step := func(name string, kind wfv1.NodeType, phase wfv1.NodePhase, message string) wfv1.NodeStatus {
		return wfv1.NodeStatus{ID: name, Name: "books[0]." + name, DisplayName: name, Type: kind, Phase: phase, Message: message}
	}
	suspended := workflow(step("look", wfv1.NodeTypeSuspend, wfv1.NodeRunning, ""))
	suspended.Status.Phase = wfv1.WorkflowRunning
	release := func(conditions ...metav1.Condition) *helmv2.HelmRelease {
		return &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "shop-a"}, Status: helmv2.HelmReleaseStatus{Conditions: conditions}}
	}
	held := release()
	held.Spec.Suspend = true
	mover := &volsyncv1alpha1.ReplicationSource{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "data"}, Status: &volsyncv1alpha1.ReplicationSourceStatus{
		LatestMoverStatus: &volsyncv1alpha1.MoverStatus{Result: volsyncv1alpha1.MoverResultFailed, Logs: "Starting container\nrepository does not exist\n"}}}
	paused := mover.DeepCopy()
	paused.Spec.Paused, paused.Status.LatestMoverStatus = true, nil
	noPlace := func(phase opsv1alpha1.OperationPhase, more ...func(*Instance)) Facts {
		return onCluster(blocked(instanceIn(phase, velero.ReasonLocationUnavailable, "BackupStorageLocation default cannot be used")), more...)
	}
	for name, c := range map[string]walkCase{
		"no location available":  {noPlace(pending, beside(location("Unavailable", "bucket is gone"))), StepPart, Broken, "BackupStorageLocation velero/default", "no BackupStorageLocation is Available: default is Unavailable: bucket is gone", "get backupstoragelocations on spoke1"},
		"no location at all":     {noPlace(pending), StepPart, Broken, "BackupStorageLocation", "there is no BackupStorageLocation", "velero backup-location set"},
		"backup failed":          {onCluster(instanceIn(fail, "VeleroBackupFailed", "x"), made("Backup", "velero", "nightly", backup("Failed", "upload: access denied"))), StepEngine, Broken, "Backup velero/nightly", "ended as Failed: upload: access denied", "vw logs op nightly"},
		"backup without storage": {onCluster(instanceIn(fail, "VeleroBackupFailed", "x"), made("Backup", "velero", "nightly", backup("Failed", "upload failed")), beside(location("Unavailable", "bucket is gone"))), StepPart, Broken, "BackupStorageLocation", "no BackupStorageLocation is Available", "backupstoragelocations"},
		"volume failed":          {onCluster(instanceIn(fail, "VeleroBackupPartiallyFailed", "x"), made("Backup", "velero", "nightly", backup("PartiallyFailed", ""), volume)), StepPart, Broken, "PodVolumeBackup velero/pvb", "repository is locked", "node-agent"},
		"partly, no volume":      {onCluster(instanceIn(fail, "VeleroBackupPartiallyFailed", "x"), made("Backup", "velero", "nightly", backup("PartiallyFailed", ""))), StepEngine, Broken, "Backup", "2 errors, which its log tells", "velero -n velero backup describe"},
		"refused":                {onCluster(instanceIn(fail, "x", "x"), made("Backup", "velero", "nightly", backup("FailedValidation", "no such namespace"))), StepEngine, Broken, "Backup", "Velero refused", "mend what Velero says"},
		"backup works":           {facts: onCluster(instanceIn(run, "VeleroBackupInProgress", "x"), made("Backup", "velero", "nightly", backup("InProgress", "")), beside(location("Available", "")))},
		"step failed":            {onCluster(instanceIn(fail, "WorkflowFailed", "x"), made("Workflow", "shops", "books", workflow(step("export", wfv1.NodeTypePod, wfv1.NodeFailed, "Error (exit code 2): no books")))), StepEngine, Broken, "Workflow shops/books", "step export of Workflow shops/books failed: Error (exit code 2): no books", "argo get books -n shops"},
		"suspended":              {onCluster(blocked(instanceIn(run, opsv1alpha1.ReasonAwaitingResume, "waits")), made("Workflow", "shops", "books", suspended)), StepEngine, Waiting, "Workflow", "waits at step look for a person", "argo resume books -n shops"},
		"not taken up":           {onCluster(instanceIn(run, "WorkflowNotTakenUp", "x"), made("Workflow", "shops", "books", &wfv1.Workflow{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "books"}})), StepEngine, Broken, "Workflow", "Argo's controller has not taken up", "kubectl -n argo get pods"},
		"release stalled":        {onCluster(instanceIn(fail, helm.ReasonStalled, "x"), made("HelmRelease", "shops", "shop-a", release(condition("Stalled", true, "RetriesExceeded", "gave up"), condition("Released", false, "UpgradeFailed", "disk is legacy-hdd")))), StepEngine, Broken, "HelmRelease shops/shop-a", "Flux has given up on HelmRelease shops/shop-a: disk is legacy-hdd", "flux -n shops get helmrelease shop-a"},
		"release failed":         {onCluster(instanceIn(fail, "HelmUpgradeFailed", "x"), made("HelmRelease", "shops", "shop-a", release(condition("Ready", false, "ArtifactFailed", "no chart version found for shop-9.9.9")))), StepEngine, Broken, "HelmRelease", "9.9.9", "mend the chart"},
		"no such chart":          {onCluster(instanceIn(fail, helm.ReasonChartNotFound, "no version 9.9.9 of chart shop"), made("HelmRelease", "shops", "shop-a", release(condition("Ready", false, "SourceNotReady", "is not ready")))), StepEngine, Broken, "HelmRelease", "no version 9.9.9 of chart shop", "publish that version"},
		"release suspended":      {onCluster(instanceIn(run, "HelmReleaseSuspended", "x"), made("HelmRelease", "shops", "shop-a", held)), StepEngine, Broken, "HelmRelease", "is suspended", "flux -n shops resume helmrelease shop-a"},
		"mover failed":           {onCluster(instanceIn(fail, "VolSyncMoverFailed", "x"), made("ReplicationSource", "shops", "data", mover)), StepEngine, Broken, "ReplicationSource shops/data", "repository does not exist", "repository's Secret"},
		"mover's pod":            {onCluster(instanceIn(run, "VolSyncMoverPending", "x"), made("ReplicationSource", "shops", "data", mover, pod(corev1.PodPending, waitingFor("ErrImagePull", "denied"), corev1.ContainerState{}))), StepPart, Broken, "Pod", "cannot get its image", ""},
		"replication paused":     {onCluster(instanceIn(run, "VolSyncPaused", "x"), made("ReplicationSource", "shops", "data", paused)), StepEngine, Broken, "", "is paused", "spec.paused to false"},
		"gone while it ran":      {onCluster(instanceIn(run, "EngineRunning", "x"), made("Backup", "velero", "nightly", nil)), StepEngine, Broken, "Backup velero/nightly", "it is gone, and the run has not ended", "before you ask again"},
		"succeeded":              {facts: with(onCluster(instanceIn(opsv1alpha1.PhaseSucceeded, "x", "x"), made("HelmRelease", "shops", "shop-a", held)), func(f *Facts) { f.Result.State = placement.Succeeded })},
	} {
		t.Run(name, c.run)
	}
}
