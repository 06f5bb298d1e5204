// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	podsecurity "k8s.io/pod-security-admission/api"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/engines"
)

// defaultStartDeadline is spec.startDeadline when left out.
const defaultStartDeadline = 5 * time.Minute

// facts are what was read before a run may start. A fact that depends on an earlier one that does not hold was not read.
type facts struct {
	op    *opsv1alpha1.Operation
	gated bool
	// policy of the cluster's owner, nil when there is none.
	policy *opsv1alpha1.AgentPolicySpec
	// agentNamespace is the agent's own.
	agentNamespace string
	// podLevel is what the namespace lets pods be.
	podLevel podsecurity.Level
	// target is nil when it does not exist.
	target *appsv1alpha1.ApplicationInstance
	// chart is why it is not known what the target's chart says, where that counts.
	chart *blocker
	// engine that spec.engine or the target names; nil when this agent does not have it.
	engine engines.Engine
	// request is what the catalog was asked.
	request catalog.Request
	// template that is followed; nil when there is none, or the engine is nil. problem says why.
	template *catalog.Entry
	problem  *catalog.Problem
	// unmet is a precondition of the template that does not hold.
	unmet *blocker
	// frozen is the Freeze that holds the run, or nil.
	frozen *blocker
	// absent is a kind of the engine that the cluster does not serve, or empty.
	absent string
	// plan is the error of the engine's plan, if any.
	plan error
	// pods that the run would start, as far as its plan tells.
	pods []pods
	// rival on the same target that goes first, or nil.
	rival *opsv1alpha1.Operation
	// approvalPolicy of the template, and given are the parameters as they were before it filled them: an approval is for those.
	approvalPolicy opsv1alpha1.ApprovalPolicy
	given          *runtime.RawExtension
	// above: the Operation lies below another one, which satisfies the policy.
	above bool
	// approvals is what an approval rests on, and now is when it was read.
	approvals approvals.Evidence
	now       time.Time
}

// blocker is what keeps a run from starting: a reason, and a message that names what it is and how to go on.
type blocker struct {
	reason  string
	message string
	// opens is after how long it goes by itself, where that is known; 0 where it is not.
	opens time.Duration
}

func blocked(reason, format string, args ...any) *blocker {
	return &blocker{reason: reason, message: fmt.Sprintf(format, args...)}
}

// preconditions in their order: the first one that does not hold is the one that is reported.
var preconditions = []func(facts) *blocker{
	namespaceGated, requestAllowed, targetExists, chartKnown, capabilityAdvertised, templateFollowed, templateAllowed, engineAllowed, templateHolds, engineInstalled, targetReady,
	approved, engineAgrees, podsAllowed, noConflict, unbusy, unfrozen,
}

func firstBlocker(f facts) *blocker {
	for _, p := range preconditions {
		if b := p(f); b != nil {
			return b
		}
	}
	return nil
}

func namespaceGated(f facts) *blocker {
	if f.gated {
		return nil
	}
	return blocked(opsv1alpha1.ReasonNamespaceNotGated, "namespace %s is not open to vWorkspace: label it %s=%s",
		f.op.Namespace, appsv1alpha1.LabelNamespaceGate, appsv1alpha1.NamespaceGated)
}

func targetExists(f facts) *blocker {
	if f.target != nil {
		return nil
	}
	return blocked(opsv1alpha1.ReasonTargetNotFound, "ApplicationInstance %s does not exist in namespace %s: create it, or correct spec.targetRef.name in a new Operation",
		f.op.Spec.TargetRef.Name, f.op.Namespace)
}

// capabilityAdvertised wants the target's owner to have said that this may be done, and with which engine. Nothing is inferred.
func capabilityAdvertised(f facts) *blocker {
	key := f.op.Spec.Type.Capability()
	advertised := opsv1alpha1.OperationEngine(f.target.Annotations[key])
	wanted := f.op.Spec.Engine
	if wanted == "" && f.template != nil {
		wanted = f.engine.Name()
	}
	if f.target.ChartMayAdvertise() && (advertised == "" || wanted != "" && wanted != advertised) {
		return blocked(opsv1alpha1.ReasonCapabilityMissing, "ApplicationInstance %s leaves it to its chart which engine does a %s (annotation %s), and that is %q here: "+
			"have the chart's Chart.yaml say another in %s, or remove the instance's annotation", f.target.Name, f.op.Spec.Type, appsv1alpha1.AnnotationChartCapabilities, advertised, key)
	}
	switch {
	case advertised == "":
		if wanted == "" {
			wanted = "ENGINE"
		}
		return blocked(opsv1alpha1.ReasonCapabilityMissing, "ApplicationInstance %s does not advertise %s: annotate it with %s=%s",
			f.target.Name, f.op.Spec.Type, key, wanted)
	case wanted != "" && wanted != advertised:
		return blocked(opsv1alpha1.ReasonCapabilityMissing, "ApplicationInstance %s advertises %s with engine %s, and spec.engine says %s: use %s in a new Operation, or annotate the instance with %s=%s",
			f.target.Name, f.op.Spec.Type, advertised, wanted, advertised, key, wanted)
	case f.engine == nil:
		return blocked(opsv1alpha1.ReasonCapabilityMissing, "ApplicationInstance %s advertises %s with engine %q, which is not part of this agent: correct the annotation %s",
			f.target.Name, f.op.Spec.Type, advertised, key)
	}
	return nil
}

