// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"slices"
	"strings"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines/helm"
	"vworkspace.io/fleet/engines/velero"
	"vworkspace.io/fleet/engines/volsync"
	"vworkspace.io/fleet/engines/workflow"
)

// patient are the reasons for which an Operation waits as it is meant to.
var patient = []string{
	opsv1alpha1.ReasonConflictingOperation, opsv1alpha1.ReasonAwaitingApproval, opsv1alpha1.ReasonAwaitingTurn, opsv1alpha1.ReasonOutsideMaintenanceWindow,
	opsv1alpha1.ReasonClusterBusy, opsv1alpha1.ReasonFrozen, opsv1alpha1.ReasonSuspended, opsv1alpha1.ReasonAwaitingGroupApproval,
	opsv1alpha1.ReasonAwaitingResume, opsv1alpha1.ReasonPlacementPending, workflow.ReasonSuspended,
}

// waits tells whether a reason is one to wait for, and not a fault.
func waits(reason string) bool { return slices.Contains(patient, reason) }

// spot is where a reason was met.
type spot struct {
	// namespace of the Operation.
	namespace string
	// on is " on CLUSTER", or empty where kubectl is there already.
	on string
	// logs is the command that prints them.
	logs string
	// fleet is the Operation that a person steers.
	fleet string
}