func engineInstalled(f facts) *blocker {
	if f.absent == "" {
		return nil
	}
	return blocked(opsv1alpha1.ReasonEngineNotInstalled, "engine %s needs %s, which this cluster does not serve: install it", f.engine.Name(), f.absent)
}

// needReady are the types that work on an application that runs. An Upgrade or a Restore is how a broken one is mended.
var needReady = []opsv1alpha1.OperationType{
	opsv1alpha1.TypeBackup, opsv1alpha1.TypeMigration, opsv1alpha1.TypeRunCommand, opsv1alpha1.TypeRunbook,
}

func targetReady(f facts) *blocker {
	if !f.needsReady() {
		return nil
	}
	ready := meta.FindStatusCondition(f.target.Status.Conditions, appsv1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return blocked(opsv1alpha1.ReasonTargetNotReady, "ApplicationInstance %s has not reported yet whether it is Ready", f.target.Name)
	case ready.ObservedGeneration < f.target.Generation:
		return blocked(opsv1alpha1.ReasonTargetNotReady, "ApplicationInstance %s was changed and has not reported since", f.target.Name)
	case ready.Status != metav1.ConditionTrue:
		return blocked(opsv1alpha1.ReasonTargetNotReady, "ApplicationInstance %s is not Ready: %s: %s", f.target.Name, ready.Reason, ready.Message)
	}
	return nil
}

// needsReady is the template's to say, and by default the type's.
func (f facts) needsReady() bool {
	if f.template != nil && f.template.Template.Spec.Preconditions != nil {
		if policy := f.template.Template.Spec.Preconditions.TargetReady; policy != "" {
			return policy == opsv1alpha1.ReadyRequired
		}
	}
	return slices.Contains(needReady, f.op.Spec.Type)
}

// engineAgrees: an *engines.InvalidError never gets here, it ends the Operation.
func engineAgrees(f facts) *blocker {
	var b *engines.BlockedError
	if errors.As(f.plan, &b) {
		return &blocker{reason: b.Reason, message: b.Message}
	}
	return nil
}

// podsAllowed: the first of the pod rules that does not hold.
func podsAllowed(f facts) *blocker {
	for _, rule := range podRules {
		if b := rule(f); b != nil {
			return b
		}
	}
	return nil
}

func noConflict(f facts) *blocker {
	if f.rival == nil {
		return nil
	}
	does := "goes first"
	if f.rival.Status.Phase == opsv1alpha1.PhaseRunning {
		does = "is running"
	}
	return blocked(opsv1alpha1.ReasonConflictingOperation, "%s %s on the same target %s; this one starts by itself when that has ended",
		f.rival.Spec.Type, f.rival.Name, does)
}

// waitsInOrder are the reasons for which a run waits without anything being wrong, however long it takes: for another Operation, for a person, for a
// time, or until the owner of the cluster, or of the fleet, lets runs start again.
var waitsInOrder = []string{
	opsv1alpha1.ReasonConflictingOperation, opsv1alpha1.ReasonAwaitingApproval, opsv1alpha1.ReasonApprovalInvalid,
	opsv1alpha1.ReasonAwaitingTurn, opsv1alpha1.ReasonOutsideMaintenanceWindow, opsv1alpha1.ReasonClusterBusy, opsv1alpha1.ReasonFrozen,
}

// countsAgainstDeadline tells whether being blocked for a reason means that something is wrong.
func countsAgainstDeadline(reason string) bool { return !slices.Contains(waitsInOrder, reason) }

// blockedFor is how long an Operation was blocked by something that is wrong, all such spells added up from its history. The age of the
// Operation would count the time it waited for others, and the last spell alone could start anew for ever.
func blockedFor(history []opsv1alpha1.Transition, now time.Time) time.Duration {
	var total time.Duration
	for i, t := range history {
		if t.Phase != opsv1alpha1.PhasePending || t.Reason == opsv1alpha1.ReasonAdmissionPassed || !countsAgainstDeadline(t.Reason) {
			continue
		}
		end := now
		if i+1 < len(history) {
			end = history[i+1].Time.Time
		}
		if d := end.Sub(t.Time.Time); d > 0 {
			total += d
		}
	}
	return total
}

func startDeadline(op *opsv1alpha1.Operation) time.Duration {
	if d := op.Spec.StartDeadline; d != nil {
		return d.Duration
	}
	return defaultStartDeadline
}