// advices by reason: {namespace} is that of the Operation that gives the reason, {on} is " on CLUSTER" or nothing, {op} is the Operation that vw steers, {logs} the command
// that prints its logs.
var advices = map[string]string{
	opsv1alpha1.ReasonAwaitingApproval:         "somebody who may approve it: vw approve {op}",
	opsv1alpha1.ReasonApprovalInvalid:          "give a claim that is for this Operation: vw approve {op} --claim FILE",
	opsv1alpha1.ReasonAwaitingGroupApproval:    "let the group begin: vw approve {op} --group GROUP",
	opsv1alpha1.ReasonSuspended:                "let it go on: vw resume {op}",
	opsv1alpha1.ReasonFrozen:                   "wait for the end of the Freeze, or take it away: vw unfreeze NAME",
	opsv1alpha1.ReasonOutsideMaintenanceWindow: "wait for the window to open; spec.maintenanceWindow may be changed while it waits",
	opsv1alpha1.ReasonRolloutHalted:            "mend what failed, then vw retry {op} --failed; or raise the budget in spec.rollout; or vw cancel {op}",
	opsv1alpha1.ReasonConflictingOperation:     "it starts by itself when the other Operation has ended; vw describe op of that one says how far it is",
	opsv1alpha1.ReasonAwaitingTurn:             "it starts by itself when its turn comes: spec.selector.maxConcurrency bounds how many run at a time",
	opsv1alpha1.ReasonClusterBusy:              "ask the owner of the cluster: its AgentPolicy lets nothing start for now",
	opsv1alpha1.ReasonLocalVeto:                "ask the owner of the cluster: its AgentPolicy does not allow this",
	opsv1alpha1.ReasonAwaitingResume:           "resume it{on} where it waits; for a Workflow: argo resume NAME -n {namespace}",
	workflow.ReasonSuspended:                   "resume it{on}: argo resume NAME -n {namespace}",
	opsv1alpha1.ReasonNamespaceNotGated:        "open the namespace{on}: kubectl label namespace {namespace} managed-by=vworkspace",
	opsv1alpha1.ReasonRbacProfileMissing:       "have who runs the cluster give what the message names{on}; it goes on by itself then (docs/reference/permissions.md)",
	opsv1alpha1.ReasonEngineNotInstalled:       "install the engine{on}, or ask for another by spec.engine in a new Operation",
	opsv1alpha1.ReasonTargetNotFound:           "create the ApplicationInstance, or correct the name in a new Operation",
	opsv1alpha1.ReasonTargetNotReady:           "see why it is not Ready{on}: vw describe appinst NAME -n {namespace}",
	opsv1alpha1.ReasonCapabilityMissing:        "annotate the ApplicationInstance as the message says",
	opsv1alpha1.ReasonMissingSecret:            "create the Secret that the message names{on}",
	opsv1alpha1.ReasonNoTemplate:               "vw templates lists what there is; name one by spec.templateRef in a new Operation",
	opsv1alpha1.ReasonAmbiguousTemplate:        "name one of them by spec.templateRef in a new Operation",
	opsv1alpha1.ReasonTemplateChanged:          "ask again: the template is not what it was when the Operation was planned",
	opsv1alpha1.ReasonTemplateInvalid:          "mend the OperationTemplate as the message says",
	opsv1alpha1.ReasonPreconditionFailed:       "make the template's precondition hold; it starts by itself then",
	opsv1alpha1.ReasonPodNotRestricted:         "ask for less in the pod, or have the namespace allow more{on}",
	opsv1alpha1.ReasonNotAuthorized:            "somebody who may do it has to ask; docs/reference/permissions.md",
	opsv1alpha1.ReasonRequesterUnknown:         "the hub's admission does not answer: vw doctor",
	opsv1alpha1.ReasonPlacementNotFound:        "create the Placement in namespace {namespace}; it goes on by itself",
	opsv1alpha1.ReasonPlacementPending:         "kubectl -n {namespace} describe placement says what it waits for",
	opsv1alpha1.ReasonNoClusters:               "the Placement selects no cluster: kubectl -n {namespace} describe placement; is a ManagedClusterSet bound in the namespace?",
	opsv1alpha1.ReasonNamespaceNotAllowed:      "select only namespace {namespace}, or ask from the platform's namespace",
	opsv1alpha1.ReasonValidationFailed:         "correct the field in a new Operation",
	opsv1alpha1.ReasonNoTargets:                "check the selector: kubectl get appinst -A --show-labels{on}",
	opsv1alpha1.ReasonTimeout:                  "see why it took so long, and raise spec.timeout in a new Operation",
	opsv1alpha1.ReasonResultLost:               "look{on} what it did before you ask again: nobody knows its result",
	opsv1alpha1.ReasonNotPutBack:               "put it back by hand{on}, as the message says",
	opsv1alpha1.ReasonQuiesceFailed:            "see why the application could not be quiesced: its quiesce annotations, and the pods that they name",
	opsv1alpha1.ReasonFieldConflict:            "somebody else owns that field{on}: have them change it, or leave it to vWorkspace",
	opsv1alpha1.ReasonNameConflict:             "remove the object that is in the way{on}, and ask again",
	opsv1alpha1.ReasonClusterUnreachable:       "bring the cluster back, then vw retry {op}",
	opsv1alpha1.ReasonAgentMissing:             "see to the agent{on}: kubectl -n vworkspace-agent get pods; then vw retry {op}",
	opsv1alpha1.ReasonClusterNotFound:          "the cluster has left the fleet; plan anew without it",
	opsv1alpha1.ReasonDispatchFailed:           "the hub could not create the ManifestWork: kubectl -n vworkspace-hub logs deploy/vworkspace-hub",
	opsv1alpha1.ReasonProgressDeadlineExceeded: "see why the cluster took so long, or raise progressDeadline in spec.rollout; then vw retry {op} --failed",
	velero.ReasonLocationUnavailable:           "kubectl -n velero get backupstoragelocations{on}; it goes on by itself once one is Available",
	velero.ReasonLocationNotFound:              "make a default BackupStorageLocation{on}: velero backup-location set NAME --default",
	velero.ReasonLocationReadOnly:              "use another by spec.parameters.storageLocation, or set its accessMode to ReadWrite{on}",
	helm.ReasonStalled:                         "mend what Flux says of the HelmRelease{on}, then vw retry {op} --failed",
	helm.ReasonChartNotFound:                   "publish that version, or ask for one that there is",
	helm.ReasonChartUnavailable:                "is the chart's registry up, and reachable{on}? It goes on by itself",
	volsync.ReasonMoverFailed:                  "{logs} shows what the mover said; check the repository's Secret{on}",
	volsync.ReasonMoverPending:                 "see what the mover's pod waits for{on}: kubectl -n {namespace} get pods",
	workflow.ReasonTemplateNotFound:            "create the WorkflowTemplate{on} in namespace {namespace}, or correct its name in a new Operation",
	workflow.ReasonNotTakenUp:                  "Argo's controller does not answer{on}: kubectl -n argo get pods",
}

// advise what to do about a reason; empty when there is nothing to say beyond the message.
func advise(reason string, s spot) string {
	return strings.NewReplacer("{namespace}", s.namespace, "{on}", s.on, "{op}", s.fleet, "{logs}", s.logs).Replace(advices[reason])
}
